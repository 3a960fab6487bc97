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
  /** By the rates over ten seconds, or over the last one where they changed; Infinity = never. NaN = not known yet. */
  delayS: number;
  drainS: number;
  /** The longest it was. */
  highWater: number;
}

const ENQUEUE = 0;
const DEQUEUE = 1;
/** The rate to predict with is that over ten seconds; when the last second differs by more than this, that one. */
const CHANGE_RATIO = 0.05;
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
  #highWater = 0;

  /** The queue now, `dtS` after the observation before. Counters may wrap at 2^32. */
  observe(state: QueueState, dtS: number): void {
    const last = this.#last;
    this.#last = { ...state };
    this.#highWater = Math.max(this.#highWater, state.length);
    if (last === undefined || !(dtS > 0)) return;
    this.#rates.observeRate(ENQUEUE, difference(state.enqueued, last.enqueued) / dtS, dtS);
    this.#rates.observeRate(DEQUEUE, difference(state.dequeued, last.dequeued) / dtS, dtS);
  }

  get report(): QueueReport {
    const { length, oldestAgeS } = this.#last ?? { length: 0, oldestAgeS: Number.NaN };
    const rates = (slot: number): number[] =>
      DECAY_TAUS_S.map((_, horizon) => this.#rates.value(slot, horizon));
    const enqueuePerS = rates(ENQUEUE);
    const dequeuePerS = rates(DEQUEUE);
    return {
      length,
      oldestAgeS,
      enqueuePerS,
      dequeuePerS,
      delayS: delayS(length, present(dequeuePerS)),
      drainS: drainS(length, present(enqueuePerS), present(dequeuePerS)),
      highWater: this.#highWater,
    };
  }
}

/** What holds now: steady where it is steady, fresh where it has changed. */
function present([last = Number.NaN, ten = Number.NaN]: number[]): number {
  return Math.abs(last - ten) > CHANGE_RATIO * Math.max(last, ten) ? last : ten;
}

/** Of two readings of a counter that may have wrapped. */
function difference(now: number, before: number): number {
  return now >= before ? now - before : now - before + COUNTER_MODULUS;
}
