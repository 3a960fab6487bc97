// The values of one plug-in as a source: copies what lies in shared memory, with the time at which the plug-in took it.
// Metrics appear when the plug-in declares them. Values older than three periods are no values any more.
//
// Cost: a copy of 4 KB; nothing here depends on what the plug-in does.

import type { PluginHost } from '#collector/plugin/plugin-host.ts';
import { rowMetric } from '#collector/plugin/plugin-metric.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { HIGH_UNIT } from '#core/metric/counter.ts';

export const AGE_PERIODS_MAX = 3;

export class PluginSource implements Source {
  readonly id: string;
  readonly budgetUs = 5000;
  readonly #host: PluginHost;
  readonly #ageUsMax: number;
  readonly #slots: number[] = [];
  #metrics!: MetricScope;

  constructor(host: PluginHost, periodMs: number) {
    this.#host = host;
    this.#ageUsMax = AGE_PERIODS_MAX * periodMs * 1000;
    this.id = `plugin-${host.id}`;
  }

  probe(): Capability {
    const isFresh = this.#host.ageUs() <= this.#ageUsMax;
    return isFresh ? { state: 'ok' } : { state: 'absent', reason: 'it has given no values lately' };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#declareNew();
  }

  sample(table: SampleTable, nowUs: number): number {
    if (this.#slots.length < this.#host.metrics.length) this.#declareNew();
    const { cell } = this.#host;
    if (this.#host.ageUs() > this.#ageUsMax) return Freshness.stale;
    if (!cell.take()) return Freshness.unchanged;
    const ageUs = this.#host.ageUs();
    for (let i = 0; i < this.#slots.length; i++) {
      const low = cell.low[i]!;
      if (Number.isNaN(low)) continue;
      const high = cell.high[i]!;
      if (this.#host.metrics[i]!.kind === 'counter') table.counter(this.#slots[i]!, high, low);
      else table.gauge(this.#slots[i]!, high * HIGH_UNIT + low);
    }
    return nowUs - ageUs;
  }

  close(): void {}

  #declareNew(): void {
    for (let i = this.#slots.length; i < this.#host.metrics.length; i++) {
      this.#slots.push(this.#metrics.declare(rowMetric(this.#host.id, this.#host.metrics[i]!)));
    }
  }
}
