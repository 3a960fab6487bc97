// The plug-in's side of its values: what it declares and sets is checked here, in its own thread, and what passes is
// published as a whole. What does not pass is counted, by what it was.

import type { PluginMetric } from '#collector/plugin/plugin.ts';
import { METRICS_MAX } from '#collector/plugin/plugin.ts';
import { PluginMetrics, whyNoMetric } from '#collector/plugin/plugin-metric.ts';
import { Note, type ValueCell } from '#collector/plugin/value-cell.ts';
import { HIGH_UNIT } from '#core/metric/counter.ts';

/** No measurement is larger, and sums and means of such numbers are still numbers. */
const MAGNITUDE_MAX = 1e30;
const COUNTER_MAX = 2n ** 64n - 1n;
const HIGH_UNIT_BIG = BigInt(HIGH_UNIT);
const DECIMAL = /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/;
const INTEGER = /^\d+$/;

export class ValueCollector {
  readonly #cell: ValueCell;
  readonly #metrics: PluginMetrics;
  readonly #onMetrics: (metrics: readonly PluginMetric[]) => void;
  readonly #high = new Float64Array(METRICS_MAX);
  readonly #low = new Float64Array(METRICS_MAX).fill(Number.NaN);
  #told: number;
  #isPlanned = false;

  /** `known`: metrics of an earlier life of the plug-in, which keep their places. */
  constructor(
    cell: ValueCell,
    known: readonly PluginMetric[],
    onMetrics: (metrics: readonly PluginMetric[]) => void,
  ) {
    this.#cell = cell;
    this.#metrics = new PluginMetrics(known);
    this.#onMetrics = onMetrics;
    this.#told = known.length;
  }

  /** Takes a metric; returns why not, as the end of a sentence. */
  declare(metric: unknown): string | undefined {
    const reason = whyNoMetric(metric) ?? this.#metrics.declare(metric as PluginMetric);
    if (reason !== undefined) this.#cell.count(Note.refusedMetrics);
    // Those that are declared together are told together.
    else if (!this.#isPlanned) setImmediate(() => this.#tell());
    this.#isPlanned = reason === undefined || this.#isPlanned;
    return reason;
  }

  /** Sets a value for the next `commit`. */
  set(name: string, value: unknown): void {
    const index = this.#metrics.indexOf(name);
    const isTaken = index >= 0 && this.#take(index, value);
    if (!isTaken) this.#cell.count(Note.refusedValues);
  }

  /** Sets a value that stands as text. */
  setText(name: string, text: string): void {
    if (INTEGER.test(text) && text.length > 15 && text.length <= 20) this.set(name, BigInt(text));
    else this.set(name, DECIMAL.test(text) ? Number(text) : Number.NaN);
  }

  /** Publishes what was set since the commit before. */
  commit(stampUs: number): void {
    this.#cell.publish(this.#high, this.#low, stampUs);
    this.clear();
  }

  /** Forgets what was set. */
  clear(): void {
    this.#low.fill(Number.NaN);
  }

  #tell(): void {
    this.#isPlanned = false;
    if (this.#metrics.all.length > this.#told) this.#onMetrics(this.#metrics.all.slice(this.#told));
    this.#told = this.#metrics.all.length;
  }

  #take(index: number, value: unknown): boolean {
    const isCounter = this.#metrics.all[index]!.kind === 'counter';
    if (typeof value === 'bigint') return this.#takeBig(index, value, isCounter);
    if (typeof value !== 'number' || !(Math.abs(value) <= MAGNITUDE_MAX)) return false;
    if (!isCounter) {
      this.#high[index] = 0;
      this.#low[index] = value;
      return true;
    }
    if (value < 0 || value > Number(COUNTER_MAX)) return false;
    this.#high[index] = Math.floor(value / HIGH_UNIT);
    this.#low[index] = value - this.#high[index]! * HIGH_UNIT;
    return true;
  }

  #takeBig(index: number, value: bigint, isCounter: boolean): boolean {
    if (!isCounter) return this.#take(index, Number(value));
    if (value < 0n || value > COUNTER_MAX) return false;
    this.#high[index] = Number(value / HIGH_UNIT_BIG);
    this.#low[index] = Number(value % HIGH_UNIT_BIG);
    return true;
  }
}
