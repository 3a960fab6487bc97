// The small form of bench:collector: everything that is installed is measured, at few and at more sockets.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '#scripts/source-tree.ts';

const skip = existsSync('/proc/net/sockstat') ? false : 'this host has no Linux /proc';

test('bench:collector --small: ours and what is installed, before and after 2,000 sockets', {
  skip,
}, async () => {
  const bench = join(ROOT, 'scripts/bench/collector.bench.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [bench, '--small', '--json']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const ours = rows.filter(({ name }) => name === 'wsar --detail');
  assert.equal(ours.length, 2, stdout);
  const [few, more] = ours;
  assert.ok(few.opened === 0 && more.opened >= 1980, `${few.opened} -> ${more.opened}`);
  for (const { name, cpuUsPerSample, rssBytes } of rows) {
    assert.ok(cpuUsPerSample >= 0 && rssBytes > 0, name);
  }
});
