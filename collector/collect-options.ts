// The options of `wsar collect` itself: what is read, what is shown and where it goes. Those of an area stand with
// the area (collect-area.ts).

import { AREAS } from '#collector/area-list.ts';
import { LAYOUT_NAMES, TABLES } from '#collector/report/layout.ts';
import { findProcRoot, PROC_ROOT } from '#collector/source/source-list.ts';
import type { OptionSpec } from '#core/cli/command.ts';
import { parseDurationMs, parseSizeBytes } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';

const PORT_MAX = 65_535;
const SPOOL_BYTES_MIN = 1024 * 1024;
const SHOWN_NAMES = [...LAYOUT_NAMES, ...AREAS.flatMap(({ tables }) => tables ?? [])];

/** Those of the collector, then those of its areas. */
export const COLLECT_OPTIONS: OptionSpec[] = [
  { flags: '--json', help: 'one JSON object a tick (NDJSON) with every metric' },
  {
    flags: '--schema',
    help: 'with --json: before the rows an object with name, unit and kind of every metric',
  },
  { flags: '--csv', help: 'one line of comma-separated values a tick with every metric' },
  {
    flags: '--openmetrics <address>',
    help: 'serve the values of the last tick at http://HOST:PORT/metrics; a port alone is on 127.0.0.1',
    parse: parseAddress,
  },
  { flags: '--detail', help: 'every counter of the kernel, not only the catalogue' },
  {
    flags: '--fast-lane',
    help: 'read what is cheap ten times a second: 1 s decays that follow, highest tenth of each row',
  },
  { flags: '--wide', help: "wsar's whole line, wider than 80 columns" },
  {
    flags: '--layout <roles>',
    help: `tables for a role, separated by commas: ${Object.keys(TABLES).join(', ')}; default os`,
    parse: (text) => parseNames('--layout', text, Object.keys(TABLES)),
  },
  {
    flags: '--show <names>',
    help: `tables or groups of columns, separated by commas: ${SHOWN_NAMES.join(', ')}`,
    parse: (text) => parseNames('--show', text, SHOWN_NAMES),
  },
  {
    flags: '--root <folder>',
    help: 'read this copy of /proc (or the proc in it) instead of the live one',
    parse: parseRoot,
    default: PROC_ROOT,
  },
  {
    flags: '--spool-folder <folder>',
    help: 'record here, for wsar dump or on the way to the store; in a lab default <state>/spool/<run id>',
  },
  {
    flags: '--spool-size <size>',
    help: 'without a store: the most a recording takes, from 1MiB, default 1GiB; the oldest hours go first',
    parse: parseSpoolSize,
  },
  {
    flags: '--spool-age <duration>',
    help: 'without a store: remove recorded hours that are older, such as 336h; default: never',
    parse: parseDurationMs,
  },
  ...AREAS.flatMap(({ options }) => options),
];

/** `9100`, `127.0.0.1:9100` or `[::1]:9100`. */
function parseAddress(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--openmetrics ${text} is no address`,
      'give HOST:PORT or a port, such as 127.0.0.1:9100',
    );
  }
  return { host: match[1] ?? match[2] ?? '127.0.0.1', port };
}

function parseSpoolSize(text: string): number {
  const bytes = parseSizeBytes(text);
  if (bytes >= SPOOL_BYTES_MIN) return bytes;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `--spool-size ${text} is too small for a recording`,
    'give 1MiB or more',
  );
}

function parseNames(option: string, text: string, known: readonly string[]): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `${option} knows no '${unknown}'`,
      `choose of ${known.join(', ')}`,
    );
  }
  return names;
}

function parseRoot(folder: string): string {
  const root = findProcRoot(folder);
  if (root === undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `--root ${folder} holds no copy of /proc`,
      'name a folder with a file stat in it, or in its folder proc',
    );
  }
  return root;
}
