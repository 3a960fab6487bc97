// Before and after from few blocks. Where a block is a server, a population and a minute of its own, there are two of
// each, and the exact test of pairs (verdict.ts) needs seven. So the blocks of all comparisons of a run tell together
// how much two equal ones differ: the logs of blocks with one setting around their mean, pooled, one degree of freedom
// for each block beyond the first; when the blocks of one comparison differ more than that, their own spread counts
// for it. The interval is Student's: mean difference of the logs +- t * spread * sqrt(1/before + 1/after).
//   worse, better  the interval leaves out 1, and the ratio lies beyond the margin
//   equivalent     the whole interval lies within 1/(1+margin) .. 1+margin
//   inconclusive   anything else
//   invalid        no fit block before, or none after, or no two equal blocks in the whole run
// It takes the logs as normal, which first-loop's test does not. Pure.

import type { SettingFinding } from '#dashboards/report/ladder-record.ts';
import type { Verdict } from '#dashboards/report/run-record.ts';

/** One-sided 1 %, so that the interval covers 98 %, for 1, 2, 3 ... degrees of freedom (any table of Student's t). */
const T_1_PERCENT = [
  ...[31.821, 6.965, 4.541, 3.747, 3.365, 3.143, 2.998, 2.896, 2.821, 2.764, 2.7181, 2.681, 2.65],
  ...[2.624, 2.602, 2.583, 2.567, 2.552, 2.539, 2.528],
];
export const FEW_BLOCKS_COVERAGE = 0.98;

export interface FewBlocks {
  before: readonly number[];
  after: readonly number[];
}

export type FewBlocksResult = Omit<SettingFinding, 'figure' | 'better' | 'blocks'>;

/** Judges comparisons of positive values, which share their spread. */
export function judgeFewBlocks(
  comparisons: readonly FewBlocks[],
  { margin, better }: { margin: number; better: 'lower' | 'higher' },
): FewBlocksResult[] {
  const logs = comparisons.map(({ before, after }) => [before.map(Math.log), after.map(Math.log)]);
  const pooled = spreadOf(logs.flat());
  return logs.map(([a, b]) => {
    const [meanA, meanB] = [mean(a!), mean(b!)];
    const means = {
      before: meanA === null ? null : Math.exp(meanA),
      after: meanB === null ? null : Math.exp(meanB),
    };
    if (meanA === null || meanB === null) return { ...means, ...UNKNOWN };
    const ratio = Math.exp(meanB - meanA);
    if (pooled.freedom === 0) return { ...means, ...UNKNOWN, ratio };
    const spread = Math.max(pooled.spread, spreadOf([a!, b!]).spread);
    const t = T_1_PERCENT[Math.min(pooled.freedom, T_1_PERCENT.length) - 1]!;
    const half = t * spread * Math.sqrt(1 / a!.length + 1 / b!.length);
    const interval = { ratio, low: ratio * Math.exp(-half), high: ratio * Math.exp(half) };
    return { ...means, ...interval, verdict: decide(interval, margin, better) };
  });
}

const UNKNOWN = { ratio: null, low: null, high: null, verdict: 'invalid' as const };

function decide(
  { ratio, low, high }: { ratio: number; low: number; high: number },
  margin: number,
  better: 'lower' | 'higher',
): Verdict {
  if (low >= 1 / (1 + margin) && high <= 1 + margin) return 'equivalent';
  if (low > 1 && ratio > 1 + margin) return better === 'higher' ? 'better' : 'worse';
  if (high < 1 && ratio < 1 / (1 + margin)) return better === 'lower' ? 'better' : 'worse';
  return 'inconclusive';
}

/** Standard deviation within groups of equal blocks, and its degrees of freedom. */
function spreadOf(groups: readonly (readonly number[])[]): { spread: number; freedom: number } {
  let squares = 0;
  let freedom = 0;
  for (const group of groups) {
    if (group.length < 2) continue;
    const middle = mean(group)!;
    for (const value of group) squares += (value - middle) ** 2;
    freedom += group.length - 1;
  }
  return { spread: freedom === 0 ? 0 : Math.sqrt(squares / freedom), freedom };
}

function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
