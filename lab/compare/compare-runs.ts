// Compares the figures of two runs of the same experiment: HEAD against BASE. Blocks are matched by pair
// and variant, so that A is compared with A and B with B.
//
// What this cannot do: the two runs were made one after the other, so a change of the machine between them
// looks like a change of the program. Therefore everything that must not differ is compared first, and the
// speed of the machine (the fixed calculation between the blocks) is a control: when it moved, the
// comparison is void, not a finding. Inside one run, A against B, is the stronger statement.

import { changeText, numberText } from '#dashboards/report/number-text.ts';
import type { BlockRecord, RunRecord } from '#dashboards/report/run-record.ts';
import { findMetric } from '#lab/statistics/block-metric.ts';
import { fitPairs } from '#lab/statistics/conclude.ts';
import { median } from '#lab/statistics/median.ts';
import { type JudgedPairs, judgePairs, type PairedValues } from '#lab/statistics/verdict.ts';

/** The machine may have become this much faster or slower between the runs. */
const SPIN_CHANGE_RATIO_MAX = 0.05;
/** Other programs may have taken so much more or less of the CPU, points of a hundred. */
const OTHERS_CHANGE_PERCENT_MAX = 10;
const MEMORY_STEP_BYTES = 2 ** 30;

export interface ComparedMetric {
  name: string;
  unit: string;
  role: 'primary' | 'guardrail';
  medianBase: number | null;
  medianHead: number | null;
  /** Null when no blocks could be matched. */
  estimate: JudgedPairs | null;
}

export interface Comparison {
  base: string;
  head: string;
  /** Why the comparison is void; empty when it is not. */
  objections: string[];
  metrics: ComparedMetric[];
}

export function compareRuns(base: RunRecord, head: RunRecord): Comparison {
  return {
    base: base.runId,
    head: head.runId,
    objections: [
      ...unfitness('BASE', base),
      ...unfitness('HEAD', head),
      ...differences(base, head),
    ],
    metrics: head.metrics.map(({ name, unit, role, margin, better }) => {
      const values = matchedValues(base, head, name);
      const options = { margin, better, alpha: head.design.alpha };
      return {
        name,
        unit,
        role,
        medianBase: median(values.map(({ a }) => a)),
        medianHead: median(values.map(({ b }) => b)),
        estimate: values.length === 0 ? null : judgePairs(values, options),
      };
    }),
  };
}

function unfitness(name: string, { verdict, cut }: RunRecord): string[] {
  if (cut !== null && cut.cause !== 'time') return [`${name} was cut: ${cut.sentence}`];
  return verdict.verdict === 'invalid' ? [`${name} is invalid: ${verdict.sentence}`] : [];
}

/** What must be the same for a difference of the figures to mean anything. */
function differences(base: RunRecord, head: RunRecord): string[] {
  const found: string[] = [];
  const compare = (what: string, one: object, other: object): void => {
    const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
    for (const key of keys) {
      const [a, b] = [one, other].map((o) => JSON.stringify((o as Record<string, unknown>)[key]));
      if (a !== b) found.push(`${what} differs: ${key} was ${a} and is ${b}`);
    }
  };
  compare('the workload', base.workload, head.workload);
  compare('the knob', base.turned, head.turned);
  const blockOf = ({ washoutMs, measureMs }: RunRecord['design']) => ({ washoutMs, measureMs });
  compare('the design', blockOf(base.design), blockOf(head.design));
  compare('the host', identityOf(base.host), identityOf(head.host));
  if (base.spinUs !== null && head.spinUs !== null) {
    const ratio = head.spinUs / base.spinUs;
    if (Math.abs(ratio - 1) > SPIN_CHANGE_RATIO_MAX) {
      found.push(`the machine ran at another speed: a fixed calculation took ${changeText(ratio)}`);
    }
  }
  const [othersBase, othersHead] = [base, head].map(othersPercent);
  if (Math.abs(othersHead! - othersBase!) > OTHERS_CHANGE_PERCENT_MAX) {
    const told = `${numberText(othersBase!)} % of the CPU, then ${numberText(othersHead!)} %`;
    found.push(`the host was not as busy: other programs took ${told}`);
  }
  return found;
}

/** CPU that other programs took in the blocks, median; 0 where the host does not tell. */
function othersPercent({ blocks }: RunRecord): number {
  return median(blocks.flatMap(({ checks }) => checks['others'] ?? [])) ?? 0;
}

/** The host without what a restart changes: the kernel takes a little more or less memory for itself. */
function identityOf(host: RunRecord['host']): RunRecord['host'] {
  const memory = host['memoryBytes'];
  if (typeof memory !== 'number') return host;
  return { ...host, memoryBytes: Math.round(memory / MEMORY_STEP_BYTES) * MEMORY_STEP_BYTES };
}

function matchedValues(base: RunRecord, head: RunRecord, metric: string): PairedValues[] {
  const inHead = new Map(fitPairs(head.blocks).map((pair) => [pair.a.pair, pair]));
  return fitPairs(base.blocks).flatMap((ofBase) => {
    const ofHead = inHead.get(ofBase.a.pair);
    if (ofHead === undefined) return [];
    return (['a', 'b'] as const).flatMap((variant): PairedValues[] => {
      const one = blockValue(ofBase[variant], metric);
      const other = blockValue(ofHead[variant], metric);
      return one === null || other === null ? [] : [{ a: one, b: other }];
    });
  });
}

function blockValue(block: BlockRecord, metric: string): number | null {
  return findMetric(metric) === undefined ? null : (block.values[metric] ?? null);
}
