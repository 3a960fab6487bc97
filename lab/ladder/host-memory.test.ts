import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFreeBytes } from '#core/host/free-memory.ts';
import { readHostMemory, SlabRest } from '#lab/ladder/host-memory.ts';
import { temporaryFolder } from '#test/command.ts';

test('a ladder has as much free memory as server and generator: within its control group', (t) => {
  const [proc, groups] = [temporaryFolder(t), temporaryFolder(t)];
  assert.deepEqual(readHostMemory(proc, groups), { freeBytes: null, slabBytes: null });
  const host = ['MemFree: 3000 kB', 'MemAvailable: 8000 kB', 'Inactive(file): 500 kB'];
  writeFileSync(join(proc, 'meminfo'), [...host, 'Slab: 7 kB', ''].join('\n'));
  assert.deepEqual(readHostMemory(proc, groups), { freeBytes: 3500 * 1024, slabBytes: 7 * 1024 });
  mkdirSync(join(proc, 'self'));
  writeFileSync(join(proc, 'self/cgroup'), '0::/box\n');
  mkdirSync(join(groups, 'box'));
  writeFileSync(join(groups, 'box/memory.max'), '1000000\n');
  writeFileSync(join(groups, 'box/memory.current'), '900000\n');
  assert.equal(readHostMemory(proc, groups).freeBytes, 100_000);
  assert.equal(readHostMemory(proc, groups).freeBytes, readFreeBytes(proc, groups));
});

test('the slabs are still when they have not fallen for five looks', () => {
  const rest = new SlabRest();
  const told = [3000, 2500, 2000, 1500, 1010, 1002, 1001, 1000, 1000, 1000, 1000].map((bytes) =>
    rest.isStill(bytes),
  );
  assert.equal(told.indexOf(true), 10);
  assert.equal(rest.isStill(1100), true);
  assert.equal(new SlabRest().isStill(null), true);
});
