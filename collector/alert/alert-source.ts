// What the alerts do, as metrics of the row.

import type { AlertEngine } from '#collector/alert/alert-engine.ts';
import type { AlertHook } from '#collector/alert/alert-hook.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

export class AlertSource implements Source {
  readonly id = 'alert';
  readonly budgetUs = 20_000;
  readonly #engine: () => AlertEngine | undefined;
  readonly #hook: AlertHook | undefined;
  readonly #told: () => number;
  #slots: number[] = [];

  /** `told`: raises that were told since the start. */
  constructor(
    engine: () => AlertEngine | undefined,
    told: () => number,
    hook: AlertHook | undefined,
  ) {
    this.#engine = engine;
    this.#told = told;
    this.#hook = hook;
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    const count = (what: string, short: string, unit: string, help: string) =>
      counter(`wsar.collector.alerts.${what}`, short, `{${unit}}/s`, help);
    this.#slots = [
      gauge('wsar.collector.alerts.raised', 'alert', '{alert}', 'alerts that are raised now'),
      count('told', 'atold', 'alert', 'alerts that were raised'),
      count('suppressed', 'asupp', 'alert', 'raises that came too soon after the last one'),
      count('hook.started', 'hstart', 'process', 'hooks that were started'),
      count('hook.failed', 'hfail', 'process', 'hooks that failed'),
      count('hook.timed_out', 'hkill', 'process', 'hooks that were killed: they took too long'),
      count('hook.refused', 'hrefu', 'process', 'hooks that were not started: too many ran'),
    ].map((spec) => metrics.declare(spec));
  }

  sample(table: SampleTable): number {
    const engine = this.#engine();
    if (engine === undefined) return Freshness.stale;
    const { raised, suppressed } = engine.counts;
    const [raisedSlot, ...counters] = this.#slots;
    table.gauge(raisedSlot!, raised);
    const hook = this.#hook?.counts;
    const counts = [
      this.#told(),
      suppressed,
      hook?.started,
      hook?.failed,
      hook?.timedOut,
      hook?.refused,
    ];
    for (const [index, slot] of counters.entries()) {
      const value = counts[index];
      if (value !== undefined) table.counterNumber(slot, value);
    }
    return Freshness.now;
  }

  close(): void {}
}
