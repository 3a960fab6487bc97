// Counters of the kernel and of the hardware as a source, read by a `perf stat` that runs beside: where the FFI is
// not to be had. A pushed source: an interval lies here with its own time until the tick takes it. Tracepoints are
// counted all the time; there is no way to switch them from outside.

import type { Whose } from '#collector/perf/perf-catalogue.ts';
import { PerfMetrics } from '#collector/perf/perf-metrics.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { Clock } from '#core/clock/clock.ts';
import { PERF_GROUPS } from '#core/host/perf/perf-event.ts';
import { PerfStatChild, type PerfStatInterval } from '#core/host/perf/perf-stat-child.ts';

const AGE_PERIODS_MAX = 3;

export interface PerfStatSourceOptions {
  clock: Clock;
  periodMs: number;
  whose?: Whose;
  /** Why counters are not opened here. */
  why: string;
  program?: string;
}

export class PerfStatSource implements Source {
  readonly id = 'perf-stat';
  readonly budgetUs = 20_000;
  readonly #options: PerfStatSourceOptions;
  readonly #events = PERF_GROUPS.flatMap(({ events }) => events.map(({ name }) => name));
  readonly #rates = new Float64Array(this.#events.length).fill(Number.NaN);
  readonly #metrics: PerfMetrics;
  readonly #child: PerfStatChild;
  #stampUs = Number.NaN;
  #share = Number.NaN;
  #isTaken = true;
  #slots = { scale: -1, restarts: -1, refused: -1 };

  constructor(options: PerfStatSourceOptions) {
    const { clock, periodMs, whose, program } = options;
    this.#options = options;
    this.#metrics = new PerfMetrics(whose);
    this.#child = new PerfStatChild({
      clock,
      events: this.#events,
      intervalMs: periodMs,
      pids: whose === undefined ? [] : [whose.pid],
      onInterval: (interval) => this.take(interval),
      ...(program === undefined ? {} : { program }),
    });
  }

  probe(): Capability {
    const { unsupported, lastWords } = this.#child;
    const lacking = unsupported.size > 0 ? `; not supported: ${[...unsupported].join(', ')}` : '';
    const words = lastWords === '' ? '' : `; perf says: ${lastWords}`;
    return {
      state: 'degraded',
      reason: `by perf stat, because ${this.#options.why}${lacking}${words}`,
    };
  }

  declare(metrics: MetricScope): void {
    this.#metrics.declare(metrics, this.#events, []);
    const own = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(gauge(`wsar.collector.perf.${what}`, short, unit, help));
    this.#slots = {
      scale: own('scale', 'pscal', '1', 'smallest share of the time that a counter had a register'),
      restarts: own('restarts', 'prest', '{restart}', 'how often perf had to be started again'),
      refused: own('refused', 'prefu', '{line}', 'lines of perf that were no counts'),
    };
  }

  start(): void {
    this.#child.start();
  }

  /** An interval came. */
  take({ counts, lengthS, share, stampUs }: PerfStatInterval): void {
    for (let i = 0; i < counts.length; i++) this.#rates[i] = counts[i]! / lengthS;
    this.#share = share;
    this.#stampUs = stampUs;
    this.#isTaken = false;
  }

  sample(table: SampleTable, nowUs: number): number {
    const isOld = !(nowUs - this.#stampUs <= AGE_PERIODS_MAX * this.#options.periodMs * 1000);
    if (isOld) return Freshness.stale;
    if (this.#isTaken) return Freshness.unchanged;
    this.#isTaken = true;
    for (let i = 0; i < this.#events.length; i++) {
      this.#metrics.write(table, this.#events[i]!, this.#rates[i]!, Number.NaN);
    }
    table.gauge(this.#slots.scale, this.#share);
    table.gauge(this.#slots.restarts, this.#child.restarts);
    table.gauge(this.#slots.refused, this.#child.refusedLines);
    return this.#stampUs;
  }

  derive(table: SampleTable): void {
    this.#metrics.derive(table);
  }

  /** The process is ended by `end`; nothing is open here. */
  close(): void {}

  end(): Promise<void> {
    return this.#child.close();
  }
}
