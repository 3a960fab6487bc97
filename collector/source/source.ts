// What a source is: the part of the collector that knows one place where numbers come from. Sources are
// plug-ins of the sampler (collector/sampler.ts); a new one is a file here and a line in source-list.ts.
//
// Life of a source: `declare` once (names become slots), then `sample` every tick, then `close`.
// `sample` is synchronous: it reads, writes slots of the table, and returns. It never waits, starts a
// process, or walks something that grows with the load (connections, descriptors). What it throws is
// counted and the source pauses; the tick goes on without it. A slot it does not write has no value in
// this tick.

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';

/** What this host lets a source see. `reason` is a sentence for `wsar doctor`. */
export type Capability =
  | { state: 'ok' }
  | { state: 'degraded'; reason: string }
  | { state: 'absent'; reason: string };

/** What `sample` returns instead of the time of its data. */
export const Freshness = {
  /** Read just now: the sampler takes the middle of its own time stamps. */
  now: -1,
  /** Nothing new since the last tick; the values stand as they are. */
  unchanged: -2,
  /** What there was is too old to stand: no values. */
  stale: -3,
} as const;

export interface Source {
  readonly id: string;
  /** What one sample may cost, us of wall time; a source that exceeds it again and again is slowed down. */
  readonly budgetUs: number;
  /**
   * Its files are O(1) or O(CPUs): the fast lane reads it ten times a second (collector/collection.ts), for the
   * decay of one second and the highest tenth of each.
   */
  readonly isFast?: boolean;
  /** Tries once whether the host has it, and says what is missing. Costs are no matter. */
  probe(): Capability;
  /** Declares the metrics; called once, before the first sample. Instances that appear later go into the same scope. */
  declare(metrics: MetricScope): void;
  /**
   * Writes the slots. Returns a `Freshness`, or the monotonic time of the data, us, when it was pushed
   * here with its own time.
   */
  sample(table: SampleTable, nowUs: number): number;
  /** Computes what follows from the differences of this tick; called after they are settled. */
  derive?(table: SampleTable): void;
  close(): void;
}
