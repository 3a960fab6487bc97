// What is to be known of a queue: how long it is, how fast it fills and empties (decays over 1, 10 and 100 s), how
// old its oldest message is, how long a message waits (delay) and when it will be empty (drain).
//
//   delay = length / dequeue rate                    what a message that comes now will wait
//   drain = length / (dequeue rate - enqueue rate)   Infinity while it does not shrink
//
// A queue that is empty has delay and drain 0. One slot of a bank of decays is two rates. Pure: who reads the
// counters says when.

import { DECAY_TAUS_S, DecayBank } from '#core/metric/decay.ts';

export interface QueueState {
  length: number;
  /** Counters; what they count from does not matter. */
  enqueued: number;
  dequeued: number;
  /** Age of the oldest message, s; NaN = not known. */
  oldestAgeS: number;
}

export interface QueueReport {
  length: number;
  oldestAgeS: number;
  /** Over 1, 10 and 100 s. NaN before the first interval. */
  enqueuePerS: number[];
  dequeuePerS: number[];
  /** By the mean rates of the last five seconds; Infinity = never. NaN = not known yet. */
  delayS: number;
  drainS: number;
  /** The longest it was. */
  highWater: number;
}

const ENQUEUE = 0;
const DEQUEUE = 1;
/** Predictions are made from the mean over so long: the end of a burst spoils them no longer, a hiccup hardly does. */
const PRESENT_S = 5;
/** Readings that are kept for it; more often than twice a second the mean is over less. */
const READINGS_MAX = 12;
const COUNTER_MODULUS = 2 ** 32;

/** What a message that comes now will wait, s. */
export function delayS(length: number, dequeuePerS: number): number {
  return length === 0 ? 0 : length / dequeuePerS;
}

/** When the queue will be empty, s. */
export function drainS(length: number, enqueuePerS: number, dequeuePerS: number): number {
  if (length === 0) return 0;
  const shrinkPerS = dequeuePerS - enqueuePerS;
  if (Number.isNaN(shrinkPerS)) return Number.NaN;
  return shrinkPerS <= 0 ? Number.POSITIVE_INFINITY : length / shrinkPerS;
}

/** The figures of one queue over time. */
export class QueueFlow {
  readonly #rates = new DecayBank(2);
  #last: QueueState | undefined;
  /** The last intervals, newest at the end. */
  readonly #intervals: { dtS: number; enqueued: number; dequeued: number }[] = [];
  #highWater = 0;

  /** The queue now, `dtS` after the observation before. Counters may wrap at 2^32. */
  observe(state: QueueState, dtS: number): void {
    const last = this.#last;
    this.#last = { ...state };
    this.#highWater = Math.max(this.#highWater, state.length);
    if (last === undefined || !(dtS > 0)) return;
    const enqueued = difference(state.enqueued, last.enqueued);
    const dequeued = difference(state.dequeued, last.dequeued);
    this.#rates.observeRate(ENQUEUE, enqueued / dtS, dtS);
    this.#rates.observeRate(DEQUEUE, dequeued / dtS, dtS);
    this.#intervals.push({ dtS, enqueued, dequeued });
    if (this.#intervals.length > READINGS_MAX) this.#intervals.shift();
  }

  get report(): QueueReport {
    const { length, oldestAgeS } = this.#last ?? { length: 0, oldestAgeS: Number.NaN };
    const rates = (slot: number): number[] =>
      DECAY_TAUS_S.map((_, horizon) => this.#rates.value(slot, horizon));
    const enqueuePerS = rates(ENQUEUE);
    const dequeuePerS = rates(DEQUEUE);
    const present = this.#present();
    return {
      length,
      oldestAgeS,
      enqueuePerS,
      dequeuePerS,
      delayS: delayS(length, present.dequeuePerS),
      drainS: drainS(length, present.enqueuePerS, present.dequeuePerS),
      highWater: this.#highWater,
    };
  }

  /** Mean rates over the last PRESENT_S; NaN without any. */
  #present(): { enqueuePerS: number; dequeuePerS: number } {
    let seconds = 0;
    let enqueued = 0;
    let dequeued = 0;
    for (let at = this.#intervals.length - 1; at >= 0 && seconds < PRESENT_S - 0.5; at--) {
      const interval = this.#intervals[at]!;
      seconds += interval.dtS;
      enqueued += interval.enqueued;
      dequeued += interval.dequeued;
    }
    return { enqueuePerS: enqueued / seconds, dequeuePerS: dequeued / seconds };
  }
}

/** Of two readings of a counter that may have wrapped. */
function difference(now: number, before: number): number {
  return now >= before ? now - before : now - before + COUNTER_MODULUS;
}
