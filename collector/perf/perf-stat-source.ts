// Counters of the kernel and of the hardware as a source, read by a `perf stat` that runs beside: where the FFI is
// not to be had. A pushed source: an interval lies here with its own time until the tick takes it. Tracepoints are
// counted all the time; there is no way to switch them from outside.

import { ownName, type Whose } from '#collector/perf/perf-catalogue.ts';
import { PerfMetrics } from '#collector/perf/perf-metrics.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import type { Clock } from '#core/clock/clock.ts';
import { PerfType } from '#core/host/perf/perf-abi.ts';
import { PERF_GROUPS, type PerfEventSpec } from '#core/host/perf/perf-event.ts';
import { PerfStatChild, type PerfStatInterval } from '#core/host/perf/perf-stat-child.ts';
import { tracepointId } from '#core/host/perf/tracepoint.ts';

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
  readonly id: string;
  readonly budgetUs = 20_000;
  readonly #options: PerfStatSourceOptions;
  readonly #events: readonly string[];
  /** perf counts nothing at all when one tracepoint is refused. */
  readonly #closed: readonly string[];
  /** Since the last tick that took something. */
  readonly #sums: Float64Array;
  #sumS = 0;
  /** Events that never lack a register, by index. */
  readonly #isSure: boolean[];
  readonly #metrics: PerfMetrics;
  readonly #child: PerfStatChild;
  #stampUs = Number.NaN;
  #share = Number.NaN;
  #isTaken = true;
  #saidWords = '';
  #slots = { scale: -1, restarts: -1, refused: -1 };

  constructor(options: PerfStatSourceOptions) {
    const { clock, periodMs, whose, program } = options;
    this.#options = options;
    const specs = PERF_GROUPS.flatMap(({ events }) => events);
    const isClosed = ({ name, type }: PerfEventSpec): boolean =>
      type === PerfType.tracepoint && typeof tracepointId(name) === 'string';
    this.#events = specs.filter((spec) => !isClosed(spec)).map(({ name }) => name);
    this.#isSure = specs
      .filter((spec) => !isClosed(spec))
      .map(({ type }) => type === PerfType.software || type === PerfType.tracepoint);
    this.#closed = specs.filter(isClosed).map(({ name }) => name);
    this.#sums = new Float64Array(this.#events.length);
    this.id = whose === undefined ? 'perf-stat' : `perf-stat-${whose.pid}`;
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
    const { unsupported, words } = this.#child;
    const reasons = [`by perf stat, because ${this.#options.why}`];
    if (this.#closed.length > 0) reasons.push(`tracefs hides ${this.#closed.join(', ')}`);
    if (unsupported.size > 0) reasons.push(`not supported: ${[...unsupported].join(', ')}`);
    if (words !== '') reasons.push(`perf says: ${words}`);
    return { state: 'degraded', reason: reasons.join('; ') };
  }

  declare(metrics: MetricScope): void {
    this.#metrics.declare(metrics, this.#events, []);
    this.#metrics.declareRatios(metrics);
    const own = (what: string, short: string, unit: string, help: string): number =>
      metrics.declare(gauge(ownName(what, this.#options.whose), short, unit, help));
    this.#slots = {
      scale: own('scale', 'pscal', '1', 'smallest share of the time that a counter had a register'),
      restarts: own('restarts', 'prest', '{restart}', 'how often perf had to be started again'),
      refused: own('refused', 'prefu', '{line}', 'lines of perf that were no counts'),
    };
  }

  start(): void {
    this.#child.start();
  }

  /** What perf has to say, once; undefined while there is nothing new. */
  takeWords(): string | undefined {
    const { words } = this.#child;
    if (words === this.#saidWords || words === '') return undefined;
    this.#saidWords = words;
    return words;
  }

  /** An interval came. Several between two ticks are one longer interval. */
  take({ counts, lengthS, share, stampUs }: PerfStatInterval): void {
    if (this.#isTaken) {
      this.#sums.fill(0);
      this.#sumS = 0;
      this.#share = 1;
    }
    for (let i = 0; i < counts.length; i++) {
      // perf says 'not counted' of a process that slept throughout; only a hardware counter may have missed something.
      const isIdle =
        Number.isNaN(counts[i]!) && this.#options.whose !== undefined && this.#isSure[i]!;
      this.#sums[i] = this.#sums[i]! + (isIdle ? 0 : counts[i]!);
    }
    this.#sumS += lengthS;
    this.#share = Math.min(this.#share, share);
    this.#stampUs = stampUs;
    this.#isTaken = false;
  }

  sample(table: SampleTable, nowUs: number): number {
    const isOld = !(nowUs - this.#stampUs <= AGE_PERIODS_MAX * this.#options.periodMs * 1000);
    if (isOld) return Freshness.stale;
    if (this.#isTaken) return Freshness.unchanged;
    this.#isTaken = true;
    for (let i = 0; i < this.#events.length; i++) {
      this.#metrics.write(table, this.#events[i]!, this.#sums[i]! / this.#sumS, Number.NaN);
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
