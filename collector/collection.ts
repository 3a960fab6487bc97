// The loop of the collector: ticks, samples, and hands what came of it to those who print, publish and
// record. It knows nothing of them.
//
// The first sample is taken at once, as the beginning of the first interval; the first report stands on
// a whole period of the wall clock (10:00:01, 10:00:02, ...) at least half a period later. Ticks that
// were missed, a step of the wall clock and a suspend are events before the report that follows them;
// rates then cover the whole hole. The fast lane ticks on tenths of a second between them, by a ticker of its
// own that is aligned with the other; what it misses needs no record, because the next reading covers it.

import { ClockWatch } from '#collector/clock-watch.ts';
import type { RowFrame } from '#collector/row-shape.ts';
import type { Sampler } from '#collector/sampler.ts';
import type { TickRecord } from '#collector/source/own-cost.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import { startTicker, type Tick } from '#core/clock/ticker.ts';

/** The fast lane: often enough to see what hides in the mean of a second. */
export const FAST_PERIOD_MS = 100;
const FAST_GAP_US_MIN = (FAST_PERIOD_MS * 1000) / 2;

export interface CollectionOptions {
  clock: Clock;
  periodMs: number;
  sampler: Sampler;
  /** Written before each sample, for the collector's own metrics. */
  tickRecord: TickRecord;
  /** Seconds since boot, suspend counted. */
  uptimeS: () => number;
  /**
   * After a step of the wall clock ticks move to its new whole seconds. Not in a lab: there the rows of
   * all parts must go on standing on the same seconds.
   */
  followsWallClock: boolean;
  /** Between the ticks the fast lane is read ten times a second. */
  hasFastLane?: boolean;
  /** What happened, then the row whose values now stand in the sampler's table. */
  onTick(frame: RowFrame, events: readonly LabEvent[]): void;
}

/** Starts collecting; returns the stop function. */
export function startCollection(options: CollectionOptions): () => void {
  const collection = new Collection(options);
  return () => collection.stop();
}

class Collection {
  readonly #options: CollectionOptions;
  readonly #watch: ClockWatch;
  #lastUs: number;
  #stopTicker: () => void;
  #nextTick = 0;
  #lastFastUs: number;

  constructor(options: CollectionOptions) {
    const { clock, sampler, uptimeS } = options;
    this.#options = options;
    this.#watch = new ClockWatch(clock, uptimeS);
    sampler.sample();
    this.#lastUs = clock.monoUs();
    this.#lastFastUs = this.#lastUs;
    this.#stopTicker = this.#start();
  }

  stop(): void {
    this.#stopTicker();
  }

  #start(): () => void {
    const { clock, periodMs, hasFastLane } = this.#options;
    const stop = startTicker(clock, periodMs, (tick) => this.#run(tick));
    if (hasFastLane !== true || periodMs <= FAST_PERIOD_MS) return stop;
    const stopFast = startTicker(clock, FAST_PERIOD_MS, (tick) => this.#runFast(tick));
    return () => {
      stop();
      stopFast();
    };
  }

  /** A reading between two rows; none where a row stands, or so soon after one that it would say nothing. */
  #runFast({ wallMs, monoUs }: Tick): void {
    const { periodMs, sampler } = this.#options;
    if (wallMs % periodMs === 0 || monoUs - this.#lastFastUs < FAST_GAP_US_MIN) return;
    this.#lastFastUs = monoUs;
    sampler.sampleFast();
  }

  #run(tick: Tick): void {
    const { periodMs, sampler, tickRecord, onTick } = this.#options;
    const events = this.#checkClock();
    // The first tick after a start may come too early to say much; the interval goes on to the next one.
    if (tick.monoUs - this.#lastUs < (periodMs * 1000) / 2) return;
    const missedTicks = this.#nextTick === 0 ? 0 : tick.missedTicks;
    const frame = {
      wallMs: tick.wallMs,
      tick: this.#nextTick + missedTicks,
      missedTicks,
      intervalUs: Math.round(tick.monoUs - this.#lastUs),
    };
    if (missedTicks > 0) events.push(gapEvent(frame, periodMs));
    tickRecord.lateUs = tick.lateUs;
    tickRecord.missedTicks = missedTicks;
    sampler.sample();
    this.#lastUs = tick.monoUs;
    this.#lastFastUs = tick.monoUs;
    this.#nextTick = frame.tick + 1;
    onTick(frame, events);
  }

  #checkClock(): LabEvent[] {
    const step = this.#watch.check();
    if (step === undefined) return [];
    if (this.#options.followsWallClock) {
      this.#stopTicker();
      this.#stopTicker = this.#start();
    }
    return [step];
  }
}

function gapEvent(frame: RowFrame, periodMs: number): LabEvent {
  const { missedTicks, tick, wallMs, intervalUs } = frame;
  const ticks = missedTicks === 1 ? '1 tick was' : `${missedTicks} ticks were`;
  return {
    wallMs: wallMs - missedTicks * periodMs,
    kind: 'gap',
    text: `${ticks} missed: the collector was stopped or got no CPU`,
    data: {
      cause: 'missed',
      missedTicks,
      fromTick: tick - missedTicks,
      toTick: tick - 1,
      intervalUs,
    },
  };
}
