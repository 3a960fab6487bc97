// From the blocks of a run to its verdict. Order matters: first whether the run may be judged at all
// (nobody has seen an effect yet), then each metric by itself, then the sentence.
//
// The primary metric decides. A guardrail that became worse outweighs it: a saving that is paid for with
// what must not get worse is no improvement. Guardrails share the level alpha (Bonferroni), so that many
// of them do not raise many false alarms.

import { changeText, numberText } from '#dashboards/report/number-text.ts';
import type {
  BlockRecord,
  MetricResult,
  RunRecord,
  ValidityResult,
} from '#dashboards/report/run-record.ts';
import type { Experiment } from '#lab/experiment/experiment.ts';
import { findMetric } from '#lab/statistics/block-metric.ts';
import { median } from '#lab/statistics/median.ts';
import { type Check, checksOf, type ValidityLimits } from '#lab/statistics/validity.ts';
import { judgePairs, type PairedValues } from '#lab/statistics/verdict.ts';

/** Of the pairs that ran, so many must be fit, repeats counted. */
const FIT_PAIRS_RATIO_MIN = 0.8;

export interface Evidence {
  experiment: Pick<Experiment, 'knob' | 'metrics' | 'validity'>;
  blocks: readonly BlockRecord[];
  /** Why the run may not be judged whatever its blocks say; empty when it may. */
  objections: readonly string[];
}

export type Conclusion = Pick<RunRecord, 'metrics' | 'validity' | 'verdict'>;

export function conclude({ experiment, blocks, objections }: Evidence): Conclusion {
  const pairs = fitPairs(blocks);
  const metrics = judgeMetrics(experiment.metrics, pairs);
  const checks = validityResults(blocks, experiment.validity);
  const primary = metrics[0]!;
  const tooFew = tooFewPairs(blocks, pairs, checks);
  // Unfit blocks were cured when enough pairs are fit in the end.
  const validity = checks.map((check) => ({
    ...check,
    isOk: check.failedBlocks === 0 || tooFew.length === 0,
  }));
  const reasons = [...objections];
  // An objection explains the rest: a run whose server died also has too few pairs.
  if (reasons.length === 0) reasons.push(...tooFew);
  if (reasons.length === 0 && primary.estimate === null) {
    reasons.push(`${primary.name}: ${primary.reason}`);
  }
  const verdict =
    reasons.length > 0
      ? { verdict: 'invalid' as const, sentence: `No verdict: ${reasons.join('; ')}.` }
      : overall(metrics, experiment.knob);
  return { metrics, validity, verdict: { ...verdict, interval: intervalText(primary) } };
}

/** The blocks of every pair whose two blocks are fit; of a pair that ran again, the later ones. */
export function fitPairs(blocks: readonly BlockRecord[]): { a: BlockRecord; b: BlockRecord }[] {
  const newest = new Map<string, BlockRecord>();
  for (const block of blocks) newest.set(`${block.pair} ${block.variant}`, block);
  const numbers = [...new Set(blocks.map(({ pair }) => pair))].sort((one, two) => one - two);
  return numbers.flatMap((pair) => {
    const a = newest.get(`${pair} a`);
    const b = newest.get(`${pair} b`);
    const isFit = a !== undefined && b !== undefined && a.flaws.length + b.flaws.length === 0;
    return isFit ? [{ a, b }] : [];
  });
}

function judgeMetrics(
  { primary, guardrail, margin, alpha }: Experiment['metrics'],
  pairs: readonly { a: BlockRecord; b: BlockRecord }[],
): MetricResult[] {
  return [primary, ...guardrail].map((name, index) => {
    const { what, unit, better } = findMetric(name)!;
    const values = pairs.flatMap(({ a, b }): PairedValues[] => {
      const [valueA, valueB] = [a.values[name] ?? null, b.values[name] ?? null];
      return valueA === null || valueB === null ? [] : [{ a: valueA, b: valueB }];
    });
    const role = index === 0 ? ('primary' as const) : ('guardrail' as const);
    const result = { name, what, unit, role, better, margin: margin[name]! };
    if (values.length === 0) {
      const why = pairs.flatMap(({ a, b }) => [a.notEstimable[name], b.notEstimable[name]]);
      const reason = why.find((text) => text !== undefined) ?? 'no fit pair of blocks';
      return { ...result, medianA: null, medianB: null, estimate: null, reason };
    }
    const level = role === 'primary' ? alpha : alpha / guardrail.length;
    const { reason, ...estimate } = judgePairs(values, { ...result, alpha: level });
    return {
      ...result,
      medianA: median(values.map(({ a }) => a)),
      medianB: median(values.map(({ b }) => b)),
      estimate,
      reason,
    };
  });
}

function validityResults(blocks: readonly BlockRecord[], limits: ValidityLimits): ValidityResult[] {
  return checkList(limits).map(({ name, what, unit, limit }) => {
    const values = blocks.map(({ checks }) => checks[name] ?? null).filter((v) => v !== null);
    const failedBlocks = values.filter((value) => value > limit).length;
    const judged = blocks.filter(({ flaws }) => flaws.length === 0);
    const worst = judged.reduce<number | null>(
      (highest, { checks }) =>
        checks[name] === null || checks[name] === undefined
          ? highest
          : Math.max(highest ?? 0, checks[name]),
      null,
    );
    const isBlind = blocks.length > 0 && values.length === 0;
    return {
      name,
      what,
      unit,
      limit,
      worst,
      failedBlocks,
      isOk: failedBlocks === 0,
      note: isBlind ? '(this host does not tell)' : failedBlocks > 0 ? '(run again)' : '',
    };
  });
}

/** The checks there are, without values. */
function checkList(limits: ValidityLimits): Check[] {
  return checksOf(
    {
      missingRows: 0,
      latenessP99Ms: null,
      stealRatio: null,
      othersRatio: null,
      spinOffRatio: null,
      softnetDrops: null,
      sentShortRatio: null,
      foreignTurns: 0,
      lostSessions: 0,
    },
    limits,
  );
}

function tooFewPairs(
  blocks: readonly BlockRecord[],
  fit: readonly unknown[],
  validity: readonly ValidityResult[],
): string[] {
  const ran = new Set(blocks.map(({ pair }) => pair)).size;
  if (ran > 0 && fit.length >= ran * FIT_PAIRS_RATIO_MIN) return [];
  if (ran === 0) return ['no pair of blocks was measured'];
  const causes = validity
    .filter(({ failedBlocks }) => failedBlocks > 0)
    .sort((one, two) => two.failedBlocks - one.failedBlocks)
    .map(({ what, failedBlocks }) => `${what} in ${failedBlocks} blocks`);
  const because = causes.length > 0 ? ` (${causes.join(', ')})` : '';
  return [`only ${fit.length} of ${ran} pairs are fit to be judged${because}`];
}

function overall(
  metrics: readonly MetricResult[],
  { name, a, b }: Experiment['knob'],
): { verdict: 'better' | 'worse' | 'equivalent' | 'inconclusive'; sentence: string } {
  const primary = metrics[0]!;
  const judgement = primary.estimate!.judgement;
  const hurt = metrics.find(
    ({ role, estimate }) => role === 'guardrail' && estimate?.judgement === 'worse',
  );
  const told = effectText(primary);
  const pairs = `${primary.estimate!.pairs} pairs`;
  if (hurt !== undefined) {
    const although = judgement === 'worse' ? 'and' : 'although';
    return {
      verdict: 'worse',
      sentence: `${name} = ${b} is worse than ${a}: ${effectText(hurt)}, ${although} ${told}; ${pairs}.`,
    };
  }
  if (judgement === 'equivalent') {
    return {
      verdict: judgement,
      sentence: `${name} = ${b} and ${a} are equivalent: ${told}, ${primary.reason}; ${pairs}.`,
    };
  }
  if (judgement === 'inconclusive') {
    return {
      verdict: judgement,
      sentence: `This run cannot tell ${name} = ${b} from ${a}: ${told}, ${primary.reason}; ${pairs}.`,
    };
  }
  return {
    verdict: judgement,
    sentence: `${name} = ${b} is ${judgement} than ${a}: ${told}; ${pairs}.`,
  };
}

/** 'cpu.us_per_msg -10.0 % (-12 % to -7.5 %)'. */
function effectText({ name, estimate }: MetricResult): string {
  const { ratio, low, high } = estimate!;
  return `${name} ${changeText(ratio)} (${changeText(low)} to ${changeText(high)})`;
}

function intervalText({ name, estimate }: MetricResult): string {
  if (estimate === null) return '';
  const { ratio, low, high, coverage } = estimate;
  return (
    `${name}: ratio B/A ${ratio.toFixed(4)}, ` +
    `${numberText(coverage * 100)} % interval ${low.toFixed(4)} .. ${high.toFixed(4)}`
  );
}
