// A condition made ready: units checked against those of the metrics, then a function of the tick. What is not known
// (NaN) makes a comparison not known (undefined); `and` and `or` go on with the part that decides.

import {
  type Comparison,
  type Condition,
  ConditionMistake,
  type Sign,
  type Sum,
} from '#collector/alert/condition.ts';
import { DecayBank } from '#core/metric/decay.ts';
import { queueDrainS } from '#core/metric/queue-drain.ts';

/** What conditions see of a tick. */
export interface Readings {
  /** NaN: not known. */
  value(metric: string): number;
  /** Of the metric itself; undefined: it keeps no decays. */
  decay(metric: string, horizon: number): number | undefined;
  /** Length of the tick, s. */
  dtS: number;
}

export interface ConditionContext {
  /** Unit of a metric; undefined: there is none of this name now. */
  unitOf(metric: string): string | undefined;
  /** Puts the instance in the place of `*`. */
  nameOf(metric: string): string;
}

export interface CompiledCondition {
  /** Once a tick. undefined: not known. */
  holds(readings: Readings): boolean | undefined;
  /** The left side of each comparison, as it was at the last tick. */
  readonly values: readonly { at: number; end: number; value: number }[];
}

const US_PER_S = 1e6;

type Evaluate = (readings: Readings) => number;

/** @throws ConditionMistake where units do not fit. */
export function compileCondition(
  condition: Condition,
  context: ConditionContext,
): CompiledCondition {
  const values: { at: number; end: number; value: number }[] = [];
  const holds = compileNode(condition, context, values);
  return { holds, values };
}

function compileNode(
  node: Condition,
  context: ConditionContext,
  values: { at: number; end: number; value: number }[],
): (readings: Readings) => boolean | undefined {
  if (node.kind === 'compare') return compileComparison(node, context, values);
  if (node.kind === 'not') {
    const of = compileNode(node.of, context, values);
    return (readings) => {
      const is = of(readings);
      return is === undefined ? undefined : !is;
    };
  }
  const parts = node.parts.map((part) => compileNode(part, context, values));
  const decides = node.kind === 'or';
  return (readings) => {
    let isKnown = true;
    let isDecided = false;
    // Every part is asked: some keep decays.
    for (const part of parts) {
      const is = part(readings);
      if (is === decides) isDecided = true;
      else if (is === undefined) isKnown = false;
    }
    return isDecided ? decides : isKnown ? !decides : undefined;
  };
}

function compileComparison(
  { sign, left, right }: Comparison,
  context: ConditionContext,
  values: { at: number; end: number; value: number }[],
): (readings: Readings) => boolean | undefined {
  const [unitLeft, unitRight] = [unitOf(left, context), unitOf(right, context)];
  const leftIs = compileSum(left, context, scaleTo(unitLeft, unitRight, left, right));
  const rightIs = compileSum(right, context, scaleTo(unitRight, unitLeft, right, left));
  const shown = { at: left.at, end: left.end, value: Number.NaN };
  values.push(shown);
  return (readings) => {
    const [one, other] = [leftIs(readings), rightIs(readings)];
    shown.value = one;
    return Number.isNaN(one) || Number.isNaN(other) ? undefined : isTrue(one, sign, other);
  };
}

function isTrue(one: number, sign: Sign, other: number): boolean {
  if (sign === '>') return one > other;
  if (sign === '>=') return one >= other;
  if (sign === '<') return one < other;
  if (sign === '<=') return one <= other;
  return sign === '==' ? one === other : one !== other;
}

function compileSum(sum: Sum, context: ConditionContext, scale = 1): Evaluate {
  if (sum.kind === 'number') {
    const value = sum.value * scale;
    return () => value;
  }
  if (sum.kind === 'metric') {
    const name = context.nameOf(sum.name);
    return (readings) => readings.value(name);
  }
  if (sum.kind === 'minus') {
    const of = compileSum(sum.of, context, scale);
    return (readings) => -of(readings);
  }
  if (sum.kind === 'decay') return compileDecay(sum.horizon, sum.of, context);
  if (sum.kind === 'change') return compileChange(compileSum(sum.of, context));
  if (sum.kind === 'drain') {
    const [length, fill] = [compileSum(sum.length, context), compileSum(sum.fill, context)];
    return (readings) => drainS(length(readings), fill(readings));
  }
  const [left, right] = [
    compileSum(sum.left, context, scale),
    compileSum(sum.right, context, scale),
  ];
  if (sum.sign === '+') return (readings) => left(readings) + right(readings);
  if (sum.sign === '-') return (readings) => left(readings) - right(readings);
  if (sum.sign === '*') return (readings) => left(readings) * right(readings);
  return (readings) => left(readings) / right(readings);
}

/** A queue that does not shrink never drains: later than any limit. */
function drainS(length: number, fillPerS: number): number {
  if (Number.isNaN(length) || Number.isNaN(fillPerS)) return Number.NaN;
  const seconds = queueDrainS(length, fillPerS);
  return Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds;
}

/** The decay that the metric keeps, else one of our own over the values of the ticks. */
function compileDecay(horizon: number, of: Sum, context: ConditionContext): Evaluate {
  const name = of.kind === 'metric' ? context.nameOf(of.name) : undefined;
  const value = compileSum(of, context);
  const bank = new DecayBank(1);
  return (readings) => {
    bank.observeRate(0, value(readings), readings.dtS);
    const kept = name === undefined ? undefined : readings.decay(name, horizon);
    return kept ?? bank.value(0, horizon);
  };
}

function compileChange(of: Evaluate): Evaluate {
  let before = Number.NaN;
  return (readings) => {
    const now = of(readings);
    const change = (now - before) / readings.dtS;
    before = now;
    return change;
  };
}

/** Unit of a sum; '' of a plain number, undefined where it cannot be said. */
function unitOf(sum: Sum, context: ConditionContext): string | undefined {
  if (sum.kind === 'number') return sum.unit;
  if (sum.kind === 'metric') return context.unitOf(context.nameOf(sum.name));
  if (sum.kind === 'decay' || sum.kind === 'minus') return unitOf(sum.of, context);
  if (sum.kind === 'drain') return 's';
  if (sum.kind === 'change') {
    const unit = unitOf(sum.of, context);
    return unit === undefined ? undefined : `${unit}/s`;
  }
  const [left, right] = [unitOf(sum.left, context), unitOf(sum.right, context)];
  if (sum.sign === '+' || sum.sign === '-') {
    if (left === '' || right === '' || left === undefined || right === undefined) {
      return left === '' ? right : left;
    }
    if (left === right) return left;
    throw new ConditionMistake(
      `${wordOf(left)} and ${wordOf(right)} make no sum`,
      sum.right.at,
      'bring them to one unit by * or /',
    );
  }
  return sum.sign === '/' && left === right && left !== undefined ? '1' : undefined;
}

/** What the numbers of one side are multiplied by to be in the unit of the other. */
function scaleTo(own: string | undefined, other: string | undefined, sum: Sum, to: Sum): number {
  if (own === undefined || other === undefined || own === '' || other === '') return 1;
  if (own === other) return 1;
  if (isFinerBy(own, other)) return US_PER_S;
  if (isFinerBy(other, own)) return 1;
  if (own === '/s' || other === '/s') {
    if ((own === '/s' ? other : own).endsWith('/s')) return 1;
  }
  const isNumber = sum.kind === 'number' || sum.kind === 'minus';
  const at = isNumber ? sum.at : to.at;
  const [numberUnit, metricUnit] = isNumber ? [own, other] : [other, own];
  throw new ConditionMistake(
    `${wordOf(numberUnit)} is compared with ${wordOf(metricUnit)}`,
    at,
    'give the number the unit of the metric, or none',
  );
}

/** Seconds beside microseconds, alone or per second. */
function isFinerBy(own: string, other: string): boolean {
  return (own === 's' && other === 'us') || (own === 's/s' && other === 'us/s');
}

function wordOf(unit: string): string {
  if (unit === '1') return 'a ratio';
  if (unit === 's' || unit === 'us') return 'a duration';
  if (unit === 'By') return 'a number of bytes';
  return unit === '/s' ? 'a rate' : `a value in ${unit}`;
}
