// The verdict under machines that drift, burst and jitter: does it keep its promises? Thousands of
// simulated experiments, from a fixed seed. The last test breaks the design on purpose (A A B B) and
// expects false alarms: a test that cannot fail proves nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockOrder, type PairOrder } from '#lab/statistics/block-order.ts';
import { createRandom } from '#lab/statistics/random.ts';
import { type JudgedPairs, judgePairs, type PairedValues } from '#lab/statistics/verdict.ts';

const SEED = 20_260_417;
const ALPHA = 0.01;
const MARGIN = 0.03;

interface Machine {
  /** Standard deviation of one block, ratio. */
  noise: number;
  /** Step of the slow drift from block to block, ratio (AR(1), 0.95). */
  drift: number;
  /** Ramp over the whole run, ratio. */
  ramp: number;
  /** Chance that a block is hit by a burst, and its height, ratio. */
  burstChance: number;
  burst: number;
}

const QUIET: Machine = { noise: 0.015, drift: 0, ramp: 0, burstChance: 0, burst: 0 };
const ROUGH: Machine = { noise: 0.015, drift: 0.01, ramp: 0.1, burstChance: 0.05, burst: 0.1 };

function gauss(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function simulate(
  order: readonly PairOrder[],
  effect: number,
  machine: Machine,
  random: () => number,
): PairedValues[] {
  let drift = gauss(random) * machine.drift * 3;
  let block = 0;
  const value = (isB: boolean): number => {
    drift = 0.95 * drift + gauss(random) * machine.drift;
    const ramp = (machine.ramp * block++) / (order.length * 2);
    const burst = random() < machine.burstChance ? machine.burst * random() : 0;
    const level = gauss(random) * machine.noise + drift + ramp + burst;
    return 100 * Math.exp(level) * (isB ? 1 + effect : 1);
  };
  return order.map(([first]) => {
    const one = value(first === 'b');
    const other = value(first !== 'b');
    return first === 'a' ? { a: one, b: other } : { a: other, b: one };
  });
}

function experiments(
  count: number,
  pairs: number,
  effect: number,
  machine: Machine,
  orderOf: (index: number) => PairOrder[] = (index) => blockOrder(pairs, SEED + index),
): JudgedPairs[] {
  const random = createRandom(SEED);
  return Array.from({ length: count }, (_, index) =>
    judgePairs(simulate(orderOf(index), effect, machine, random), {
      margin: MARGIN,
      alpha: ALPHA,
      better: 'lower',
    }),
  );
}

const share = (estimates: JudgedPairs[], is: (estimate: JudgedPairs) => boolean): number =>
  estimates.filter(is).length / estimates.length;

test('an experiment without an effect is called worse or better in at most 1.5 % of runs', () => {
  for (const machine of [QUIET, ROUGH]) {
    const found = experiments(2000, 12, 0, machine);
    assert.ok(share(found, ({ judgement }) => judgement === 'worse') <= 0.015);
    assert.ok(share(found, ({ judgement }) => judgement === 'better') <= 0.015);
  }
});

test('the bare test, without the margin, rejects at its nominal level', () => {
  const found = experiments(4000, 12, 0, ROUGH);
  const rejected = share(found, ({ pAbove }) => pAbove <= ALPHA);
  assert.ok(rejected > 0.003 && rejected <= 0.015, `one-sided 1 % rejects ${rejected * 100} %`);
});

test('an effect of twice the margin is found in at least 90 % of runs of 16 pairs', () => {
  const found = experiments(1000, 16, 0.06, { ...ROUGH, burstChance: 0.02 });
  assert.ok(share(found, ({ judgement }) => judgement === 'worse') >= 0.9);
  assert.equal(
    share(found, ({ judgement }) => judgement === 'better'),
    0,
  );
});

test('no effect on a quiet machine ends as equivalent in at least 80 % of runs', () => {
  const found = experiments(1000, 16, 0, QUIET);
  assert.ok(share(found, ({ judgement }) => judgement === 'equivalent') >= 0.8);
});

test('the interval covers the true ratio as often as it says', () => {
  for (const effect of [0, 0.05]) {
    const found = experiments(3000, 12, effect, ROUGH);
    const covered = share(found, ({ low, high }) => low <= 1 + effect && 1 + effect <= high);
    const promised = found[0]!.coverage;
    assert.ok(promised >= 0.98);
    assert.ok(covered >= promised - 0.01, `${covered} of ${promised}`);
  }
});

test('with all of A before all of B the same statistic raises false alarms: the order carries the proof', () => {
  const sequential = (): PairOrder[] => Array.from({ length: 12 }, () => ['a', 'b'] as const);
  const random = createRandom(SEED);
  let alarms = 0;
  const runs = 1000;
  for (let run = 0; run < runs; run++) {
    // 24 blocks in time order, the first half A, the second half B, paired by index.
    const blocks = simulate(sequential(), 0, { ...ROUGH, ramp: 0.05 }, random).flatMap(
      ({ a, b }) => [a, b],
    );
    const pairs = Array.from({ length: 12 }, (_, index) => ({
      a: blocks[index]!,
      b: blocks[12 + index]!,
    }));
    const { pAbove, pBelow } = judgePairs(pairs, { margin: MARGIN, alpha: ALPHA, better: 'lower' });
    if (Math.min(pAbove, pBelow) <= ALPHA) alarms++;
  }
  assert.ok(alarms / runs > 0.05, `only ${alarms} false alarms of ${runs}`);
});
