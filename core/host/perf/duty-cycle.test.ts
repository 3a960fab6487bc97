// Sampling: the rate is right on average, and the error that is printed is the error that is made.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { affordableShare, DutyCycle } from '#core/host/perf/duty-cycle.ts';
import type { CountedGroup, PerfCounters } from '#core/host/perf/perf-counters.ts';
import { WindowEstimate } from '#core/host/perf/window-estimate.ts';

test('golden: two windows', () => {
  const estimate = new WindowEstimate(1);
  estimate.add(0.1, new Float64Array([100]));
  estimate.add(0.1, new Float64Array([120]));
  assert.equal(estimate.rate(0), 220 / 0.2);
  // r = 1100; off by -10 and +10; variance 2/(2-1) * 200 = 400; unseen 0.8; sqrt(0.8 * 400) / 220
  assert.ok(Math.abs(estimate.error(0, 1) - Math.sqrt(320) / 220) < 1e-12);
  // Seen in full: nothing is estimated.
  assert.equal(estimate.error(0, 0.2), 0);
  estimate.clear();
  assert.ok(Number.isNaN(estimate.rate(0)) && Number.isNaN(estimate.error(0, 1)));
});

test('even counts do not claim to be exact, unknown windows say nothing', () => {
  const estimate = new WindowEstimate(1);
  for (let i = 0; i < 4; i++) estimate.add(0.1, new Float64Array([1]));
  assert.equal(estimate.error(0, 1), Math.sqrt(0.6 * 4) / 4);
  estimate.add(0.1, new Float64Array([Number.NaN]));
  estimate.add(0, new Float64Array([5]));
  assert.equal(estimate.windows, 4);
});

test('an interval of any length: neighbours become one, nothing is lost', () => {
  const estimate = new WindowEstimate(2);
  for (let i = 1; i <= 1000; i++) estimate.add(0.001, new Float64Array([i, 2]));
  assert.ok(estimate.windows >= 32 && estimate.windows <= 64);
  assert.ok(Math.abs(estimate.totalS - 1) < 1e-9);
  assert.ok(Math.abs(estimate.rate(0) - 500_500) < 1e-6);
  assert.ok(Math.abs(estimate.rate(1) - 2000) < 1e-9);
  // 1,000 windows as they were would say 0.018; joined ones, of different lengths, say more rather than less.
  assert.ok(
    estimate.error(0, 10) > 0.017 && estimate.error(0, 10) < 0.2,
    `${estimate.error(0, 10)}`,
  );
});

/** A group whose events come as `countUntil` says, on a clock that a test moves. */
function simulated(clock: VirtualClock, countUntil: (us: number) => number) {
  const group: CountedGroup = {
    spec: { name: 'simulated', isDear: true, events: [] },
    names: ['event'],
    userOnly: [],
    counts: new Float64Array(1),
    enabledNs: 0,
    runningNs: 0,
    read: 1,
  };
  let onSinceUs = Number.NaN;
  let [seen, onUs] = [0, 0];
  let switches = 0;
  const settle = (): void => {
    if (Number.isNaN(onSinceUs)) return;
    const nowUs = clock.monoUs();
    seen += countUntil(nowUs) - countUntil(onSinceUs);
    onUs += nowUs - onSinceUs;
    onSinceUs = nowUs;
  };
  const counters = {
    areProcessors: true,
    targets: 2,
    enable: () => {
      switches++;
      onSinceUs = clock.monoUs();
    },
    disable: () => {
      settle();
      onSinceUs = Number.NaN;
    },
    read: () => {
      settle();
      group.counts[0] = seen;
      group.enabledNs = onUs * 1000;
      [seen, onUs] = [0, 0];
    },
  } as unknown as PerfCounters;
  return { counters, group, switches: () => switches };
}

/** A generator of numbers 0..1 from a seed. */
function random(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

test('few events: always on, every one is counted', () => {
  const clock = new VirtualClock();
  const { counters, group } = simulated(clock, (us) => Math.floor(us / 100));
  const duty = new DutyCycle({ counters, group, clock, processors: 2 });
  duty.start();
  for (let second = 0; second < 5; second++) {
    clock.advance(1000);
    duty.take();
    assert.deepEqual([duty.rates[0], duty.errors[0], duty.shareSeen], [10_000, 0, 1]);
  }
});

test('many events: on for what the budget allows, from the second interval on, and back again', () => {
  const clock = new VirtualClock();
  // 2.65 million a second for 5 s, then 1,000.
  const { counters, group } = simulated(clock, (us) =>
    us < 5e6 ? us * 2.65 : 13.25e6 + (us - 5e6) / 1000,
  );
  const duty = new DutyCycle({ counters, group, clock, processors: 24 });
  duty.start();
  const shares: number[] = [];
  for (let second = 0; second < 10; second++) {
    clock.advance(1000);
    duty.take();
    shares.push(Math.round(duty.shareSeen * 100));
    const rate = second < 5 ? 2_650_000 : 1000;
    if (second !== 5)
      assert.ok(Math.abs(duty.rates[0]! / rate - 1) < 0.02, `${second}: ${duty.rates[0]}`);
  }
  assert.deepEqual(shares, [100, 45, 45, 45, 45, 45, 100, 100, 100, 100]);
  duty.stop();
});

test('the printed error is the error that is made: 95 % of the rates lie within two of it', () => {
  const seed = 4711;
  const next = random(seed);
  // Bursts: every millisecond has a rate of its own, some of them ten times the others'.
  const perMs = Array.from(
    { length: 400_000 },
    () => 200 + 200 * next() + (next() < 0.1 ? 3000 * next() : 0),
  );
  const sums = [0];
  for (const count of perMs) sums.push(sums.at(-1)! + count);
  const countUntil = (us: number): number => {
    const ms = Math.min(us / 1000, perMs.length - 1);
    return sums[Math.floor(ms)]! + (ms % 1) * perMs[Math.floor(ms)]!;
  };
  const clock = new VirtualClock();
  const { counters, group } = simulated(clock, countUntil);
  const duty = new DutyCycle({ counters, group, clock, processors: 2, share: 0.1, seed });
  duty.start();
  let within = 0;
  let sumOff = 0;
  for (let second = 0; second < 390; second++) {
    clock.advance(1000);
    duty.take();
    const truth = countUntil((second + 1) * 1e6) - countUntil(second * 1e6);
    const off = duty.rates[0]! / truth - 1;
    sumOff += off;
    if (Math.abs(off) <= 2 * duty.errors[0]!) within++;
  }
  assert.ok(within / 390 > 0.88, `${within} of 390 within two standard errors, seed ${seed}`);
  assert.ok(Math.abs(sumOff / 390) < 0.02, `off by ${sumOff / 390} on average, seed ${seed}`);
  duty.stop();
});

test('the share that is affordable', () => {
  assert.equal(affordableShare(new Float64Array([50_000]), 2), 1);
  assert.equal(affordableShare(new Float64Array([Number.NaN]), 2), 1);
  assert.ok(Math.abs(affordableShare(new Float64Array([1_000_000]), 2) - 0.1) < 1e-12);
  assert.equal(affordableShare(new Float64Array([1e9]), 2), 0.02);
});
