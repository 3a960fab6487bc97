// The metrics of a set of events: their slots, and what follows from them. The same for counters that were opened
// here and for those that `perf stat` reads.

import { errorMetricOf, metricOf, nameOf, type Whose } from '#collector/perf/perf-catalogue.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate } from '#collector/source/metric-shape.ts';
import { NO_SLOT } from '#core/metric/registry.ts';

/** A ratio of metrics, or where `to` is empty their sum. */
interface Ratio {
  slot: number;
  of: number[];
  to: number[];
}

export class PerfMetrics {
  readonly #whose: Whose;
  readonly #slots = new Map<string, number>();
  readonly #errors = new Map<string, number>();
  readonly #ratios: Ratio[] = [];

  constructor(whose: Whose) {
    this.#whose = whose;
  }

  /** Declares what these events show; those with an error are sampled. */
  declare(metrics: MetricScope, events: readonly string[], sampled: readonly string[]): void {
    for (const event of events) {
      const spec = metricOf(event, this.#whose);
      if (spec === undefined) continue;
      this.#slots.set(event, metrics.declare(spec));
      if (sampled.includes(event)) this.#errors.set(event, metrics.declare(errorMetricOf(spec)));
    }
  }

  /** Takes a rate in; NaN when it is not known. */
  write(table: SampleTable, event: string, perS: number, error: number): void {
    const slot = this.#slots.get(event) ?? NO_SLOT;
    if (!Number.isNaN(perS)) table.gauge(slot, perS);
    const errorSlot = this.#errors.get(event);
    if (errorSlot !== undefined && !Number.isNaN(error)) table.gauge(errorSlot, error);
  }

  derive(table: SampleTable): void {
    for (const { slot, of, to } of this.#ratios) {
      const sum = sumOf(table, of);
      table.set(slot, to.length === 0 ? sum : ratioOf(sum, sumOf(table, to)));
    }
  }

  /** Declares what follows from the events; after all of them were declared. */
  declareRatios(metrics: MetricScope): void {
    const ratio = (
      host: string,
      process: string,
      [short, unit, help]: [string, string, string],
      of: string[],
      to: string[] = [],
    ): void => {
      const slots = (events: string[]): number[] =>
        events.map((event) => this.#slots.get(event) ?? NO_SLOT);
      if (slots([...of, ...to]).includes(NO_SLOT)) return;
      const name = nameOf(host, process, this.#whose);
      const slot = metrics.declare(derivedRate(name, short, unit, help, { decays: true }));
      this.#ratios.push({ slot, of: slots(of), to: slots(to) });
    };
    ratio(
      'system.linux.traps',
      'process.linux.perf.traps',
      ['trap/s', '{trap}/s', 'page fault exceptions, of user space and in the kernel'],
      ['exceptions:page_fault_user', 'exceptions:page_fault_kernel'],
    );
    const hardware = (what: string, text: [string, string, string], of: string, to: string): void =>
      ratio(`cpu.linux.perf.${what}`, `process.linux.perf.${what}`, text, [of], [to]);
    const missed = (short: string, help: string): [string, string, string] => [short, '1', help];
    hardware(
      'ipc',
      ['IPC', '{instruction}/{cycle}', 'instructions a cycle'],
      'instructions',
      'cycles',
    );
    hardware(
      'cache_miss_ratio',
      missed('%LLC', 'accesses of the last cache that went to memory'),
      'cache-misses',
      'cache-references',
    );
    hardware(
      'branch_miss_ratio',
      missed('%brm', 'branches taken for the other'),
      'branch-misses',
      'branches',
    );
  }
}

function sumOf(table: SampleTable, slots: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < slots.length; i++) sum += table.value(slots[i]!);
  return sum;
}

function ratioOf(of: number, to: number): number {
  return to > 0 ? of / to : Number.NaN;
}
