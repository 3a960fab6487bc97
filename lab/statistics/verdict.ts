// From pairs of block values to a sentence: is B better or worse than A, are they the same for all
// practical purposes, or can this run not tell?
//
// The unit is the block, never the request: a million requests of one block are one sample. With the
// margin m (a change that does not matter) and the interval of the ratio B/A:
//   worse         the exact test says so at alpha, and the estimate is beyond the margin
//   better        the mirror image
//   equivalent    the whole interval lies within 1/(1+m) .. 1+m
//   inconclusive  anything else; more pairs or longer blocks would narrow the interval
// `invalid` is not decided here: it comes from the validity checks, before anybody looks at an effect.

import { assert } from '#core/assert.ts';
import type { Estimate, Judgement } from '#dashboards/report/run-record.ts';
import { estimateShift, pairsNeeded } from '#lab/statistics/hodges-lehmann.ts';
import { signedRankTest } from '#lab/statistics/signed-rank.ts';

export interface PairedValues {
  a: number;
  b: number;
}

export interface JudgeOptions {
  /** A change up to this ratio does not matter: 0.03 is 3 %. */
  margin: number;
  /** One-sided level of the test; the interval has a coverage of at least 1 - 2 alpha. */
  alpha: number;
  /** Which direction is good. */
  better: 'lower' | 'higher';
}

/** An estimate, and in a few words why its judgement is what it is. */
export type JudgedPairs = Estimate & { reason: string };

/** Judges pairs of positive block values. */
export function judgePairs(pairs: readonly PairedValues[], options: JudgeOptions): JudgedPairs {
  assert(pairs.length > 0, 'there is a pair to judge');
  assert(
    pairs.every(({ a, b }) => a > 0 && b > 0 && Number.isFinite(a) && Number.isFinite(b)),
    'block values are positive and finite',
  );
  const logRatios = pairs.map(({ a, b }) => Math.log(b) - Math.log(a));
  const test = signedRankTest(logRatios);
  const shift = estimateShift(logRatios, options.alpha);
  const estimate = {
    ratio: Math.exp(shift.shift),
    low: Math.exp(shift.low),
    high: Math.exp(shift.high),
    coverage: shift.coverage,
    pAbove: test.pAbove,
    pBelow: test.pBelow,
    pairs: pairs.length,
  };
  return { ...estimate, ...decide(estimate, options) };
}

function decide(
  estimate: Omit<Estimate, 'judgement'>,
  { margin, alpha, better }: JudgeOptions,
): { judgement: Judgement; reason: string } {
  const { ratio, low, high } = estimate;
  const percent = `${tidyPercent(margin)} %`;
  const needed = pairsNeeded(alpha);
  if (estimate.pairs < needed) {
    return {
      judgement: 'inconclusive',
      reason: `${estimate.pairs} pairs cannot decide at ${tidyPercent(alpha)} %, ${needed} could`,
    };
  }
  if (low >= 1 / (1 + margin) && high <= 1 + margin) {
    return { judgement: 'equivalent', reason: `the whole interval lies within ${percent}` };
  }
  if (estimate.pAbove <= alpha && ratio > 1 + margin) {
    return {
      judgement: better === 'lower' ? 'worse' : 'better',
      reason: `higher by more than the margin of ${percent}`,
    };
  }
  if (estimate.pBelow <= alpha && ratio < 1 / (1 + margin)) {
    return {
      judgement: better === 'lower' ? 'better' : 'worse',
      reason: `lower by more than the margin of ${percent}`,
    };
  }
  return {
    judgement: 'inconclusive',
    reason: `the interval reaches across the margin of ${percent}`,
  };
}

function tidyPercent(ratio: number): string {
  return String(Number((ratio * 100).toPrecision(3)));
}
