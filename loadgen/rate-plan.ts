// The planned rate of a load over its steady phase: stages, a compressed day, and spikes on top, as a list
// of (from when, messages per second) that plan-changes.ts takes. Pure. With Poisson arrivals this is a
// non-homogeneous Poisson process whose rate is constant within a step.
//
//   --stages '30s@1000/s, 60s@1000..5000/s, 10s@0/s'   one after the other; 'A..B' rises or falls evenly
//   --day 24m           24 hours in 24 minutes, beginning at midnight: rate x curve, mean 1, peak 1.55
//   --spike '35%@60s/30s/5m'   35 % more from 60 s on, risen within 30 s, gone by a factor e each 5 minutes
//
// A spike may begin at the busiest moment of the day: '35%@peak/30s/5m'. The day is that of the world: every
// country follows its own hour (country-map.ts), and the sum has the published peak over its mean, 1.55.

import { parseDurationMs, parseRatePerS, parseRatio } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import { type CountryShape, worldFactor } from '#loadgen/country-map.ts';
import { CHANGES_MAX, RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';

export interface Stage {
  ms: number;
  fromPerS: number;
  toPerS: number;
}

export interface Spike {
  /** How much more: 0.35 = 35 %. */
  share: number;
  /** NaN = at the peak of the day. */
  startMs: number;
  riseMs: number;
  decayMs: number;
}

export interface RatePlan {
  /** Without stages: one, of the whole duration. */
  stages: readonly Stage[];
  /** Length of a day; undefined = no daily curve. */
  dayMs: number | undefined;
  /** Whose hours make the day; none or empty = one time zone. */
  countries?: readonly CountryShape[];
  spikes: readonly Spike[];
}

export interface RateStep {
  offsetMs: number;
  ratePerS: number;
}

/** Steps of a plan: the rest of the schedule is for the knob. */
const STEPS_MAX = CHANGES_MAX / 2;
/** A changing rate is made of steps no shorter than this. */
const STEP_MS_MIN = 100;
const STAGES_MAX = 100;

export function planMs({ stages }: RatePlan): number {
  return stages.reduce((sum, { ms }) => sum + ms, 0);
}

/** Whether the rate of a plan is ever another. */
export function isChanging(plan: RatePlan): boolean {
  return rateSteps(plan).length > 1;
}

/** Messages due in the first `ms` of a plan, on average. */
export function plannedMessages(plan: RatePlan, ms: number): number {
  const steps = rateSteps(plan);
  return steps.reduce((sum, { offsetMs, ratePerS }, index) => {
    const endMs = Math.min(ms, steps[index + 1]?.offsetMs ?? ms);
    return sum + (Math.max(0, endMs - offsetMs) / 1000) * ratePerS;
  }, 0);
}

/** Rate at a time of the plan, messages per second. */
export function rateAt(plan: RatePlan, ms: number): number {
  let startMs = 0;
  let base = 0;
  for (const stage of plan.stages) {
    const { fromPerS, toPerS } = stage;
    const part = (ms - startMs) / stage.ms;
    if (part >= 0 && part < 1) base = fromPerS + (toPerS - fromPerS) * part;
    startMs += stage.ms;
  }
  return base * dayFactor(plan, ms) * spikeFactor(plan.spikes, ms);
}

/** The plan as steps; a rate that does not change is one step. Times from the start of the phase. */
export function rateSteps(plan: RatePlan): RateStep[] {
  const totalMs = planMs(plan);
  const stepMs = Math.max(STEP_MS_MIN, totalMs / (STEPS_MAX - STAGES_MAX));
  const isModulated = plan.dayMs !== undefined || plan.spikes.length > 0;
  const steps: RateStep[] = [];
  let startMs = 0;
  for (const { ms, fromPerS, toPerS } of plan.stages) {
    const isFlat = fromPerS === toPerS && !isModulated;
    const count = isFlat ? 1 : Math.max(1, Math.ceil(ms / stepMs));
    for (let i = 0; i < count; i++) {
      const offsetMs = startMs + (ms * i) / count;
      const ratePerS = rateAt(plan, offsetMs + ms / count / 2);
      if (steps.at(-1)?.ratePerS !== ratePerS) {
        steps.push({ offsetMs, ratePerS: Math.min(RATE_PER_S_MAX, ratePerS) });
      }
    }
    startMs += ms;
  }
  return steps;
}

/** '30s@1000/s, 60s@1000..5000/s'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseStages(text: string): Stage[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > STAGES_MAX) {
    throw usage(`${parts.length} stages are too many`, `at most ${STAGES_MAX}`);
  }
  return parts.map((part) => {
    const [time, rates, ...rest] = part.split('@').map((word) => word.trim());
    if (time === undefined || rates === undefined || rest.length > 0) {
      throw usage(`'${part}' is no stage`, "write it like '30s@1000/s' or '60s@1000..5000/s'");
    }
    const ms = parseDurationMs(time);
    if (ms < 1) throw usage(`'${part}' is a stage without length`, 'take 1ms or more');
    const match = /^([0-9_.]+)\.\.(\S+)$/.exec(rates);
    const to = match?.[2] ?? rates;
    const toPerS = parseRate(to);
    const fromPerS =
      match === null ? toPerS : parseRate(`${match[1]}${/\/.*$/.exec(to)?.[0] ?? ''}`);
    return { ms, fromPerS, toPerS };
  });
}

/** '35%@60s/30s/5m', '35%@peak/30s/5m'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseSpike(text: string): Spike {
  const match = /^\s*([^@]+)@([^/]+)\/([^/]+)\/([^/]+)$/.exec(text);
  if (match === null) {
    throw usage(
      `'${text}' is no spike`,
      "write it like '35%@60s/30s/5m' or '35%@peak/30s/5m': how much, when, rise, decay",
    );
  }
  const share = parseRatio(match[1]!.trim());
  const startMs = match[2]!.trim() === 'peak' ? Number.NaN : parseDurationMs(match[2]!);
  const [riseMs, decayMs] = match.slice(3, 5).map(parseDurationMs) as [number, number];
  if (share <= 0 || decayMs <= 0) {
    throw usage(`'${text}' is a spike of nothing`, 'take a share and a decay above 0');
  }
  return { share, startMs, riseMs, decayMs };
}

function dayFactor({ dayMs, countries = [] }: RatePlan, ms: number): number {
  return dayMs === undefined ? 1 : worldFactor(countries, ((ms / dayMs) * 24) % 24);
}

function spikeFactor(spikes: readonly Spike[], ms: number): number {
  return spikes.reduce((factor, { share, startMs, riseMs, decayMs }) => {
    const sinceMs = ms - startMs;
    if (sinceMs < 0) return factor;
    const height = sinceMs < riseMs ? sinceMs / riseMs : Math.exp(-(sinceMs - riseMs) / decayMs);
    return factor * (1 + share * height);
  }, 1);
}

function parseRate(text: string): number {
  const ratePerS = parseRatePerS(text);
  if (ratePerS <= RATE_PER_S_MAX) return ratePerS;
  throw usage(`'${text}' is too fast`, `at most ${RATE_PER_S_MAX}/s`);
}

function usage(message: string, hint: string): WsarError {
  return new WsarError('WSAR_ERR_USAGE', message, hint);
}
