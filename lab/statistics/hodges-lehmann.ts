// How large the effect is: the Hodges-Lehmann estimate (the median of all Walsh averages, the means of
// every two differences and of every one with itself) and the interval that the exact signed-rank test
// would not reject. Deterministic, needs no random numbers, and one wild pair moves it little.

import { assert } from '#core/assert.ts';
import { median } from '#lab/statistics/median.ts';
import { criticalRankSum } from '#lab/statistics/signed-rank.ts';

export interface ShiftEstimate {
  /** Hodges-Lehmann shift. */
  shift: number;
  low: number;
  high: number;
  /** True coverage of [low, high] (at least the one asked for, unless n is too small; then less). */
  coverage: number;
}

/** Estimates the shift of `differences` with a two-sided interval of at least 1 - 2 alpha coverage. */
export function estimateShift(differences: readonly number[], alpha: number): ShiftEstimate {
  assert(differences.length > 0, 'an estimate needs at least one difference');
  assert(alpha > 0 && alpha < 0.5, 'alpha lies between 0 and 0.5');
  const walsh = walshAverages(differences);
  const { k, tail } = criticalRankSum(differences.length, alpha);
  // With too few pairs no interval reaches the coverage; the whole range of averages is what there is.
  const index = Math.max(0, k);
  const missed = k < 0 ? 2 ** -differences.length : tail;
  return {
    shift: median(walsh)!,
    low: walsh[index]!,
    high: walsh[walsh.length - 1 - index]!,
    coverage: 1 - 2 * missed,
  };
}

/** Fewest pairs with which the exact one-sided test can reach `alpha`. */
export function pairsNeeded(alpha: number): number {
  return Math.ceil(Math.log2(1 / alpha) - 1e-9);
}

function walshAverages(differences: readonly number[]): Float64Array {
  const count = differences.length;
  const averages = new Float64Array((count * (count + 1)) / 2);
  let next = 0;
  for (let first = 0; first < count; first++) {
    for (let second = first; second < count; second++) {
      averages[next++] = (differences[first]! + differences[second]!) / 2;
    }
  }
  return averages.sort();
}
