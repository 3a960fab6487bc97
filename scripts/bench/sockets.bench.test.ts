// The small form of bench:sockets: every server echoes, every figure is there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const skip =
  needPrograms('taskset', 'cc') ||
  skipUnless(chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'], 'see wsar doctor');

test('bench:sockets --small: ring, epoll, net and C side by side, every figure measured', {
  skip,
}, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(ROOT, 'scripts/bench/sockets.bench.ts'),
    '--small',
    '--json',
  ]);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((row) => row.server),
    ['ring', 'epoll', 'net', 'c-epoll'],
  );
  for (const row of rows) {
    assert.ok(row.echoes_per_s > 0 && row.echo_cpu_us >= 0, JSON.stringify(row));
    assert.equal(row.idle_connections, 1000);
    assert.ok(row.connects_per_s > 0);
  }
});
