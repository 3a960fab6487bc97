// Means over the whole run of the metrics a table shows, weighted by the length of each interval, so that
// a row after a missed tick counts for what it covers. A value that was not known counts for nothing.

export class Averages {
  readonly #sums = new Map<string, number>();
  readonly #weights = new Map<string, number>();

  add(metric: string, value: number, weight: number): void {
    if (!Number.isFinite(value)) return;
    this.#sums.set(metric, (this.#sums.get(metric) ?? 0) + value * weight);
    this.#weights.set(metric, (this.#weights.get(metric) ?? 0) + weight);
  }

  /** NaN when it was never known. */
  value(metric: string): number {
    return (this.#sums.get(metric) ?? Number.NaN) / (this.#weights.get(metric) ?? Number.NaN);
  }
}
