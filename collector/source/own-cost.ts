// What the collector itself costs and how well it keeps time: its CPU, its memory, the lateness and the
// gaps of its ticks, how long each source took, and what it could not trust. The observer is part of
// the picture, so it stands in every row. Sampled last, it sees the other sources of the same tick.

import type { SampleTable } from '#collector/sample-table.ts';
import type { Supervision } from '#collector/sampler.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge, instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { CounterFlag } from '#core/metric/counter.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';

/** What the tick loop knows and this source shows. Written by the loop, read here. */
export interface TickRecord {
  lateUs: number;
  missedTicks: number;
  /** Rows that stdout did not take, since the start. */
  droppedRows?: number;
}

export class OwnCostSource implements Source {
  readonly id = 'collector';
  readonly budgetUs = 20_000;
  readonly #others: readonly Supervision[];
  readonly #tick: TickRecord;
  #cpu = -1;
  #memory = -1;
  #lateness = -1;
  #missed = -1;
  #duration = -1;
  #errors = -1;
  #skipped = -1;
  #resets = -1;
  #implausible = -1;
  #refused = -1;
  #droppedRows = -1;
  #registry!: MetricRegistry;
  #durations: number[] = [];

  /** `others` are the sampler's sources; the array may still grow until `declare`. */
  constructor(others: readonly Supervision[], tick: TickRecord) {
    this.#others = others;
    this.#tick = tick;
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    const own = (what: string): string => `wsar.collector.${what}`;
    this.#cpu = metrics.declare(
      counter(own('cpu_us'), 'cocpu', 'us/s', 'CPU time of the collector, user and system', {
        decays: true,
      }),
    );
    this.#memory = metrics.declare(gauge(own('rss'), 'corss', 'By', 'memory of the collector'));
    this.#lateness = metrics.declare(
      gauge(own('tick.lateness_us'), 'late', 'us', 'how late this tick ran', { decays: true }),
    );
    this.#missed = metrics.declare(
      gauge(own('tick.missed'), 'miss', '{tick}', 'ticks missed just before this one'),
    );
    this.#duration = metrics.declare(
      gauge(own('sample_us'), 'smpl', 'us', 'time that reading all other sources took', {
        decays: true,
      }),
    );
    this.#errors = metrics.declare(
      counter(own('source.errors'), 'serr', '{error}/s', 'samples that failed'),
    );
    this.#skipped = metrics.declare(
      counter(
        own('source.skipped'),
        'sskip',
        '{sample}/s',
        'samples left out: too slow, or failed',
      ),
    );
    this.#resets = metrics.declare(
      counter(own('counter.resets'), 'reset', '{event}/s', 'counters that started over'),
    );
    this.#implausible = metrics.declare(
      counter(own('counter.implausible'), 'implau', '{event}/s', 'differences that cannot be true'),
    );
    this.#droppedRows = metrics.declare(
      counter(
        own('output.dropped'),
        'odrop',
        '{row}/s',
        'rows that the reader of stdout did not take',
      ),
    );
    this.#refused = metrics.declare(
      gauge(
        own('metrics.refused'),
        'mrefu',
        '{metric}',
        'metrics that found no room in the registry since the start',
      ),
    );
    this.#registry = metrics.registry;
    this.#durations = this.#others.map(({ source }) =>
      metrics.declare(
        gauge(
          instanceName(own('source_us'), 'source', source.id),
          source.id,
          'us',
          `time that reading source ${source.id} took`,
        ),
      ),
    );
  }

  sample(table: SampleTable): number {
    let duration = 0;
    let errors = 0;
    let skipped = 0;
    for (let i = 0; i < this.#durations.length; i++) {
      const other = this.#others[i]!;
      table.gauge(this.#durations[i]!, Math.round(other.durationUs));
      duration += other.durationUs;
      errors += other.errors;
      skipped += other.skipped;
    }
    const { user, system } = process.cpuUsage();
    table.counterNumber(this.#cpu, user + system);
    table.gauge(this.#memory, process.memoryUsage.rss());
    table.gauge(this.#lateness, Math.round(this.#tick.lateUs));
    table.gauge(this.#missed, this.#tick.missedTicks);
    table.gauge(this.#duration, Math.round(duration));
    table.counterNumber(this.#droppedRows, this.#tick.droppedRows ?? 0);
    table.counterNumber(this.#errors, errors);
    table.counterNumber(this.#skipped, skipped);
    const { flagCounts } = table.counters;
    table.counterNumber(this.#resets, flagCounts[CounterFlag.reset]!);
    table.counterNumber(this.#implausible, flagCounts[CounterFlag.implausible]!);
    table.gauge(this.#refused, this.#registry.refused);
    return Freshness.now;
  }

  close(): void {}
}
