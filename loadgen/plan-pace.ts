// Time and messages of a planned rate, one by the other: which message is due so long before another one, on average.
// Of the plan as it was asked for: a rate that somebody turns is not in it. Pure.
//
// Cost: two searches by halves in the steps of the plan, 10 comparisons each at the most; no allocation.

import type { RateStep } from '#loadgen/rate-plan.ts';

export class PlanPace {
  readonly #startS: Float64Array;
  readonly #perS: Float64Array;
  /** Messages due before each step. */
  readonly #before: Float64Array;

  constructor(steps: readonly RateStep[]) {
    this.#startS = Float64Array.from(steps, ({ offsetMs }) => offsetMs / 1000);
    this.#perS = Float64Array.from(steps, ({ ratePerS }) => ratePerS);
    this.#before = new Float64Array(steps.length);
    for (let i = 1; i < steps.length; i++) {
      const lengthS = this.#startS[i]! - this.#startS[i - 1]!;
      this.#before[i] = this.#before[i - 1]! + lengthS * this.#perS[i - 1]!;
    }
  }

  /** The message, with a fraction, that is due `s` seconds before message `index`; below 0 = before the plan. */
  back(index: number, s: number): number {
    const at = stepOf(this.#before, index);
    const perS = this.#perS[at]!;
    const intoS = perS === 0 ? 0 : (index - this.#before[at]!) / perS;
    const toS = this.#startS[at]! + intoS - s;
    if (toS < 0) return -1;
    const to = stepOf(this.#startS, toS);
    return this.#before[to]! + (toS - this.#startS[to]!) * this.#perS[to]!;
  }
}

/** The last step that begins at `value` or before. */
function stepOf(starts: Float64Array, value: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
