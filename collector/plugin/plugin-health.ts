// How each plug-in does: the age of its values, what was refused of it, how often it had to be started again. A source
// of its own, so that it goes on while a plug-in has no values.

import type { PluginHost } from '#collector/plugin/plugin-host.ts';
import { AGE_PERIODS_MAX } from '#collector/plugin/plugin-source.ts';
import { Note } from '#collector/plugin/value-cell.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge, instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const US_PER_S = 1e6;

const COUNTED = [
  { note: Note.commits, what: 'commits', short: 'pcomm', unit: '{commit}/s', help: 'values given' },
  {
    note: Note.refusedLines,
    what: 'refused{what=line}',
    short: 'prefl',
    unit: '{line}/s',
    help: 'lines refused',
  },
  {
    note: Note.refusedValues,
    what: 'refused{what=value}',
    short: 'prefv',
    unit: '{value}/s',
    help: 'values refused',
  },
  {
    note: Note.refusedMetrics,
    what: 'refused{what=metric}',
    short: 'prefm',
    unit: '{metric}/s',
    help: 'metrics refused',
  },
  {
    note: Note.refusedTimes,
    what: 'refused{what=time}',
    short: 'preft',
    unit: '{commit}/s',
    help: 'times refused',
  },
  {
    note: Note.throttled,
    what: 'throttled',
    short: 'pthro',
    unit: '{event}/s',
    help: 'times its output was held back',
  },
  {
    note: Note.errors,
    what: 'errors',
    short: 'perrs',
    unit: '{error}/s',
    help: 'samples that failed',
  },
  {
    note: Note.skipped,
    what: 'skipped',
    short: 'pskip',
    unit: '{sample}/s',
    help: 'samples left out',
  },
] as const;

export class PluginHealthSource implements Source {
  readonly id = 'plugins';
  readonly budgetUs = 5000;
  readonly #hosts: readonly PluginHost[];
  readonly #periodMs: number;
  readonly #slots: { age: number; stale: number; restarts: number; counted: number[] }[] = [];

  constructor(hosts: readonly PluginHost[], periodMs: number) {
    this.#hosts = hosts;
    this.#periodMs = periodMs;
  }

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    for (const { id } of this.#hosts) {
      const name = (what: string): string =>
        instanceName(`wsar.collector.plugin.${what}`, 'plugin', id);
      const of = (help: string): string => `${help}; plug-in ${id}`;
      this.#slots.push({
        age: metrics.declare(gauge(name('age'), 'page', 's', of('age of its newest values'))),
        stale: metrics.declare(
          gauge(name('stale'), 'pstal', '1', of(`1: no values for ${AGE_PERIODS_MAX} periods`)),
        ),
        restarts: metrics.declare(gauge(name('restarts'), 'prest', '{restart}', of('restarts'))),
        counted: COUNTED.map(({ what, short, unit, help }) =>
          metrics.declare(counter(name(what), short, unit, of(help))),
        ),
      });
    }
  }

  sample(table: SampleTable): number {
    for (let i = 0; i < this.#hosts.length; i++) {
      const host = this.#hosts[i]!;
      const { age, stale, restarts, counted } = this.#slots[i]!;
      host.watch();
      const ageUs = host.ageUs();
      if (Number.isFinite(ageUs)) table.gauge(age, ageUs / US_PER_S);
      table.gauge(stale, ageUs > AGE_PERIODS_MAX * this.#periodMs * 1000 ? 1 : 0);
      table.gauge(restarts, host.threadRestarts + host.cell.note(Note.restarts));
      for (let kind = 0; kind < COUNTED.length; kind++) {
        table.counterNumber(counted[kind]!, host.cell.note(COUNTED[kind]!.note));
      }
    }
    return Freshness.now;
  }

  close(): void {}
}
