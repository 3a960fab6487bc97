// One number per block and metric. Directions and units come from this list, never from a file that a
// person writes. Counters are read at the row of the first and of the last second of the block (both
// stand on the same whole seconds in every source), percentiles come from the merged histograms of the
// seconds in between: percentiles are never averaged.

import { createHistogram, type Histogram } from '#core/metric/histogram.ts';
import type { MetricValue, Row } from '#core/metric/row.ts';

/** The rows of one block, ascending; the first one stands for the second in which the block starts. */
export interface BlockRows {
  server: readonly Row[];
  load: readonly Row[];
}

/** A value, or why there is none. */
export type Measured = { value: number } | { notEstimable: string };

export interface BlockMetric {
  name: string;
  /** UCUM unit of a block value. */
  unit: string;
  better: 'lower' | 'higher';
  /** For a person: what it is. */
  what: string;
  measure(rows: BlockRows): Measured;
}

/** Events needed beyond a quantile before it is an estimate: p99 needs 5,000 messages a block. */
export const EVENTS_BEYOND_MIN = 50;

export const BLOCK_METRICS: readonly BlockMetric[] = [
  {
    name: 'cpu.us_per_msg',
    unit: 'us',
    better: 'lower',
    what: 'CPU time of the server for a delivered message',
    measure: ({ server }) => perMessage(server, 'wsar.server.cpu_us'),
  },
  {
    name: 'enters.per_msg',
    unit: '1',
    better: 'lower',
    what: 'io_uring_enter calls of the server for a delivered message',
    measure: ({ server }) => perMessage(server, 'wsar.server.loop.enters'),
  },
  {
    name: 'sends.per_msg',
    unit: '1',
    better: 'lower',
    what: 'sends of the server for a delivered message',
    measure: ({ server }) => perMessage(server, 'wsar.server.loop.sends'),
  },
  {
    name: 'delivered.per_s',
    unit: '{message}/s',
    better: 'higher',
    what: 'messages delivered a second',
    measure: ({ server }) => perSecond(server, 'wsar.server.messages.delivered'),
  },
  quantile('latency', 50),
  quantile('latency', 99),
  quantile('latency', 99.9),
  quantile('service', 99),
];

export function findMetric(name: string): BlockMetric | undefined {
  return BLOCK_METRICS.find((metric) => metric.name === name);
}

/** How much the counter `name` rose over the rows; null when an end is missing or it fell (a restart). */
export function rise(rows: readonly Row[], name: string): MetricValue {
  const first = rows[0]?.values[name];
  const last = rows.at(-1)?.values[name];
  if (first === undefined || first === null || last === undefined || last === null) return null;
  return last >= first ? last - first : null;
}

/** The histograms `name` of all rows but the first (which ends where the block starts), merged. */
export function mergedHistogram(rows: readonly Row[], name: string): Histogram {
  const merged = createHistogram();
  for (const row of rows.slice(1)) {
    const text = row.histograms?.[name];
    if (text !== undefined) merged.merge(text);
  }
  return merged;
}

function perMessage(rows: readonly Row[], name: string): Measured {
  const cost = rise(rows, name);
  const delivered = rise(rows, 'wsar.server.messages.delivered');
  if (cost === null) return { notEstimable: `the server reports no ${name} here` };
  if (delivered === null || delivered === 0) return { notEstimable: 'no message was delivered' };
  return positive(cost / delivered, name);
}

function perSecond(rows: readonly Row[], name: string): Measured {
  const count = rise(rows, name);
  const seconds = ((rows.at(-1)?.wallMs ?? 0) - (rows[0]?.wallMs ?? 0)) / 1000;
  if (count === null || seconds <= 0) return { notEstimable: `the server reports no ${name} here` };
  return positive(count / seconds, name);
}

function quantile(histogram: 'latency' | 'service', percent: number): BlockMetric {
  const short = `p${String(percent).replace('.', '')}`;
  const from = histogram === 'latency' ? 'intended' : 'true';
  return {
    name: `${histogram}.${short}`,
    unit: 'us',
    better: 'lower',
    what: `${percent} % of messages arrive within this time of their ${from} sending`,
    measure({ load }) {
      const merged = mergedHistogram(load, histogram);
      const needed = Math.round(EVENTS_BEYOND_MIN / (1 - percent / 100));
      if (merged.count < needed) {
        return { notEstimable: `${merged.count} messages in the block, ${short} needs ${needed}` };
      }
      return positive(merged.percentile(percent), `${histogram} ${short}`);
    },
  };
}

function positive(value: number, what: string): Measured {
  return value > 0 ? { value } : { notEstimable: `${what} is zero, which has no ratio` };
}
