// The exact Wilcoxon signed-rank test on paired differences: are they shifted from zero?
//
// Under the null hypothesis every difference is as likely positive as negative, so the sum of the ranks
// of the positive ones is a sum of independent coin flips over the ranks. Its distribution is computed
// exactly by dynamic programming, also with ties (mid-ranks) and zeros (Pratt: zeros take part in the
// ranking and are then left out). Ranks are doubled so that mid-ranks stay whole numbers.
// Cost: n * sum of ranks, 8 million additions at the most (n = 200).

import { assert } from '#core/assert.ts';

/** Most differences that the exact test takes. */
export const DIFFERENCES_MAX = 200;

export interface SignedRankTest {
  /** Differences given, and those that are not zero. */
  n: number;
  nonZero: number;
  /** Sum of the ranks of positive differences. */
  wPlus: number;
  /** One-sided p: chance of a sum this high (differences above zero), this low, and both. */
  pAbove: number;
  pBelow: number;
  pTwoSided: number;
}

/** Tests `differences` against a median of zero. With no non-zero difference every p is 1. */
export function signedRankTest(differences: readonly number[]): SignedRankTest {
  assert(differences.length <= DIFFERENCES_MAX, `at most ${DIFFERENCES_MAX} differences`);
  assert(differences.every(Number.isFinite), 'differences are finite');
  const doubledRanks = doubledMidRanks(differences.map(Math.abs));
  const counted: number[] = [];
  let doubledSum = 0;
  differences.forEach((difference, index) => {
    if (difference === 0) return;
    counted.push(doubledRanks[index]!);
    if (difference > 0) doubledSum += doubledRanks[index]!;
  });
  const chance = rankSumChances(counted);
  const pAbove = sumRange(chance, doubledSum, chance.length - 1);
  const pBelow = sumRange(chance, 0, doubledSum);
  return {
    n: differences.length,
    nonZero: counted.length,
    wPlus: doubledSum / 2,
    pAbove,
    pBelow,
    pTwoSided: Math.min(1, 2 * Math.min(pAbove, pBelow)),
  };
}

/** Chance of every possible sum of a random subset of `ranks` (whole numbers): index is the sum. */
export function rankSumChances(ranks: readonly number[]): Float64Array {
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  const chance = new Float64Array(total + 1);
  chance[0] = 1;
  let reached = 0;
  for (const rank of ranks) {
    reached += rank;
    // Downwards, so that a rank is used once: chance'[s] = (chance[s] + chance[s - rank]) / 2.
    for (let sum = reached; sum >= 0; sum--) {
      const without = chance[sum]!;
      chance[sum] = (without + (sum >= rank ? chance[sum - rank]! : 0)) / 2;
    }
  }
  return chance;
}

/** Largest k with P(W <= k) <= alpha for n untied ranks 1..n, or -1 when even P(W <= 0) is above it. */
export function criticalRankSum(n: number, alpha: number): { k: number; tail: number } {
  const chance = rankSumChances(Array.from({ length: n }, (_, index) => index + 1));
  let tail = 0;
  for (let sum = 0; sum < chance.length; sum++) {
    const next = tail + chance[sum]!;
    // The sums are dyadic fractions, exact in a double up to n = 53; beyond that the slack is 1e-15.
    if (next > alpha + 1e-15) return { k: sum - 1, tail };
    tail = next;
  }
  return { k: chance.length - 1, tail };
}

function doubledMidRanks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end++;
    for (let index = start; index <= end; index++) ranks[order[index]!] = start + 1 + end + 1;
    start = end + 1;
  }
  return ranks;
}

function sumRange(chance: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let index = from; index <= to; index++) sum += chance[index]!;
  return Math.min(1, sum);
}
