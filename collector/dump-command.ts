// `wsar dump`: what a recording holds. Without a format a summary; as NDJSON or CSV the rows themselves, of
// all metrics or of some, of all the time or a part of it. Reads while the collector goes on recording.

import { writeLines } from '#collector/recording/line-output.ts';
import { MetricFilter } from '#collector/recording/metric-filter.ts';
import {
  type LineCounts,
  type RecordedLine,
  wallMsOf,
} from '#collector/recording/recorded-lines.ts';
import {
  allLines,
  checkRecordingPath,
  newCounts,
  remarkOf,
} from '#collector/recording/recording-path.ts';
import { summaryOf } from '#collector/recording/summary.ts';
import { parseTimeOf, type TimeRange, timeRange } from '#collector/recording/time-range.ts';
import type { CommandContext, CommandSpec } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { WsarError } from '#core/errors.ts';

export const command: CommandSpec = {
  name: 'dump',
  summary: 'print what wsar collect has recorded',
  args: [{ name: '<recording>', help: 'spool folder, or one file of it' }],
  options: [
    { flags: '--json', help: 'one JSON object a row or event (NDJSON)' },
    { flags: '--csv', help: 'a header line, then a line a row' },
    {
      flags: '--metric <pattern>',
      help: 'only metrics of this name, * for any text; may be given again',
      repeat: true,
    },
    {
      flags: '--source <name>',
      help: 'only rows and events of this source; with --csv default host',
    },
    {
      flags: '--from <time>',
      help: 'from this time on: 2026-11-23T10:00:00Z, or 10:00 of its first day',
      parse: parseTimeOf,
    },
    { flags: '--to <time>', help: 'up to and with this time', parse: parseTimeOf },
  ],
  examples: [
    'wsar dump records                      what is in the folder records',
    "wsar dump records --csv --metric 'system.cpu.utilization*' --from 10:00 --to 10:05",
    'wsar dump records/00000001.rec --json  one hour',
  ],
  run: dump,
};

async function dump(context: CommandContext): Promise<ExitCode> {
  const { options, args, signal } = context;
  const path = checkRecordingPath(args[0]);
  const isJson = options['json'] === true;
  const isCsv = options['csv'] === true;
  if (isJson && isCsv) {
    throw new WsarError('WSAR_ERR_USAGE', '--json and --csv exclude each other', 'choose one');
  }
  const patterns = options['metric'] as string[] | undefined;
  if (patterns !== undefined && !isJson && !isCsv) {
    throw new WsarError('WSAR_ERR_USAGE', '--metric wants a format', 'add --json or --csv');
  }
  const counts = newCounts();
  const filter = new MetricFilter(patterns);
  const source = (options['source'] as string | undefined) ?? (isCsv ? 'host' : undefined);
  const range = timeRange(options['from'], options['to']);
  const lines = (): Iterable<RecordedLine> => chosen(path, counts, source, range);
  const texts = isJson
    ? jsonLines(lines(), filter)
    : isCsv
      ? csvLines(lines, filter)
      : summaryOf(lines(), counts);
  await writeLines(texts, process.stdout, signal);
  const remark = remarkOf(counts);
  if (remark !== undefined) context.talk(`wsar dump: ${remark}\n`);
  return EXIT.ok;
}

/** Lines of the source and the time that were asked for. */
function* chosen(
  path: string,
  counts: LineCounts,
  source: string | undefined,
  range: TimeRange,
): Generator<RecordedLine> {
  // CSV reads twice: what cannot be read counts once.
  Object.assign(counts, newCounts());
  for (const line of allLines(path, counts)) {
    if (source !== undefined && line.origin.source !== source) continue;
    if (range.includes(wallMsOf(line))) yield line;
  }
}

function* jsonLines(lines: Iterable<RecordedLine>, filter: MetricFilter): Generator<string> {
  for (const line of lines) {
    const { kind, origin } = line;
    if (kind === 'event') yield JSON.stringify({ ...origin, ...line.event });
    else if (kind === 'histograms') {
      const { wallMs, histograms } = line;
      if (!filter.isOn) yield JSON.stringify({ ...origin, wallMs, histograms });
    } else {
      const { decays: _decays, ...row } = line.row;
      const values = filter.of(row.values);
      if (!filter.isOn || Object.keys(values).length > 0) {
        yield JSON.stringify({ ...origin, ...row, values });
      }
    }
  }
}

const FRAME = ['time', 'tick', 'missed_ticks', 'interval_s'];
const US_PER_S = 1e6;

/** A column for every metric that occurs, so the recording is read twice. */
function* csvLines(lines: () => Iterable<RecordedLine>, filter: MetricFilter): Generator<string> {
  const metrics = new Set<string>();
  for (const line of lines()) {
    if (line.kind !== 'row') continue;
    for (const metric of Object.keys(line.row.values)) if (filter.has(metric)) metrics.add(metric);
  }
  const names = [...metrics];
  yield csvLine([...FRAME, ...names]);
  for (const line of lines()) {
    if (line.kind !== 'row') continue;
    const { wallMs, tick, missedTicks, intervalUs, values } = line.row;
    yield csvLine([
      new Date(wallMs).toISOString(),
      tick,
      missedTicks,
      intervalUs / US_PER_S,
      ...names.map((metric) => values[metric] ?? ''),
    ]);
  }
}

function csvLine(fields: (string | number)[]): string {
  return fields
    .map((field) => {
      const text = String(field);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(',');
}
