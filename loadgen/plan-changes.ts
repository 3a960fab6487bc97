// How the plan of a load changes over time, in shared memory: lists of (from when, what) that the main
// thread appends to and every worker reads. Each worker walks the same arrivals, so all of them must turn
// at the same planned instant and not when the news reaches them; therefore a change starts a little in
// the future, and a worker looks here before it moves on in time.
//
//   rate     messages per second; 0 pauses
//   spike    how much more than the rate, percent: 0 but for a spike that somebody turned
//   fan-out  receivers of each message
//
// One list:
//   byte 0          how many changes stand here (Int32, written last and atomically)
//   byte 8 + 16 i   start of change i, us of the host clock
//   byte 16 + 16 i  what holds from then on
//
// Bounded: CHANGES_MAX turns a run and list; the next is refused.

import { assert } from '#core/assert.ts';

/** Highest rate that is taken, messages per second. */
export const RATE_PER_S_MAX = 1_000_000;

/** Turns of one list in one run: one every two seconds for an hour. */
export const CHANGES_MAX = 2048;
const LIST_BYTES = 8 + CHANGES_MAX * 16;

export class ChangeList {
  readonly #count: Int32Array;
  readonly #changes: Float64Array;

  constructor(shared: SharedArrayBuffer, offset: number) {
    this.#count = new Int32Array(shared, offset, 1);
    this.#changes = new Float64Array(shared, offset + 8, CHANGES_MAX * 2);
  }

  get count(): number {
    return Atomics.load(this.#count, 0);
  }

  startUs(change: number): number {
    return this.#changes[2 * change]!;
  }

  value(change: number): number {
    return this.#changes[2 * change + 1]!;
  }

  /** Appends a change; false when the list is full. Starts must rise. One thread appends. */
  append(startUs: number, value: number): boolean {
    const { count } = this;
    if (count === CHANGES_MAX) return false;
    assert(count === 0 || startUs > this.startUs(count - 1), 'changes are in order of time');
    assert(value >= 0, 'nothing of a plan is negative');
    this.#changes[2 * count] = startUs;
    this.#changes[2 * count + 1] = value;
    Atomics.store(this.#count, 0, count + 1);
    return true;
  }
}

export class PlanChanges {
  readonly shared: SharedArrayBuffer;
  readonly rate: ChangeList;
  readonly spike: ChangeList;
  readonly fanOut: ChangeList;

  /** New lists, or the view of those that another thread made. */
  constructor(shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(3 * LIST_BYTES);
    this.rate = new ChangeList(this.shared, 0);
    this.spike = new ChangeList(this.shared, LIST_BYTES);
    this.fanOut = new ChangeList(this.shared, 2 * LIST_BYTES);
  }

  /** When the plan begins, us; Infinity while that is not known. */
  get startUs(): number {
    return this.rate.count === 0 ? Number.POSITIVE_INFINITY : this.rate.startUs(0);
  }
}
