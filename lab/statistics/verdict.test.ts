import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOrder } from '#lab/statistics/block-order.ts';
import { createRandom } from '#lab/statistics/random.ts';
import { type JudgeOptions, judgePairs } from '#lab/statistics/verdict.ts';

const LOWER: JudgeOptions = { margin: 0.03, alpha: 0.01, better: 'lower' };

/** Twelve pairs whose ratios lie evenly in center * (1 -+ spread). */
const around = (center: number, spread: number, pairs = 12): { a: number; b: number }[] =>
  Array.from({ length: pairs }, (_, index) => {
    const position = pairs === 1 ? 0 : (index / (pairs - 1)) * 2 - 1;
    return { a: 50 + index, b: (50 + index) * center * (1 + spread * position) };
  });

test('each judgement, for a metric of which less is better', () => {
  assert.equal(judgePairs(around(1.1, 0.02), LOWER).judgement, 'worse');
  assert.equal(judgePairs(around(0.9, 0.02), LOWER).judgement, 'better');
  assert.equal(judgePairs(around(1, 0.01), LOWER).judgement, 'equivalent');
  assert.equal(judgePairs(around(1, 0.2), LOWER).judgement, 'inconclusive');
});

test('where more is better the same figures mean the opposite', () => {
  const higher: JudgeOptions = { ...LOWER, better: 'higher' };
  assert.equal(judgePairs(around(1.1, 0.02), higher).judgement, 'better');
  assert.equal(judgePairs(around(0.9, 0.02), higher).judgement, 'worse');
});

test('a sure but small effect inside the margin is equivalent, across it inconclusive', () => {
  const small = judgePairs(around(1.01, 0.005), LOWER);
  assert.ok(small.pAbove < 0.01);
  assert.equal(small.judgement, 'equivalent');
  assert.equal(judgePairs(around(1.028, 0.02), LOWER).judgement, 'inconclusive');
});

test('three pairs never decide, and the reason says how many could', () => {
  const few = judgePairs(around(2, 0.01, 3), LOWER);
  assert.equal(few.judgement, 'inconclusive');
  assert.equal(few.reason, '3 pairs cannot decide at 1 %, 7 could');
});

test('the ratio does not depend on the unit, and swapping A and B inverts it', () => {
  const pairs = around(1.07, 0.03);
  const one = judgePairs(pairs, LOWER);
  const scaled = judgePairs(
    pairs.map(({ a, b }) => ({ a: a * 1000, b: b * 1000 })),
    LOWER,
  );
  const swapped = judgePairs(
    pairs.map(({ a, b }) => ({ a: b, b: a })),
    LOWER,
  );
  assert.ok(Math.abs(one.ratio - scaled.ratio) < 1e-12);
  assert.ok(Math.abs(one.ratio * swapped.ratio - 1) < 1e-12);
  assert.ok(Math.abs(one.low * swapped.high - 1) < 1e-12);
});

test('one wild pair does not turn an equivalent into a regression', () => {
  const pairs = around(1, 0.01, 16);
  pairs[3]!.b *= 10;
  assert.notEqual(judgePairs(pairs, LOWER).judgement, 'worse');
});

test('a block value that has no ratio is a programmer error here', () => {
  assert.throws(() => judgePairs([{ a: 0, b: 1 }], LOWER), /positive/);
});

test('block order: balanced quads, from the seed', () => {
  const random = createRandom(3);
  const seen = new Set<string>();
  for (let round = 0; round < 200; round++) {
    const pairs = 1 + Math.floor(random() * 24);
    const order = blockOrder(pairs, round);
    assert.equal(order.length, pairs);
    assert.deepEqual(blockOrder(pairs, round), order);
    seen.add(order.map((pair) => pair.join('')).join(' '));
    for (let quad = 0; quad + 1 < pairs; quad += 2) {
      const text = [...order[quad]!, ...order[quad + 1]!].join('');
      assert.match(text, /^(abba|baab)$/);
    }
    const startWithA = order.filter((pair, index) => index % 2 === 0 && pair[0] === 'a').length;
    const quads = Math.ceil(pairs / 2);
    assert.ok(Math.abs(startWithA - quads / 2) <= 0.5, 'half of the quads are of each kind');
  }
  assert.ok(seen.size > 50, 'seeds give different orders');
});
