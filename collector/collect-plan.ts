// What was asked for on the command line and by the environment, and what the process offers: all that a
// collector is started with.

import { join } from 'node:path';
import { AREAS } from '#collector/area-list.ts';
import type { AreaPart } from '#collector/collect-area.ts';
import type { OutputQueue } from '#collector/report/output-queue.ts';
import type { CommandContext } from '#core/cli/command.ts';
import { parseCount, parseDurationMs } from '#core/cli/quantity.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { type LabEnvironment, readLabEnvironment } from '#core/host/lab-environment.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';

const PERIOD_MS_MIN = 100;
const PERIOD_MS_MAX = 86_400_000;
const COUNT_MAX = 1e9;

/** What was asked for. */
export interface CollectPlan {
  periodMs: number;
  /** Rows after which the collector ends. */
  rowsMax: number;
  format: 'console' | 'json' | 'csv';
  /** JSON says what the metrics are before it gives their values. */
  hasSchema: boolean;
  /** Tables and groups of the console. */
  show: string[];
  isWide: boolean;
  /** The folder that stands for /proc. */
  root: string;
  /** Every counter of the kernel, not only the catalogue. */
  isDetailed?: boolean;
  hasFastLane?: boolean;
  /** Where the values are served as OpenMetrics text; undefined: nowhere. */
  openMetrics?: { host: string; port: number } | undefined;
  host: string;
  lab: LabEnvironment;
  /** Where rows are recorded; undefined: they are not. */
  spoolFolder: string | undefined;
  /** Bounds of a recording that stays on disk, where there is no store. */
  spoolBytesMax?: number | undefined;
  spoolAgeMsMax?: number | undefined;
  /** What areas bring; default nothing. */
  areas?: readonly AreaPart[];
}

/** What the process offers. */
export interface CollectorSurroundings {
  clock: Clock;
  uptimeS: () => number;
  out: (text: string) => void;
  /** Counts what `out` had to drop because the reader stopped. */
  output?: Pick<OutputQueue, 'dropped' | 'takeLoss'>;
  talk: (text: string) => void;
  terminalLines: () => number | undefined;
  /** Ends the collector well. */
  signal: AbortSignal;
  /** Ends it with the error that is the reason. */
  lost: AbortSignal;
}

/** Makes the plan of a command line. Throws WSAR_ERR_USAGE for what contradicts itself. */
export async function planOf({ args, options }: CommandContext): Promise<CollectPlan> {
  if (options['json'] === true && options['csv'] === true) {
    throw new WsarError('WSAR_ERR_USAGE', '--json and --csv exclude each other', 'choose one');
  }
  if (options['schema'] === true && options['json'] !== true) {
    throw new WsarError('WSAR_ERR_USAGE', '--schema is an object of --json', 'give both');
  }
  const periodMs = parseInterval(args[0]);
  const rowsMax = args[1] === undefined ? Infinity : parseCount(1, COUNT_MAX)(args[1]);
  const lab = readLabEnvironment();
  const prepared = await Promise.all(AREAS.map((area) => area.prepare(options)));
  const areas = prepared.filter((part) => part !== undefined);
  return {
    periodMs,
    rowsMax,
    format: options['json'] === true ? 'json' : options['csv'] === true ? 'csv' : 'console',
    hasSchema: options['schema'] === true,
    show: shownNames(options, areas),
    isWide: options['wide'] === true,
    root: options['root'] as string,
    isDetailed: options['detail'] === true,
    hasFastLane: options['fastLane'] === true,
    openMetrics: options['openmetrics'] as { host: string; port: number } | undefined,
    host: hostName(),
    lab,
    spoolFolder: spoolFolderOf(options['spoolFolder'] as string | undefined, lab),
    spoolBytesMax: options['spoolSize'] as number | undefined,
    spoolAgeMsMax: options['spoolAge'] as number | undefined,
    areas,
  };
}

/** What is shown: the roles first, then what was asked for by name; wsar's own table when nothing was. */
function shownNames(options: Record<string, unknown>, areas: readonly AreaPart[]): string[] {
  const asked = ['layout', 'show'].flatMap((option) => (options[option] as string[]) ?? []);
  return asked.length === 0 ? ['os', ...areas.flatMap(({ shown }) => shown ?? [])] : asked;
}

function spoolFolderOf(asked: string | undefined, lab: LabEnvironment): string | undefined {
  if (asked !== undefined || lab.busUrl === undefined) return asked;
  return join(stateSubfolder('spool'), lab.runId || 'collect');
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
