// The small form of bench:backlog: a backlog leaves nothing on the heap, all of it comes, and its drain is foretold.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const skip =
  needPrograms('taskset') ||
  skipUnless(chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'], 'see wsar doctor');

test('bench:backlog --small: 40,000 queued messages, off the heap, drained as predicted', {
  skip,
}, async () => {
  const bench = join(ROOT, 'scripts/bench/backlog.bench.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [bench, '--small', '--json']);
  const figures = JSON.parse(stdout);
  assert.equal(figures.queued, 40_000);
  // A JavaScript object for each would be 4 MB at the least; compiled code and garbage of the moment are in this.
  assert.ok(figures.heap_growth_bytes < 6_000_000, stdout);
  assert.ok(figures.predictions > 0, stdout);
  // Ten per cent on a machine of one's own (see docs/decisions/0020); this one is shared.
  assert.ok(figures.drain_error_median < 0.4, stdout);
});
