// The message rate over time, in shared memory: a list of (from when, how many per second) that the
// main thread appends to and every worker reads. Each worker walks the same arrivals, so all of
// them must turn at the same planned instant and not when the news reaches them; therefore a change
// starts a little in the future, and a worker looks here before it moves on in time.
//
//   byte 0          how many changes stand here (Int32, written last and atomically)
//   byte 8 + 16 i   start of change i, us of the host clock
//   byte 16 + 16 i  messages per second from then on; 0 pauses
//
// Bounded: CHANGES_MAX turns a run; the next is refused.

import { assert } from '#core/assert.ts';

/** Highest rate that is taken, messages per second. */
export const RATE_PER_S_MAX = 1_000_000;

/** Turns of the rate in one run: one every two seconds for an hour. */
export const CHANGES_MAX = 2048;

export class RateSchedule {
  readonly shared: SharedArrayBuffer;
  readonly #count: Int32Array;
  readonly #changes: Float64Array;

  constructor(shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(8 + CHANGES_MAX * 16);
    this.#count = new Int32Array(this.shared, 0, 1);
    this.#changes = new Float64Array(this.shared, 8);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  startUs(change: number): number {
    return this.#changes[2 * change]!;
  }

  ratePerS(change: number): number {
    return this.#changes[2 * change + 1]!;
  }

  /** Appends a change; false when the list is full. Starts must rise. One thread appends. */
  append(startUs: number, ratePerS: number): boolean {
    const { count } = this;
    if (count === CHANGES_MAX) return false;
    assert(count === 0 || startUs > this.startUs(count - 1), 'rate changes are in order of time');
    assert(ratePerS >= 0, 'a rate is not negative');
    this.#changes[2 * count] = startUs;
    this.#changes[2 * count + 1] = ratePerS;
    Atomics.store(this.#count, 0, count + 1);
    return true;
  }
}
