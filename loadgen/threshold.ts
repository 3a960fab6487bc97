// Rules over the figures of a load, as people write them for CI: 'latency.p99 > 50ms' in --fail-if,
// 'p99 < 50ms' in --find-max. Pure.
//
//   <figure> <op> <value>      op: > >= < <=
//   latency.p99 service.p50 lateness.max latency.mean     a time: 50ms, 800us. 'p99' = latency.p99
//   messages.lost messages.errors ...                     a count, or a share of the planned: 0.1%
//   connections.failed connections.lost ...               a count, or a share of all users: 1%
//   rate.achieved                                         messages per second: 5000/s
//   cpu.per_message                                       a time: 60us
//
// A percentile with fewer than 10 samples beyond it says nothing: then the rule is `unknown`, which is
// not the same as held.

import { parseDurationMs, parseRatePerS, parseRatio } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { TIMING_NAMES, type TimingName, type Timings } from '#loadgen/interval-timings.ts';

const OPERATORS = {
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
} as const;
export type Operator = keyof typeof OPERATORS;

/** Samples beyond a percentile below which it is not quoted. */
const BEYOND_MIN = 10;

const COUNT_FIGURES = [
  'messages.planned',
  'messages.sent',
  'messages.acked',
  'messages.received',
  'messages.receipts',
  'messages.lost',
  'messages.errors',
  'messages.unmatched',
  'connections.failed',
  'connections.refused',
  'connections.timeouts',
  'connections.lost',
  'connections.reconnects',
] as const;
type CountFigure = (typeof COUNT_FIGURES)[number];

type Figure =
  | { kind: 'timing'; timing: TimingName; stat: 'max' | 'mean' | number }
  | { kind: 'count'; name: CountFigure; isShare: boolean }
  | { kind: 'rate' }
  | { kind: 'cpu' };

export interface Threshold {
  /** As written, spaces made even. */
  text: string;
  figure: Figure;
  operator: Operator;
  /** Us, count, ratio or per second. */
  value: number;
}

/** What rules are asked of; a LoadSummary has it. */
export interface JudgedFigures {
  connections: Record<string, number>;
  messages: Record<string, number>;
  rateAchievedPerS: number;
  cpuUsPerMessage: number | null;
}

export interface Judgement {
  rule: string;
  /** In the unit of the rule; null when it cannot be told. */
  value: number | null;
  /** Whether what the rule says is so; null when it cannot be told. */
  isTrue: boolean | null;
}

/** Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseThreshold(text: string): Threshold {
  const match = /^\s*([a-z_.]+[0-9.]*[a-z_]*)\s*(>=|<=|>|<)\s*(\S.*?)\s*$/.exec(text);
  if (match === null) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `'${text}' is no rule`,
      "write it like 'latency.p99 > 50ms' or 'messages.lost > 0'",
    );
  }
  const [, name, operator, value] = match as unknown as [string, string, Operator, string];
  const figure = parseFigure(name, value);
  return {
    text: `${name} ${operator} ${value}`,
    figure,
    operator,
    value: parseValue(figure, value),
  };
}

/** Whether a rule is so, by the figures of a load (or of a part of it). */
export function judge(
  { text, figure, operator, value }: Threshold,
  figures: JudgedFigures,
  timings: Timings,
): Judgement {
  const found = figureValue(figure, figures, timings);
  return {
    rule: text,
    value: found ?? null,
    isTrue: found === undefined ? null : OPERATORS[operator](found, value),
  };
}

/** What a rule was judged by, with its unit. */
export function judgedText({ rule, value }: Pick<Judgement, 'rule' | 'value'>): string {
  const { figure } = parseThreshold(rule);
  if (value === null) return '-';
  if (figure.kind === 'rate') return `${value}/s`;
  if (figure.kind !== 'count') return `${value} us`;
  return figure.isShare ? `${Number((value * 100).toPrecision(3))}%` : String(value);
}

function parseFigure(name: string, value: string): Figure {
  if (name === 'rate.achieved') return { kind: 'rate' };
  if (name === 'cpu.per_message') return { kind: 'cpu' };
  const count = COUNT_FIGURES.find((known) => known === name);
  if (count !== undefined) return { kind: 'count', name: count, isShare: value.endsWith('%') };
  const match = /^(?:([a-z]+)\.)?(?:(max|mean)|p(\d{1,2}(?:\.\d+)?|9\d{2,4}))$/.exec(name);
  const timing = TIMING_NAMES.find((known) => known === (match?.[1] ?? 'latency'));
  if (match === null || timing === undefined) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `no figure is called '${name}'`,
      `take latency.p99 (or service, lateness; p50, p99.9, max, mean), rate.achieved, ` +
        `cpu.per_message, or one of ${COUNT_FIGURES.join(', ')}`,
    );
  }
  const word = match[2] as 'max' | 'mean' | undefined;
  return { kind: 'timing', timing, stat: word ?? percentileOf(match[3]!) };
}

/** '99' = 99, '99.9' and '999' = 99.9, '9999' = 99.99. */
function percentileOf(digits: string): number {
  return Number(
    digits.length > 2 && !digits.includes('.')
      ? `${digits.slice(0, 2)}.${digits.slice(2)}`
      : digits,
  );
}

function parseValue(figure: Figure, text: string): number {
  switch (figure.kind) {
    case 'timing':
    case 'cpu':
      return parseDurationMs(text) * 1000;
    case 'rate':
      return parseRatePerS(text);
    default: {
      if (figure.isShare) return parseRatio(text);
      const count = Number(text.replace(/[_,]/g, ''));
      if (Number.isFinite(count) && count >= 0) return count;
      throw new WsarError(
        'WSAR_ERR_QUANTITY',
        `'${text}' is no count`,
        'write a number, or a share like 0.1%',
      );
    }
  }
}

function figureValue(figure: Figure, figures: JudgedFigures, timings: Timings): number | undefined {
  switch (figure.kind) {
    case 'rate':
      return figures.rateAchievedPerS;
    case 'cpu':
      return figures.cpuUsPerMessage ?? undefined;
    case 'timing':
      return timingOf(figure.stat, timings[figure.timing]);
    default: {
      const [group, field] = figure.name.split('.') as ['messages' | 'connections', string];
      const count = figures[group][field]!;
      if (!figure.isShare) return count;
      const whole =
        group === 'messages' ? figures.messages['planned']! : figures.connections['target']!;
      return whole === 0 ? undefined : count / whole;
    }
  }
}

function timingOf(
  stat: 'max' | 'mean' | number,
  histogram: Timings[TimingName],
): number | undefined {
  if (histogram.count === 0) return undefined;
  if (stat === 'max') return histogram.max;
  if (stat === 'mean') return histogram.mean;
  const beyond = histogram.count * (1 - stat / 100);
  // A hair of tolerance: 1000 samples are enough for p99, whatever 1 - 0.99 is in binary.
  return beyond + 1e-6 < BEYOND_MIN ? undefined : histogram.percentile(stat);
}
