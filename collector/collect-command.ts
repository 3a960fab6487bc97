// `wsar [collect] [interval [count]]`: the system activity reporter, the command that runs when none is
// named. Parses what was asked for and puts the parts together: sampler, reports, and in a lab the bus
// and the recorder. What each does stands in its own file.

import { setPriority, uptime } from 'node:os';
import { join } from 'node:path';
import { type CollectPlan, runCollector } from '#collector/collector.ts';
import { LAYOUT_NAMES, TABLES } from '#collector/report/layout.ts';
import { OutputQueue, openSink } from '#collector/report/output-queue.ts';
import { findProcRoot, PROC_ROOT } from '#collector/source/source-list.ts';
import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { parseCount, parseDurationMs } from '#core/cli/quantity.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';

const PERIOD_MS_MIN = 100;
const PERIOD_MS_MAX = 86_400_000;
const COUNT_MAX = 1e9;
const STDOUT_FD = 1;
/** How long the last rows wait for a reader that has stopped. */
const CLOSE_MS_MAX = 1000;
const PORT_MAX = 65_535;
/** Above ordinary programs, so that a busy host does not cost ticks; the collector takes under 1 % of a CPU. */
const NICE = -10;

export const command: CommandSpec = {
  name: 'collect',
  summary: 'report the activity of this host every second (default)',
  args: [
    { name: '[interval]', help: 'seconds between rows, default 1; or with a unit: 500ms, 2m' },
    { name: '[count]', help: 'end after so many rows; default: never' },
  ],
  options: [
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
      help: `tables or groups of columns, separated by commas: ${LAYOUT_NAMES.join(', ')}`,
      parse: (text) => parseNames('--show', text, LAYOUT_NAMES),
    },
    {
      flags: '--root <folder>',
      help: 'read this copy of /proc (or the proc in it) instead of the live one',
      parse: parseRoot,
      default: PROC_ROOT,
    },
    {
      flags: '--spool-folder <folder>',
      help: 'record rows here on their way to the store; in a lab default <state>/spool/<run id>',
    },
  ],
  examples: [
    'wsar                    a row a second until Ctrl-C, then the averages',
    'wsar 1 5                five rows',
    'wsar --wide --show os,runtime',
    'wsar 1 10 --json | jq \'.values["tcp.listen.overflows"]\'',
  ],
  run: collect,
};

async function collect(context: CommandContext): Promise<ExitCode> {
  const plan = planOf(context);
  raisePriority();
  const lost = new AbortController();
  watchLifeline(() => {
    lost.abort(
      new WsarError(
        'WSAR_ERR_PARENT_LOST',
        'the lab that started this collector is gone',
        'see its own message or log; rows up to now are in the spool',
      ),
    );
  });
  const closed = new AbortController();
  const output = new OutputQueue({
    sink: openSink(STDOUT_FD, process.stdout),
    clock: systemClock,
    onClosed: () => closed.abort(),
  });
  try {
    await runCollector(plan, {
      clock: systemClock,
      uptimeS: uptime,
      out: (text) => output.write(text),
      output,
      talk: context.talk,
      terminalLines: () => (process.stdout.isTTY ? process.stdout.rows : undefined),
      signal: AbortSignal.any([context.signal, closed.signal]),
      lost: lost.signal,
    });
  } finally {
    await output.close(CLOSE_MS_MAX);
  }
  return EXIT.ok;
}

function planOf({ args, options }: CommandContext): CollectPlan {
  if (options['json'] === true && options['csv'] === true) {
    throw new WsarError('WSAR_ERR_USAGE', '--json and --csv exclude each other', 'choose one');
  }
  if (options['schema'] === true && options['json'] !== true) {
    throw new WsarError('WSAR_ERR_USAGE', '--schema is an object of --json', 'give both');
  }
  const lab = readLabEnvironment();
  const spoolFolder = options['spoolFolder'] as string | undefined;
  return {
    periodMs: parseInterval(args[0]),
    rowsMax: args[1] === undefined ? Infinity : parseCount(1, COUNT_MAX)(args[1]),
    format: options['json'] === true ? 'json' : options['csv'] === true ? 'csv' : 'console',
    hasSchema: options['schema'] === true,
    show: shownNames(options),
    isWide: options['wide'] === true,
    root: options['root'] as string,
    isDetailed: options['detail'] === true,
    hasFastLane: options['fastLane'] === true,
    openMetrics: options['openmetrics'] as { host: string; port: number } | undefined,
    host: hostName(),
    lab,
    spoolFolder:
      spoolFolder ??
      (lab.busUrl === undefined
        ? undefined
        : join(stateSubfolder('spool'), lab.runId || 'collect')),
  };
}

/** What is shown: the roles first, then what was asked for by name; wsar's own table when nothing was. */
function shownNames(options: Record<string, unknown>): string[] {
  const asked = ['layout', 'show'].flatMap((option) => (options[option] as string[]) ?? []);
  return asked.length === 0 ? ['os'] : asked;
}

/** Seconds as in sar, or a duration with its unit. */
function parseInterval(text: string | undefined): number {
  if (text === undefined) return 1000;
  const periodMs = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (periodMs < PERIOD_MS_MIN || periodMs > PERIOD_MS_MAX || !Number.isInteger(periodMs)) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `an interval of '${text}' is not possible`,
      'give whole milliseconds from 0.1 s to a day, such as 1, 0.5 or 500ms',
    );
  }
  return periodMs;
}

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

function raisePriority(): void {
  try {
    setPriority(NICE);
  } catch {
    // Only root may; without it ticks are late more often, and say so.
  }
}
