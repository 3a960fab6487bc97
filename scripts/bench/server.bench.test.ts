// The small form of bench:server: every broker carries every load, every figure is there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const skip =
  needPrograms('taskset', 'mosquitto') ||
  skipUnless(chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'], 'see wsar doctor');

test('bench:server --small: ring, ring-1ms, net, mosquitto and aedes side by side, every figure measured', {
  skip,
}, async () => {
  const bench = join(ROOT, 'scripts/bench/server.bench.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [bench, '--small', '--json']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map((row) => row.server),
    ['ring', 'ring-1ms', 'net', 'mosquitto', 'aedes'],
  );
  for (const row of rows) {
    for (const qos of ['qos0', 'qos1']) {
      for (const load of ['1000', 'saturated', 'chained']) {
        assert.ok(row.cpu_us[`${qos}@${load}`] > 0, `${row.server} ${qos} ${load}`);
        assert.ok(row.latency_p99_us[`${qos}@${load}`] > 0);
      }
    }
    assert.ok(row.fan_cpu_us['1'] > 0 && row.fan_cpu_us['10'] > 0, `${row.server} fan-out`);
    assert.ok(row.logins_per_s > 0 && row.drain_per_s > 0 && row.drain_cpu_us > 0);
  }
});
