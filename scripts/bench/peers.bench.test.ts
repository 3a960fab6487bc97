// The small form of bench:peers: every broker that is installed carries every load, every figure is there, and
// nothing that was started is left.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { type PeerName, versionOf } from '#scripts/bench/server-peers.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { temporaryFolder } from '#test/command.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const FOREIGN: readonly PeerName[] = ['mosquitto', 'rabbitmq', 'ejabberd'];
const skip =
  needPrograms('taskset', 'setpriv') ||
  skipUnless(chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'], 'see wsar doctor');

test('bench:peers --small: all brokers that are there side by side, every figure measured, nothing left', {
  skip,
}, async (t) => {
  const missing = FOREIGN.filter((name) => versionOf(name) === undefined);
  const reason = skipUnless(missing, 'the others are measured');
  if (reason !== false) t.diagnostic(reason);
  const bench = join(ROOT, 'scripts/bench/peers.bench.ts');
  const scratch = temporaryFolder(t);
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [bench, '--small', '--json'],
    { env: { ...process.env, TMPDIR: scratch } },
  );
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const all: PeerName[] = ['ring', 'epoll', 'net', ...FOREIGN, 'aedes'];
  assert.deepEqual(
    rows.map((row) => row.server),
    all.filter((name) => !missing.includes(name)),
  );
  for (const name of missing) assert.match(stderr, new RegExp(`${name} is not installed`));
  for (const row of rows) {
    assert.ok(row.version.length > 0 && row.settings.length > 0, row.server);
    for (const qos of ['qos0', 'qos1']) {
      for (const load of ['500', 'saturated']) {
        assert.ok(row.cpu_us[`${qos}@${load}`] > 0, `${row.server} ${qos} ${load}`);
        assert.ok(row.latency_p99_us[`${qos}@${load}`] > 0);
      }
    }
    assert.ok(row.fan_cpu_us['1'] > 0 && row.fan_cpu_us['10'] > 0, `${row.server} fan-out`);
    assert.ok(row.logins_per_s > 0 && row.drain_per_s > 0 && row.drain_cpu_us > 0);
    assert.ok(Number.isFinite(row.idle_session_bytes));
    assert.ok(row.limit_per_s > 0 && row.half_limit_cpu_us > 0, `${row.server} limit`);
  }
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name.startsWith('wsar-')),
    [],
  );
  assert.deepEqual(processesThatName(scratch), []);
});

/** Ids of processes whose command line or environment names the folder. */
function processesThatName(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return ['cmdline', 'environ'].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(folder),
      );
    } catch {
      return false; // It ended, or is somebody else's.
    }
  });
}
