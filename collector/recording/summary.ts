// What a recording holds, in a few lines: how many rows of which source, from when to when, in how many bytes.

import type { LineCounts, RecordedLine } from '#collector/recording/recorded-lines.ts';

interface SourceSummary {
  rows: number;
  missedTicks: number;
  metrics: number;
  events: number;
  fromMs: number;
  toMs: number;
}

/** The lines of the summary; reads all of `lines` first. */
export function* summaryOf(lines: Iterable<RecordedLine>, counts: LineCounts): Generator<string> {
  const sources = new Map<string, SourceSummary>();
  for (const line of lines) {
    const key = `${line.origin.host}/${line.origin.source}`;
    const summary = sources.get(key) ?? {
      rows: 0,
      missedTicks: 0,
      metrics: 0,
      events: 0,
      fromMs: Infinity,
      toMs: -Infinity,
    };
    sources.set(key, summary);
    if (line.kind === 'event') summary.events++;
    if (line.kind !== 'row') continue;
    const { wallMs, missedTicks, values } = line.row;
    summary.rows++;
    summary.missedTicks += missedTicks;
    summary.metrics = Math.max(summary.metrics, Object.keys(values).length);
    summary.fromMs = Math.min(summary.fromMs, wallMs);
    summary.toMs = Math.max(summary.toMs, wallMs);
  }
  const rows = [...sources.values()].reduce((sum, source) => sum + source.rows, 0);
  const { segments, bytes } = counts;
  const each = rows === 0 ? '' : `, ${Math.round(bytes / rows)} a row`;
  yield `${segments} ${segments === 1 ? 'segment' : 'segments'}, ${bytes} bytes${each}`;
  for (const [name, source] of sources) {
    yield `${name}: ${source.rows} rows of ${source.metrics} metrics, ${source.missedTicks} ticks missed, ` +
      `${source.events} events${source.rows === 0 ? '' : `, ${timeOf(source.fromMs)} to ${timeOf(source.toMs)}`}`;
  }
}

function timeOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
