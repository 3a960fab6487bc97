import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateShift, pairsNeeded } from '#lab/statistics/hodges-lehmann.ts';
import { createRandom } from '#lab/statistics/random.ts';
import { criticalRankSum, rankSumChances, signedRankTest } from '#lab/statistics/signed-rank.ts';

const near = (actual: number, expected: number, within = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected}`);

// Hollander and Wolfe (1973), p. 29: depression scale factor of nine patients before and after therapy.
const BEFORE = [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3];
const AFTER = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
// Heights of cross- and self-fertilised corn, Darwin's fifteen pairs, in eighths of an inch.
const CORN = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75];

test('published example: V = 40, one-sided p = 0.01953125', () => {
  const result = signedRankTest(BEFORE.map((value, index) => value - AFTER[index]!));
  assert.equal(result.wPlus, 40);
  near(result.pAbove, 0.01953125);
});

test('published example: Darwin, W- = 24, two-sided p = 0.041259765625', () => {
  const result = signedRankTest(CORN);
  assert.equal(120 - result.wPlus, 24);
  near(result.pTwoSided, 0.041259765625);
  near(result.pAbove, 0.0206298828125);
});

test('critical sums of the printed tables (one-sided 1 % and 2.5 %)', () => {
  const table: [n: number, alpha: number, k: number][] = [
    [6, 0.025, 0],
    [8, 0.025, 3],
    [10, 0.025, 8],
    [12, 0.025, 13],
    [15, 0.025, 25],
    [20, 0.025, 52],
    [25, 0.025, 89],
    [7, 0.01, 0],
    [10, 0.01, 5],
    [12, 0.01, 9],
    [20, 0.01, 43],
    [6, 0.01, -1],
  ];
  for (const [n, alpha, k] of table) assert.equal(criticalRankSum(n, alpha).k, k, `n=${n}`);
});

test('the distribution equals counting all 2^n sign patterns, with ties and zeros', () => {
  for (const differences of [
    CORN.slice(0, 9),
    [1, 1, -1, 2, 2, 0, 0, -3],
    [0, 0, 0, 5],
    [-2, -2],
  ]) {
    const { pAbove, pBelow } = enumerate(differences);
    const result = signedRankTest(differences);
    near(result.pAbove, pAbove);
    near(result.pBelow, pBelow);
  }
});

test('Pratt: zeros take ranks and then leave', () => {
  // |d| 0 0 1 2 3 has ranks 1.5 1.5 3 4 5; without the zeros the sum of the positive ones is 3 + 5.
  const result = signedRankTest([0, 0, 1, -2, 3]);
  assert.equal(result.wPlus, 8);
  assert.equal(result.nonZero, 3);
});

test('nothing but zeros says nothing', () => {
  const result = signedRankTest([0, 0, 0]);
  assert.deepEqual([result.pAbove, result.pBelow, result.pTwoSided], [1, 1, 1]);
});

test('chances of rank sums add up to one', () => {
  for (const n of [1, 10, 60, 200]) {
    const chance = rankSumChances(Array.from({ length: n }, (_, index) => index + 1));
    near(
      chance.reduce((sum, value) => sum + value, 0),
      1,
      1e-12,
    );
  }
});

test('Hodges-Lehmann: median of all Walsh averages, interval by hand for six values', () => {
  const estimate = estimateShift([1, 2, 3, 4, 5, 6], 0.025);
  near(estimate.shift, 3.5);
  // n = 6, k = 0: the widest interval, coverage 1 - 2/64.
  assert.deepEqual([estimate.low, estimate.high], [1, 6]);
  near(estimate.coverage, 1 - 2 / 64);
});

test("the interval holds exactly the shifts that the test does not reject (Darwin's corn)", () => {
  const { low, high, coverage } = estimateShift(CORN, 0.025);
  assert.ok(coverage >= 0.95);
  const rejected = (shift: number): boolean => {
    const { pAbove, pBelow } = signedRankTest(CORN.map((value) => value - shift));
    return Math.min(pAbove, pBelow) <= 0.025;
  };
  const step = 1e-6;
  assert.ok(rejected(low - step) && !rejected(low + step));
  assert.ok(rejected(high + step) && !rejected(high - step));
});

test('too few pairs: the whole range, and the coverage says what it is worth', () => {
  const estimate = estimateShift([0.1, 0.2, 0.4], 0.01);
  assert.deepEqual([estimate.low, estimate.high], [0.1, 0.4]);
  near(estimate.coverage, 0.75);
  assert.equal(pairsNeeded(0.01), 7);
  assert.equal(pairsNeeded(0.025), 6);
  assert.equal(pairsNeeded(0.5 ** 8), 8);
});

test('mirror image: differences with the other sign swap the two sides', () => {
  const random = createRandom(7);
  for (let round = 0; round < 50; round++) {
    const differences = Array.from({ length: 3 + (round % 10) }, () =>
      Math.round(random() * 9 - 4),
    );
    const one = signedRankTest(differences);
    const other = signedRankTest(differences.map((value) => -value));
    near(one.pAbove, other.pBelow);
    near(
      estimateShift(differences, 0.05).low,
      -estimateShift(
        differences.map((v) => -v),
        0.05,
      ).high,
    );
  }
});

function enumerate(differences: number[]): { pAbove: number; pBelow: number } {
  const sizes = differences.map(Math.abs);
  const rank = (value: number): number =>
    sizes.filter((other) => other < value).length +
    (sizes.filter((other) => other === value).length + 1) / 2;
  const ranks = sizes.filter((size) => size > 0).map(rank);
  const observed = differences.reduce((sum, value) => (value > 0 ? sum + rank(value) : sum), 0);
  let above = 0;
  let below = 0;
  for (let signs = 0; signs < 2 ** ranks.length; signs++) {
    const sum = ranks.reduce(
      (total, value, bit) => (signs & (1 << bit) ? total + value : total),
      0,
    );
    if (sum >= observed) above++;
    if (sum <= observed) below++;
  }
  return { pAbove: above / 2 ** ranks.length, pBelow: below / 2 ** ranks.length };
}
