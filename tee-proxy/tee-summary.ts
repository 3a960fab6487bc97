// What a run of the tee amounts to, as an object (--json) and as a table for people.

import type { ShadowFigures } from '#tee-proxy/tee-figures.ts';

export interface TeeSummary {
  /** Tells this last line from the rows before it. */
  summary: 'tee';
  durationS: number;
  listen: string;
  upstream: string;
  engine: string;
  workers: number;
  /** The last value of every metric. */
  values: Record<string, number>;
  shadows: ({ name: string } & ShadowFigures)[];
}

/** The table; ends with a newline. */
export function summaryTable(summary: TeeSummary): string {
  const { durationS, listen, upstream, engine, workers, shadows } = summary;
  const value = (name: string): number => summary.values[`wsar.tee.${name}`] ?? 0;
  const lines = [
    `tee ${listen} to ${upstream}: ${durationS.toFixed(1)} s, engine ${engine}, ${workers} worker(s)`,
    line(1, 'clients', [
      `${value('accepted')} taken`,
      `${value('upstream_failed')} without upstream`,
      `${value('refused_full')} refused`,
    ]),
    line(1, 'bytes', [
      `${bytes(value('rx_bytes'))} to the upstream`,
      `${bytes(value('tx_bytes'))} back`,
    ]),
    line(1, 'CPU', [
      `${seconds(value('cpu_us'))} in all`,
      `production ${seconds(value('production.cpu_us'))}`,
      `shadow ${seconds(value('shadow.cpu_us'))}; memory ${bytes(value('rss'))}`,
    ]),
  ];
  if (shadows.length > 0) {
    lines.push(
      line(1, 'copied', [
        `${value('shadow.sampled')} connections chosen (share ${value('share')})`,
        bytes(value('shadow.offered_bytes')),
      ]),
    );
  }
  for (const shadow of shadows) lines.push(...shadowLines(shadow));
  return `${lines.join('\n')}\n`;
}

function shadowLines(shadow: TeeSummary['shadows'][number]): string[] {
  const reasons = Object.entries(shadow.shedConnections);
  const shed = reasons.reduce((sum, [, count]) => sum + count, 0);
  const why = reasons.map(([reason, count]) => `${reason} ${count}`).join(', ');
  return [
    `  shadow ${shadow.name}`,
    line(2, 'complete', [
      `${shadow.completed} connections`,
      `${bytes(shadow.sentBytes)} sent`,
      `answers of ${bytes(shadow.discardedBytes)} thrown away`,
    ]),
    line(2, 'shed', [
      `${shed} connections${why === '' ? '' : ` (${why})`}`,
      `${bytes(shadow.shedBytes)}; breaker opened ${shadow.breakerTrips} times`,
    ]),
  ];
}

/** A line of the table: the figures of all depths stand in one column. */
function line(depth: number, label: string, figures: string[]): string {
  return `${'  '.repeat(depth)}${label.padEnd(14 - 2 * depth)}${figures.join(', ')}`;
}

function bytes(count: number): string {
  if (count < 1e4) return `${count} B`;
  if (count < 1e7) return `${(count / 1e3).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(1)} MB`;
}

function seconds(us: number): string {
  return `${(us / 1e6).toFixed(2)} s`;
}
