// The small form of bench:loadgen: every generator runs, every figure is there, every port plan fills its ports, the
// death of a host shows in its second, and the frozen server shows in ours as often as messages were due.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms } from '#test/foreign-part.ts';

const skip = needPrograms('mosquitto', 'mosquitto_pub', 'mosquitto_sub', 'wrk', 'tsung');

/** The rows of some tables, by name. */
async function benched(tables: string): Promise<(name: string) => Record<string, unknown>[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(ROOT, 'scripts/bench/loadgen.bench.ts'),
    ...['--small', '--json', '--only', tables],
  ]);
  const lines = stdout.trim().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return (name) => rows.filter((row) => row['table'] === name);
}

test('bench:loadgen --small: engines, cost of a message, and a frozen server', {
  skip,
}, async () => {
  const table = await benched('engines,message,frozen');
  assert.ok(table('engines').length >= 1);
  for (const row of table('engines')) {
    assert.equal(row['users'], 500, JSON.stringify(row));
    assert.ok(Number(row['logins_per_s']) > 0 && Number(row['cpu_us_per_message']) > 0);
  }
  assert.deepEqual(
    table('message').map((row) => row['tool']),
    ['wsar load', 'mosquitto_pub + _sub', 'tsung (sends only)'],
  );
  for (const row of table('message')) assert.ok(Number(row['cpu_us_per_message']) >= 0);
  const [mqtt, http, cannon, wrk] = table('frozen');
  assert.deepEqual(
    [mqtt?.['tool'], http?.['tool'], cannon?.['tool'], wrk?.['tool']],
    ['wsar load mqtt://', 'wsar load http://', 'autocannon -R', 'wrk'],
  );
  // A second at 200 a second: whoever was due in its first 95 % waited for more than 50 ms.
  assert.ok(Number(mqtt!['affected']) >= 170, JSON.stringify(mqtt));
  assert.ok(Number(mqtt!['max_ms']) > 900 && Number(wrk!['max_ms']) > 900);
});

test('bench:loadgen --small: logins by fill, plans of ports, and the death of a host', async () => {
  const table = await benched('fill,ports,hosts');
  for (const { users, logged_in, failed, step } of table('fill')) {
    assert.deepEqual([users, logged_in, failed], [3000, 3000, 0]);
    assert.ok(Number(step) > 0);
  }
  const plans = table('ports');
  for (const row of plans) assert.equal(row['failed'], 0, JSON.stringify(row));
  const deaths = table('hosts');
  assert.deepEqual(
    deaths.map(({ policy, exit, coverage, lost }) => [policy, exit, coverage, lost]),
    deaths.length === 0
      ? []
      : [
          ['degrade', 0, '3/4', 1],
          ['abort', 13, '3/4', 1],
        ],
  );
  for (const row of deaths) {
    assert.deepEqual(
      [row['in_before'], row['in_after'], row['left']],
      [100, 75, 0],
      JSON.stringify(row),
    );
    assert.ok(Number(row['seen_after_s']) <= 2);
  }
});
