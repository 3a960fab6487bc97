// The figures of a queue: the vector of the seed, steady and changing rates, empty, never empty, wrapped counters.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayS, drainS, QueueFlow } from '#reference-server/statistics/queue-flow.ts';

test('the seed: 600,000 queued, 40,000/s out, 25,366/s in: delay 15.0 s, drain 41.0 s', () => {
  assert.equal(delayS(600_000, 40_000).toFixed(1), '15.0');
  assert.equal(drainS(600_000, 25_366, 40_000).toFixed(1), '41.0');
});

test('the same over time: rates as measured, the length falls as predicted, and it is empty when it said', () => {
  const flow = new QueueFlow();
  let length = 600_000 + 5 * 14_634;
  let enqueued = 0;
  let dequeued = 0;
  flow.observe({ length, enqueued, dequeued, oldestAgeS: 0 }, 0);
  for (let second = 1; second <= 5; second++) {
    enqueued += 25_366;
    dequeued += 40_000;
    length -= 14_634;
    flow.observe({ length, enqueued, dequeued, oldestAgeS: 15 }, 1);
  }
  const { report } = flow;
  assert.equal(report.length, 600_000);
  for (const rate of report.enqueuePerS) assert.ok(Math.abs(rate - 25_366) < 1e-6);
  for (const rate of report.dequeuePerS) assert.ok(Math.abs(rate - 40_000) < 1e-6);
  assert.equal(report.delayS.toFixed(1), '15.0');
  assert.equal(report.drainS.toFixed(1), '41.0');
  assert.equal(report.oldestAgeS, 15);
  assert.equal(report.highWater, 600_000 + 5 * 14_634);
});

test('a queue that does not shrink is never empty; an empty one is now; nothing known is NaN', () => {
  assert.equal(drainS(10, 5, 5), Number.POSITIVE_INFINITY);
  assert.equal(drainS(10, 6, 5), Number.POSITIVE_INFINITY);
  assert.equal(drainS(0, 6, 5), 0);
  assert.equal(delayS(0, 0), 0);
  assert.equal(delayS(10, 0), Number.POSITIVE_INFINITY);
  const flow = new QueueFlow();
  flow.observe({ length: 7, enqueued: 7, dequeued: 0, oldestAgeS: 1 }, 0);
  assert.ok(Number.isNaN(flow.report.drainS) && Number.isNaN(flow.report.delayS));
});

test('counters that wrap at 2^32 give no jump', () => {
  const flow = new QueueFlow();
  flow.observe({ length: 1, enqueued: 2 ** 32 - 10, dequeued: 5, oldestAgeS: 0 }, 0);
  flow.observe({ length: 1, enqueued: 90, dequeued: 105, oldestAgeS: 0 }, 1);
  assert.equal(flow.report.enqueuePerS[0], 100);
  assert.equal(flow.report.dequeuePerS[0], 100);
});

test('the end of a burst does not spoil the prediction for longer than five seconds', () => {
  const flow = new QueueFlow();
  let enqueued = 0;
  let dequeued = 0;
  const observe = (inPerS: number, outPerS: number): void => {
    enqueued += inPerS;
    dequeued += outPerS;
    flow.observe({ length: enqueued - dequeued, enqueued, dequeued, oldestAgeS: 0 }, 1);
  };
  for (let second = 0; second < 20; second++) observe(50_000, 0);
  assert.equal(flow.report.drainS, Number.POSITIVE_INFINITY);
  for (let second = 0; second < 8; second++) observe(0, 20_000);
  const left = enqueued - dequeued;
  assert.ok(Math.abs(flow.report.drainS / (left / 20_000) - 1) < 0.05, `${flow.report.drainS} s`);
});
