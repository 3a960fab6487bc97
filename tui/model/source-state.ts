// One source of rows (the collector of a host, the server, a generator) as the screen knows it: its
// schema, its last seconds, its last values and decays, and how much of it was missed.
//
// Counters are kept as their rate per second, taken over the true time between two rows; the last total
// stays beside it. A counter that fell was reset: that second has no rate. Shares (unit '1') are kept as
// percent. Decays come from the source and are only shown. Metrics of a single CPU are not kept: there
// may be hundreds of them and the screen shows hosts.

import type { MetricDef, MetricValue, Row } from '#core/metric/row.ts';
import { ABSENT, SecondRing } from '#tui/model/second-ring.ts';

/** A quarter of an hour: the widest time window of a chart. */
export const HISTORY_SECONDS = 900;
const METRICS_MAX = 1024;
const OF_ONE_CPU = /[{,]cpu=/;

export class SourceState {
  readonly host: string;
  readonly source: string;
  readonly #ring = new SecondRing(HISTORY_SECONDS, METRICS_MAX);
  readonly #defs = new Map<string, MetricDef>();
  /** What a value is multiplied with: 100 for shares. */
  readonly #scales = new Map<string, number>();
  readonly #totals = new Map<string, number>();
  #decays: NonNullable<Row['decays']> = {};
  #last: { wallMs: number; tick: number } | undefined;
  /** Monotonic time the last row came in, us; absent before the first one. */
  arrivedUs = ABSENT;
  /** Ticks that never became a row here: missed by the source or lost on the way. */
  missed = 0;
  /** Times the source began again with an earlier tick. */
  restarts = 0;

  constructor(host: string, source: string) {
    this.host = host;
    this.source = source;
  }

  get metrics(): ReadonlyMap<string, MetricDef> {
    return this.#defs;
  }

  /** Second of the last row, seconds since 1970. */
  get lastSecond(): number {
    return this.#last === undefined ? ABSENT : Math.floor(this.#last.wallMs / 1000);
  }

  takeSchema(metrics: MetricDef[]): void {
    this.#defs.clear();
    this.#scales.clear();
    for (const def of metrics) {
      if (OF_ONE_CPU.test(def.name) || this.#defs.size >= METRICS_MAX) continue;
      const isShare = def.unit === '1';
      this.#defs.set(def.name, isShare ? { ...def, unit: '%' } : def);
      this.#scales.set(def.name, isShare ? 100 : 1);
    }
  }

  takeRow(row: Row, arrivedUs: number): void {
    const elapsedS = this.#countTicks(row);
    this.arrivedUs = arrivedUs;
    const second = Math.floor(row.wallMs / 1000);
    this.#ring.open(second);
    for (const [name, value] of Object.entries(row.values)) {
      if (OF_ONE_CPU.test(name)) continue;
      const number = this.#number(name, value);
      const isCounter = this.#defs.get(name)?.kind === 'counter';
      this.#ring.set(name, second, isCounter ? this.#rate(name, number, elapsedS) : number);
      if (!isCounter) this.#remember(name, number);
    }
    this.#decays = row.decays ?? {};
  }

  /** The value of a metric in one second; for a counter its rate per second. */
  at(name: string, second: number): number {
    return this.#ring.get(name, second);
  }

  has(second: number): boolean {
    return this.#ring.has(second);
  }

  /** The last total of a counter, or the last value of anything else. */
  last(name: string): number {
    return this.#totals.get(name) ?? ABSENT;
  }

  /** The source's own 1, 10 and 100 s decays of a metric. */
  decays(name: string): [number, number, number] | undefined {
    const decays = this.#decays[name];
    if (!Array.isArray(decays)) return undefined;
    return [
      this.#number(name, decays[0]),
      this.#number(name, decays[1]),
      this.#number(name, decays[2]),
    ];
  }

  decayed(): string[] {
    return Object.keys(this.#decays);
  }

  /** Returns the true time since the row before, s; absent when there is none to compare with. */
  #countTicks(row: Row): number {
    const last = this.#last;
    this.#last = { wallMs: row.wallMs, tick: row.tick };
    if (last === undefined) {
      this.missed += row.missedTicks;
      return ABSENT;
    }
    if (row.tick <= last.tick) {
      this.restarts++;
      this.#totals.clear();
      return ABSENT;
    }
    const holes = row.tick - last.tick - 1;
    this.missed += holes;
    // The row's own interval is exact, but covers only the ticks that its source knows it missed.
    const isWhole = holes === row.missedTicks && row.intervalUs > 0;
    const elapsedS = isWhole ? row.intervalUs / 1e6 : (row.wallMs - last.wallMs) / 1000;
    return elapsedS > 0 ? elapsedS : ABSENT;
  }

  #rate(name: string, total: number, elapsedS: number): number {
    const before = this.#totals.get(name) ?? ABSENT;
    this.#remember(name, total);
    const risen = total - before;
    return risen >= 0 ? risen / elapsedS : ABSENT;
  }

  /** A value as it is kept; absent when it is no number. */
  #number(name: string, value: MetricValue | undefined): number {
    if (typeof value !== 'number' || !Number.isFinite(value)) return ABSENT;
    return value * (this.#scales.get(name) ?? 1);
  }

  #remember(name: string, value: number): void {
    if (this.#totals.has(name) || this.#totals.size < METRICS_MAX) this.#totals.set(name, value);
  }
}
