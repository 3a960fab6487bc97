import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createTimings } from '#loadgen/interval-timings.ts';
import { RateSearch } from '#loadgen/rate-search.ts';
import { SearchDriver } from '#loadgen/search-driver.ts';
import { parseThreshold } from '#loadgen/threshold.ts';
import { createBoard, sumBoards } from '#loadgen/worker-board.ts';

const MAX = 1_000_000;

function find(capacityPerS: number, startPerS: number, by: 'broken' | 'late' = 'broken') {
  const search = new RateSearch(startPerS, MAX);
  while (!search.isDone) search.tell(search.ratePerS <= capacityPerS ? 'held' : by, 0);
  return search.result();
}

test('the search ends within 8 % under any capacity, from any start, in few steps', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: MAX }), fc.integer({ min: 1, max: MAX }), (at, from) => {
      const { ratePerS, steps, limitedBy } = find(at, from);
      assert.ok(ratePerS <= at && ratePerS * 1.1 >= at, `${ratePerS} of ${at}`);
      assert.ok(steps.length <= 30);
      assert.equal(limitedBy, ratePerS === MAX ? 'rate-max' : 'rule');
    }),
  );
});

test('nothing holds: rate 0; the generator was the limit: it says so', () => {
  assert.equal(find(0, 500).ratePerS, 0);
  assert.equal(find(5000, 500, 'late').limitedBy, 'generator');
  assert.equal(find(MAX, 500).limitedBy, 'rate-max');
});

test('the driver judges each rate by its own seconds, and lets the backlog go in between', () => {
  const capacityPerS = 3000;
  let ratePerS = 0;
  const driver = new SearchDriver({
    rule: parseThreshold('p50 < 50ms'),
    startPerS: 1000,
    rateMaxPerS: MAX,
    settleTicks: 1,
    stepTicks: 3,
    latenessUsMax: 10_000,
    setRate(rate) {
      ratePerS = rate;
      return true;
    },
  });
  ratePerS = driver.ratePerS;
  const counts = sumBoards([createBoard()]);
  let queue = 0;
  for (let second = 0; second < 500 && !driver.isDone; second++) {
    const timings = createTimings();
    const arrived = Math.min(capacityPerS, queue + ratePerS);
    queue += ratePerS - arrived;
    counts.planned += ratePerS;
    counts.sent += ratePerS;
    counts.received += arrived;
    const us = 1000 + (queue / capacityPerS) * 1e6;
    for (let i = 0; i < arrived; i += 10) timings.latency.record(us);
    for (let i = 0; i < ratePerS; i += 10) timings.lateness.record(50);
    driver.tick({ ...counts }, timings, second * 1e6);
  }
  const { ratePerS: found, limitedBy } = driver.result();
  assert.ok(found <= capacityPerS && found > capacityPerS * 0.85, `${found}`);
  assert.equal(limitedBy, 'rule');
});

test('a step that came to half of its rate is late, however late the few were', () => {
  for (const [plannedRatioMin, limitedBy] of [
    [0.8, 'generator'],
    [undefined, 'rate-max'],
  ] as const) {
    const driver = new SearchDriver({
      ...{ rule: parseThreshold('p50 < 1s'), startPerS: 1000, rateMaxPerS: MAX, settleTicks: 1 },
      ...{ stepTicks: 1, latenessUsMax: 1e9, setRate: () => true },
      ...(plannedRatioMin === undefined ? {} : { plannedRatioMin }),
    });
    const counts = sumBoards([createBoard()]);
    for (let second = 0; second < 200 && !driver.isDone; second++) {
      const timings = createTimings();
      const came = Math.min(20_000, driver.ratePerS);
      for (const name of ['planned', 'sent', 'received'] as const) counts[name] += came;
      for (let i = 0; i < 100; i++) timings.latency.record(1000);
      driver.tick({ ...counts }, timings, second * 1e6);
    }
    const found = driver.result();
    assert.equal(found.limitedBy, limitedBy);
    if (plannedRatioMin !== undefined) assert.ok(found.ratePerS <= 27_300, `${found.ratePerS}`);
  }
});

test('a rate that broke for one step is tried again where that is wanted, and counts once', () => {
  for (const retriesMax of [0, 1]) {
    const driver = new SearchDriver({
      ...{ rule: parseThreshold('p50 < 50ms'), startPerS: 1000, rateMaxPerS: 8000, retriesMax },
      ...{ settleTicks: 1, stepTicks: 1, latenessUsMax: 1e9, setRate: () => true },
    });
    const counts = sumBoards([createBoard()]);
    const seen = new Map<number, number>();
    for (let tick = 0; tick < 500 && !driver.isDone; tick++) {
      const times = (seen.get(driver.ratePerS) ?? 0) + 1;
      seen.set(driver.ratePerS, times);
      const timings = createTimings();
      // Its settling and its step: the host stalls the first time that 4,000/s are tried.
      const us = driver.ratePerS === 4000 && times <= 2 ? 900_000 : 1000;
      for (let i = 0; i < 100; i++) timings.latency.record(us);
      driver.tick({ ...counts }, timings, tick * 1e6);
    }
    const { ratePerS, steps } = driver.result();
    assert.equal(ratePerS === 8000, retriesMax === 1, `${ratePerS}`);
    assert.equal(steps.filter((step) => step.ratePerS === 4000).length, 1);
  }
});
