import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryPressure } from '#reference-server/home/memory-pressure.ts';
import { createWorkerStats, STAT } from '#reference-server/statistics/worker-stats.ts';

test('refused from 60 % of the budget on, until it is less than 50 %, each time counted', () => {
  const stats = createWorkerStats();
  let used = 0;
  const memory = new MemoryPressure(1000, () => used, stats);
  const cases = [500, 599, 600, 550, 500, 499, 599, 600];
  const refused = cases.map((bytes) => {
    used = bytes;
    return memory.refuses();
  });
  assert.deepEqual(refused, [false, false, true, true, true, false, false, true]);
  assert.equal(stats[STAT.memoryRefused], 4);
});

test('a host that was short leaves nothing behind: half of the budget in use is refused by neither', () => {
  const memory = new MemoryPressure(1000, () => 550, createWorkerStats());
  memory.isHostShort = true;
  assert.equal(memory.refuses(), true);
  memory.isHostShort = false;
  assert.equal(memory.refuses(), false);
});

test('without a budget only the host counts', () => {
  const memory = new MemoryPressure(0, () => 1e12, createWorkerStats());
  assert.equal(memory.refuses(), false);
  memory.isHostShort = true;
  assert.equal(memory.refuses(), true);
});
