import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueDelayS, queueDrainS } from '#core/metric/queue-drain.ts';

test('the three rows that wsar printed in 2012 come out as they did: eight results', () => {
  const rows = [
    { length: 606_770, dequeued: 40_273, delay: 15, fill: [-14_644, -283], drain: [41, 2144] },
    { length: 367_643, dequeued: 46_443, delay: 7, fill: [-20_744, -7_557], drain: [17, 48] },
    { length: 159_169, dequeued: 48_105, delay: 3, fill: [-22_190], drain: [7] },
  ];
  for (const { length, dequeued, delay, fill, drain } of rows) {
    assert.equal(queueDelayS(length, dequeued), delay);
    assert.deepEqual(
      fill.map((perS) => queueDrainS(length, perS)),
      drain,
    );
  }
});

test('a queue that stands still or grows never drains, and an empty one is drained', () => {
  assert.ok(Number.isNaN(queueDrainS(10, 0)));
  assert.ok(Number.isNaN(queueDrainS(10, 5)));
  assert.ok(Number.isNaN(queueDelayS(10, 0)));
  assert.equal(queueDrainS(0, 5), 0);
  assert.equal(queueDelayS(0, 0), 0);
});

test('what is not known stays not known', () => {
  assert.ok(Number.isNaN(queueDelayS(Number.NaN, 5)));
  assert.ok(Number.isNaN(queueDrainS(10, Number.NaN)));
});
