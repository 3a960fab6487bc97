// The small form of bench:ticks: whatever ticks were missed under busy loops and a SIGSTOP, none is unspoken of.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '#scripts/source-tree.ts';

const skip = existsSync('/proc/stat') ? false : 'this host has no Linux /proc';

test('bench:ticks --small: every tick is a row or inside a gap, and rates span the gap', {
  skip,
}, async () => {
  const bench = join(ROOT, 'scripts/bench/collector-ticks.bench.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [bench, '--small', '--json']);
  const result = JSON.parse(stdout);
  assert.equal(result.unmarked, 0);
  assert.ok(result.missedByStop >= 1, 'two seconds without a process are at least a tick');
  assert.ok(result.intervalUsAfterStop >= 1.5e6, stdout);
  assert.ok(result.isRateAfterStopBetween, stdout);
});
