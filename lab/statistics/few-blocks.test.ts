import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FEW_BLOCKS_COVERAGE, judgeFewBlocks } from '#lab/statistics/few-blocks.ts';
import { createRandom } from '#lab/statistics/random.ts';

const options = { margin: 0.03, better: 'lower' } as const;

test('by hand: two and two, the spread of all, means that are geometric', () => {
  const [one, two] = judgeFewBlocks(
    [
      { before: [100, 121], after: [50, 50] },
      { before: [10, 10], after: [10, 10] },
    ],
    options,
  );
  assert.equal(one!.before!.toFixed(6), '110.000000');
  assert.equal(one!.ratio!.toFixed(6), (50 / 110).toFixed(6));
  // 2 * ln(1.1)^2 over 4 degrees of freedom, or over the 2 of its own, which is more; t(4) at 1 %.
  assert.equal(one!.high!.toFixed(4), ((50 / 110) * Math.exp(3.747 * Math.log(1.1))).toFixed(4));
  assert.equal(one!.verdict, 'better');
  assert.equal(two!.low!.toFixed(4), Math.exp((-3.747 * Math.log(1.1)) / Math.SQRT2).toFixed(4));
  assert.equal(two!.verdict, 'inconclusive');
});

test('a block that is missing widens the interval, and a side without one has no verdict', () => {
  const others = { before: [10, 10.2], after: [10, 10.2] };
  const [whole] = judgeFewBlocks([{ before: [10, 10.1], after: [12, 12.1] }, others], options);
  const [part] = judgeFewBlocks([{ before: [10.05], after: [12, 12.1] }, others], options);
  assert.ok(part!.high! / part!.low! > whole!.high! / whole!.low!);
  assert.equal(part!.verdict, 'worse');
  const [none] = judgeFewBlocks([{ before: [], after: [12, 12.1] }, others], options);
  assert.deepEqual([none!.verdict, none!.ratio, none!.before], ['invalid', null, null]);
  const [lone] = judgeFewBlocks([{ before: [10], after: [20] }], options);
  assert.deepEqual(
    [lone!.verdict, lone!.ratio!.toFixed(6), lone!.low],
    ['invalid', '2.000000', null],
  );
});

test('equal settings: equivalent when the blocks agree, whichever direction is better', () => {
  for (const better of ['lower', 'higher'] as const) {
    const four = { before: [100, 100.1], after: [100.2, 100.1] };
    const [same] = judgeFewBlocks([four, four, four, four], { margin: 0.03, better });
    assert.equal(same!.verdict, 'equivalent');
  }
  const up = judgeFewBlocks([{ before: [1, 1.01], after: [2, 2.02] }], {
    margin: 0.03,
    better: 'higher',
  });
  assert.equal(up[0]!.verdict, 'better');
});

/** Shares of simulated comparisons, by their place, whose interval holds the truth, and that were told apart. */
function simulate(spreads: readonly number[], truth: number): { covered: number[]; told: number } {
  const random = createRandom(20_120_206);
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const two = (of: number, spread: number): number[] =>
    [0, 0].map(() => of * Math.exp(spread * normal()));
  const covered = spreads.map(() => 0);
  let told = 0;
  const runs = 4000;
  for (let run = 0; run < runs; run++) {
    const comparisons = spreads.map((spread) => ({
      before: two(100, spread),
      after: two(100 * truth, spread),
    }));
    judgeFewBlocks(comparisons, options).forEach(({ low, high, verdict }, place) => {
      if (low! <= truth && high! >= truth) covered[place] = covered[place]! + 1;
      if (verdict === 'better' || verdict === 'worse') told++;
    });
  }
  return { covered: covered.map((count) => count / runs), told: told / runs / spreads.length };
}

test('simulated runs: the interval covers what it says, and equal settings are rarely told apart', () => {
  for (const truth of [1, 1.3]) {
    const { covered, told } = simulate([0.05, 0.05, 0.05, 0.05], truth);
    for (const share of covered) assert.ok(share >= FEW_BLOCKS_COVERAGE, `${covered}`);
    if (truth === 1) assert.ok(told <= 0.02, `${told} were told apart`);
  }
});

test('where one comparison is three times as unsteady, its interval is nearly as good, and others are wide', () => {
  const { covered, told } = simulate([0.15, 0.05, 0.05, 0.05], 1);
  assert.ok(covered[0]! >= 0.9, `${covered}`);
  for (const share of covered.slice(1)) assert.ok(share >= 0.99, `${covered}`);
  assert.ok(told <= 0.03, `${told} were told apart`);
});
