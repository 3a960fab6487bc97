// The sampler: reads every source once a tick and makes values of what they read. It is what keeps a
// source from harming the tick: one that throws pauses for 1, 2, 4 ... 900 s, one that takes longer
// than its budget five times in a row is read half as often (and again more often when it behaves).
// It never waits for anything.
//
// Each source is stamped before and after; its rates divide by its own time from middle to middle, so
// that a source that was held up, or skipped, or a tick that was missed, bends no rate.
//
// With a fast lane the sources that are cheap enough are read ten times a second too: each reading goes into
// the decays and into the highest reading of the row, and the row itself holds the mean over the whole of it.
//
// Cost: about 0.3 ms a tick for 14 files and 250 values on two CPUs (docs/tools/collect.md, OVERHEAD).

import { SampleTable } from '#collector/sample-table.ts';
import { MetricScope } from '#collector/source/metric-scope.ts';
import { Freshness, type Source } from '#collector/source/source.ts';
import type { Clock } from '#core/clock/clock.ts';
import { MetricRegistry } from '#core/metric/registry.ts';

const US_PER_S = 1e6;
const BACKOFF_START_S = 1;
const BACKOFF_S_MAX = 900;
const OVER_BUDGET_IN_A_ROW = 5;
const WITHIN_BUDGET_IN_A_ROW = 20;
const PERIOD_TICKS_MAX = 64;
/** A source that takes longer has no place in the fast lane. */
const FAST_BUDGET_US = 2000;
/** Over a shorter time a rate says too little to be the highest of a row. */
const PEAK_DT_US_MIN = 50_000;

/** What the sampler knows of one source; the numbers feed the collector's own metrics. */
export interface Supervision {
  readonly source: Source;
  readonly scope: MetricScope;
  /** How long its last sample took, us. */
  durationUs: number;
  /** Samples that threw, and what the last one said. */
  errors: number;
  lastError: string;
  /** It is read every so many ticks. */
  periodTicks: number;
  /** Ticks in which it was left out, by backoff or by its period. */
  skipped: number;
  /** Read in the fast lane. */
  isFast: boolean;
  /**
   * Time of its data, of that of the last row, and of the last settlement of its decays, whole us (so that a
   * recording can give back the same rates); NaN before the first.
   */
  stampUs: number;
  rowStampUs: number;
  settledUs: number;
  /** Not before this time, us. */
  pausedUntilUs: number;
  backoffS: number;
  ticksToWait: number;
  overBudget: number;
  overFastBudget: number;
  withinBudget: number;
}

export class Sampler {
  readonly registry = new MetricRegistry();
  readonly table = new SampleTable(this.registry);
  readonly supervised: Supervision[] = [];
  readonly #clock: Clock;
  readonly #hasFastLane: boolean;

  constructor(clock: Clock, sources: readonly Source[] = [], hasFastLane = false) {
    this.#clock = clock;
    this.#hasFastLane = hasFastLane;
    for (const source of sources) this.add(source);
  }

  /** Takes a source in; it is sampled in the order of adding. */
  add(source: Source): void {
    const isFast = this.#hasFastLane && source.isFast === true;
    const scope = new MetricScope(this.registry, isFast);
    source.declare(scope);
    this.supervised.push({
      source,
      scope,
      durationUs: 0,
      errors: 0,
      lastError: '',
      periodTicks: 1,
      skipped: 0,
      isFast,
      stampUs: Number.NaN,
      rowStampUs: Number.NaN,
      settledUs: Number.NaN,
      pausedUntilUs: 0,
      backoffS: BACKOFF_START_S,
      ticksToWait: 0,
      overBudget: 0,
      overFastBudget: 0,
      withinBudget: 0,
    });
  }

  /** One tick: reads what is due, computes rates, derived values and decays. Never throws. */
  sample(): void {
    for (let i = 0; i < this.supervised.length; i++) this.#sampleOne(this.supervised[i]!);
  }

  /** Between two ticks: reads the sources of the fast lane. Never throws. */
  sampleFast(): void {
    for (let i = 0; i < this.supervised.length; i++) this.#sampleFast(this.supervised[i]!);
  }

  close(): void {
    for (const { source } of this.supervised) source.close();
  }

  #sampleOne(state: Supervision): void {
    const { scope } = state;
    const beforeUs = this.#clock.monoUs();
    scope.hidePeaks(this.table);
    if (beforeUs < state.pausedUntilUs || state.ticksToWait > 0) {
      state.ticksToWait = Math.max(0, state.ticksToWait - 1);
      state.skipped++;
      this.#miss(state, beforeUs);
      return;
    }
    try {
      if (!this.#read(state, beforeUs)) return;
      if (scope.hasPeaks) this.#closeRow(state);
      state.backoffS = BACKOFF_START_S;
      this.#keepBudget(state);
    } catch (error) {
      this.#pause(state, error);
    }
  }

  #sampleFast(state: Supervision): void {
    const beforeUs = this.#clock.monoUs();
    if (!state.isFast || state.periodTicks > 1 || beforeUs < state.pausedUntilUs) return;
    try {
      this.#read(state, beforeUs);
    } catch (error) {
      this.#pause(state, error);
      return;
    }
    state.overFastBudget = state.durationUs > FAST_BUDGET_US ? state.overFastBudget + 1 : 0;
    if (state.overFastBudget >= OVER_BUDGET_IN_A_ROW) state.isFast = false;
  }

  /** Reads the source and settles what it read; false when there was nothing new. Throws what the source throws. */
  #read(state: Supervision, beforeUs: number): boolean {
    const { source, scope } = state;
    const fresh = source.sample(this.table, beforeUs);
    const afterUs = this.#clock.monoUs();
    state.durationUs = afterUs - beforeUs;
    if (fresh === Freshness.unchanged) return false;
    if (fresh === Freshness.stale) {
      this.#miss(state, afterUs);
      return false;
    }
    const stampBeforeUs = state.stampUs;
    this.#settle(state, Math.round(fresh === Freshness.now ? (beforeUs + afterUs) / 2 : fresh));
    source.derive?.(this.table);
    this.table.finish(scope.slots, this.#decayDtS(state, state.stampUs));
    state.settledUs = state.stampUs;
    if (scope.hasPeaks) {
      this.table.addToRow(scope.slots);
      if (state.stampUs - stampBeforeUs >= PEAK_DT_US_MIN) scope.notePeaks(this.table);
    }
    return true;
  }

  /** What stands in the table is of the last tenth; makes it that of the row. */
  #closeRow(state: Supervision): void {
    const { source, scope } = state;
    this.table.closeRow(scope.slots, (state.stampUs - state.rowStampUs) / US_PER_S);
    state.rowStampUs = state.stampUs;
    scope.showPeaks(this.table);
    source.derive?.(this.table);
  }

  #settle(state: Supervision, stampUs: number): void {
    const dtS = (stampUs - state.stampUs) / US_PER_S;
    this.table.settle(state.scope.slots, dtS, this.#decayDtS(state, stampUs));
    state.stampUs = stampUs;
  }

  #miss(state: Supervision, nowUs: number): void {
    const missedUs = Math.round(nowUs);
    this.table.miss(state.scope.slots, this.#decayDtS(state, missedUs));
    state.settledUs = missedUs;
  }

  #decayDtS(state: Supervision, nowUs: number): number {
    return (nowUs - state.settledUs) / US_PER_S;
  }

  #pause(state: Supervision, error: unknown): void {
    const nowUs = this.#clock.monoUs();
    state.errors++;
    state.lastError = error instanceof Error ? error.message : String(error);
    state.pausedUntilUs = nowUs + state.backoffS * US_PER_S;
    state.backoffS = Math.min(BACKOFF_S_MAX, state.backoffS * 2);
    this.#miss(state, nowUs);
  }

  #keepBudget(state: Supervision): void {
    const isOver = state.durationUs > state.source.budgetUs;
    state.overBudget = isOver ? state.overBudget + 1 : 0;
    state.withinBudget = isOver ? 0 : state.withinBudget + 1;
    if (state.overBudget >= OVER_BUDGET_IN_A_ROW) {
      state.periodTicks = Math.min(PERIOD_TICKS_MAX, state.periodTicks * 2);
      state.overBudget = 0;
    } else if (state.withinBudget >= WITHIN_BUDGET_IN_A_ROW && state.periodTicks > 1) {
      state.periodTicks /= 2;
      state.withinBudget = 0;
    }
    state.ticksToWait = state.periodTicks - 1;
  }
}
