import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { parseTrace } from '#loadgen/arrival-trace.ts';
import {
  ArrivalCursor,
  type ArrivalPlan,
  BURST_DISPERSION,
  BURST_GAP,
  BURST_MESSAGES,
  BURST_START_GAP,
  unitGap,
} from '#loadgen/arrivals.ts';
import { DAY_PEAK_RATIO } from '#loadgen/country-map.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import {
  isChanging,
  parseSpike,
  parseStages,
  plannedMessages,
  type RatePlan,
  rateAt,
  rateSteps,
} from '#loadgen/rate-plan.ts';

/** Kolmogorov-Smirnov distance of a sample from a distribution. */
function distance(sample: readonly number[], below: (x: number) => number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted.reduce((worst, x, i) => {
    const p = below(x);
    return Math.max(worst, Math.abs(p - i / sorted.length), Math.abs(p - (i + 1) / sorted.length));
  }, 0);
}

/** Distance that a true sample of n exceeds once in 10,000 (asymptotic, Smirnov 1948). */
const distanceMax = (n: number): number => Math.sqrt(-Math.log(0.0001 / 2) / (2 * n));

const exponential = (x: number): number => 1 - Math.exp(-x);

function planOf(stages: string, more: Partial<RatePlan> = {}): RatePlan {
  return { stages: parseStages(stages), dayMs: undefined, spikes: [], ...more };
}

/** Every message due by a plan, ms. */
function walk(arrivals: ArrivalPlan, plan: RatePlan, untilMs: number): number[] {
  const schedule = new PlanChanges();
  for (const { offsetMs, ratePerS } of rateSteps(plan))
    schedule.rate.append(offsetMs * 1000, ratePerS);
  const cursor = new ArrivalCursor(arrivals, schedule);
  const due: number[] = [];
  for (; cursor.dueUs() <= untilMs * 1000; cursor.advance()) due.push(cursor.dueUs() / 1000);
  return due;
}

test('stages follow each other, and slopes are even', () => {
  const plan = planOf('10s@100/s, 10s@100..300/s, 5s@0/s');
  assert.deepEqual(
    [0, 9999, 15_000, 22_000].map((ms) => rateAt(plan, ms)),
    [100, 100, 200, 0],
  );
  assert.ok(Math.abs(plannedMessages(plan, 25_000) - 3000) < 1);
  assert.equal(isChanging(plan), true);
  assert.deepEqual(rateSteps(planOf('1h@50/s')), [{ offsetMs: 0, ratePerS: 50 }]);
});

test('a day has the mean it was given and the peak of the published figures', () => {
  const dayMs = 24 * 60_000;
  const plan = planOf('24m@1000/s', { dayMs });
  const rates = rateSteps(plan).map(({ ratePerS }) => ratePerS);
  const mean = plannedMessages(plan, dayMs) / (dayMs / 1000);
  assert.ok(Math.abs(mean - 1000) < 1, `${mean}`);
  const peakRatio = Math.max(...rates) / mean;
  assert.ok(Math.abs(peakRatio / DAY_PEAK_RATIO - 1) < 0.02, `${peakRatio}`);
  assert.ok(Math.abs(rateAt(plan, (21 / 24) * dayMs) - 1550) < 1e-6);
});

test('the spike at the peak: 35 % more, then decay; spikes multiply with the day', () => {
  const plan = planOf('10m@1000/s', { spikes: [parseSpike('35%@60s/30s/60s')] });
  assert.deepEqual(
    [59_999, 75_000, 90_000].map((ms) => Math.round(rateAt(plan, ms))),
    [1000, 1175, 1350],
  );
  assert.ok(Math.abs(rateAt(plan, 150_000) - 1000 * (1 + 0.35 / Math.E)) < 1e-6);
  const both = { ...plan, dayMs: 600_000 };
  assert.ok(rateAt(both, 90_000) > 1.3 * rateAt({ ...both, spikes: [] }, 90_000));
});

test('non-homogeneous Poisson: by the integral of the rate, gaps are exponential', () => {
  const plan = planOf('20s@200..2000/s, 20s@500/s', { spikes: [parseSpike('35%@10s/2s/5s')] });
  for (const seed of [1, 2, 3]) {
    const due = walk({ seed, process: 'poisson', users: 2 }, plan, 40_000);
    const passed = due.map((ms) => plannedMessages(plan, ms));
    const gaps = passed.map((at, i) => at - (passed[i - 1] ?? 0));
    const d = distance(gaps, exponential);
    assert.ok(d < distanceMax(gaps.length), `seed ${seed}: ${d} of ${gaps.length}`);
    assert.ok(Math.abs(due.length - plannedMessages(plan, 40_000)) < 5 * Math.sqrt(due.length));
  }
});

test('bursts: a mixture of two exponentials with mean 1, conversations of seven', () => {
  const first = 1 / BURST_MESSAGES;
  const below = (x: number): number =>
    first * exponential(x / BURST_START_GAP) + (1 - first) * exponential(x / BURST_GAP);
  for (const seed of [0, 5, 77]) {
    const plan: ArrivalPlan = { seed, process: 'bursts', users: 2 };
    const gaps = Array.from({ length: 20_000 }, (_, i) => unitGap(plan, i));
    const d = distance(gaps, below);
    assert.ok(d < distanceMax(gaps.length), `seed ${seed}: ${d}`);
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    assert.ok(Math.abs(mean - 1) < 0.1, `${mean}`);
    // Burstiness (Goh and Barabasi): 0 for Poisson, towards 1 for bursts.
    const sd = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    assert.ok((sd - mean) / (sd + mean) > 0.3);
    assert.ok(Math.abs(sd ** 2 / BURST_DISPERSION - 1) < 0.1, `${sd}`);
  }
});

test('a trace is played as it stands, faster when asked, and again when it ends', () => {
  const { gaps, ratePerS } = parseTrace('# seconds\n0.1\n0.15\n0.35\n0.4\n', 'x');
  assert.ok(Math.abs(ratePerS - 10) < 1e-9);
  const arrivals: ArrivalPlan = { seed: 1, process: 'trace', users: 2, trace: gaps };
  const times = (rate: number): number[] =>
    walk(arrivals, planOf(`1s@${rate}/s`), 800).map((ms) => Math.round(ms));
  assert.deepEqual(times(10), [100, 150, 350, 400, 500, 550, 750, 800]);
  assert.deepEqual(times(20).slice(0, 5), [50, 75, 175, 200, 250]);
});

test('what is no plan is refused', () => {
  const refused = (act: () => unknown, code: string): void =>
    assert.throws(act, (error) => error instanceof WsarError && error.code === code);
  for (const text of ['', '10s', '10s@', '@5/s', '10s@5/s@6/s']) {
    assert.throws(() => parseStages(text), WsarError, text);
  }
  refused(() => parseStages('0s@5/s'), 'WSAR_ERR_USAGE');
  refused(() => parseStages('10s@2000000/s'), 'WSAR_ERR_USAGE');
  refused(() => parseStages('10s@5..6'), 'WSAR_ERR_QUANTITY');
  refused(() => parseStages(Array(101).fill('1s@1/s').join()), 'WSAR_ERR_USAGE');
  for (const text of ['35%', '35%@60s', '35@60/30s/5m', '0%@1s/1s/1s']) {
    assert.throws(() => parseSpike(text), WsarError, text);
  }
  for (const text of ['', '0', 'x', '2\n1', '-1']) {
    refused(() => parseTrace(text, 'f'), 'WSAR_ERR_FILE');
  }
});
