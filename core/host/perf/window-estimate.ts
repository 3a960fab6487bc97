// From counts in a few short windows to a rate, and how far that may be off: a counter that costs something at each
// event is on for a share of the time only.
//
// Windows w_1..w_n (seconds) with counts c_1..c_n out of an interval of T seconds, W = sum w, f = W / T:
//
//   rate     r  = sum c / W                                   (ratio estimator)
//   error    se = sqrt((1 - f) * n / (n - 1) * sum (c_i - r w_i)^2) / sum c      relative, one standard error
//
// 1 - f: what was seen needs no estimate; a counter that was always on has no error. Rare events that happen to fall
// evenly into the windows would claim to be exact: the error is at least that of a Poisson count,
// sqrt((1 - f) / sum c).
// Windows lie at random places, one in each equal part of the interval, so that nothing periodic hides between them.
// Facts: W. G. Cochran, Sampling Techniques, ratio estimators.

import { assert } from '#core/assert.ts';

/** Windows of one interval that are kept apart; in a longer interval neighbours become one. */
const WINDOWS_MAX = 64;

export class WindowEstimate {
  readonly #events: number;
  readonly #counts: Float64Array;
  readonly #lengthsS = new Float64Array(WINDOWS_MAX);
  #windows = 0;
  #totalS = 0;

  constructor(events: number) {
    this.#events = events;
    this.#counts = new Float64Array(events * WINDOWS_MAX);
  }

  get windows(): number {
    return this.#windows;
  }

  /** Seconds in which the counter was on. */
  get totalS(): number {
    return this.#totalS;
  }

  clear(): void {
    this.#windows = 0;
    this.#totalS = 0;
  }

  /** Takes the counts of a window; one in which something is not known says nothing. */
  add(lengthS: number, counts: Float64Array): void {
    assert(counts.length === this.#events, 'a window has a count for each event');
    if (!(lengthS > 0) || counts.some(Number.isNaN)) return;
    if (this.#windows === WINDOWS_MAX) this.#joinNeighbours();
    this.#counts.set(counts, this.#windows * this.#events);
    this.#lengthsS[this.#windows++] = lengthS;
    this.#totalS += lengthS;
  }

  /** Events a second; NaN without a window. */
  rate(event: number): number {
    return this.#totalS > 0 ? this.#sum(event) / this.#totalS : Number.NaN;
  }

  /**
   * One standard error of the rate over an interval of `intervalS`, as a share of the rate. NaN when it cannot be told:
   * fewer than two windows, or no event seen.
   */
  error(event: number, intervalS: number): number {
    const sum = this.#sum(event);
    const unseen = Math.max(0, 1 - this.#totalS / intervalS);
    if (unseen === 0 && this.#windows > 0) return 0;
    if (this.#windows < 2 || !(sum > 0)) return Number.NaN;
    const rate = sum / this.#totalS;
    let squares = 0;
    for (let i = 0; i < this.#windows; i++) {
      const off = this.#counts[i * this.#events + event]! - rate * this.#lengthsS[i]!;
      squares += off * off;
    }
    const variance = (squares * this.#windows) / (this.#windows - 1);
    return Math.sqrt(unseen * Math.max(variance, sum)) / sum;
  }

  #joinNeighbours(): void {
    const events = this.#events;
    this.#windows = WINDOWS_MAX / 2;
    for (let i = 0; i < this.#windows; i++) {
      this.#lengthsS[i] = this.#lengthsS[2 * i]! + this.#lengthsS[2 * i + 1]!;
      for (let event = 0; event < events; event++) {
        const at = 2 * i * events + event;
        this.#counts[i * events + event] = this.#counts[at]! + this.#counts[at + events]!;
      }
    }
  }

  #sum(event: number): number {
    let sum = 0;
    for (let i = 0; i < this.#windows; i++) sum += this.#counts[i * this.#events + event]!;
    return sum;
  }
}
