// The small form of bench:live: ours and five other tools over the same three seconds. Ends and beginnings of the tools
// are tens of milliseconds apart, which is much of three seconds; so this is for mistakes of meaning, not for
// digits. Digits are in collector/sar-replay.test.ts and in the long form.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '#scripts/source-tree.ts';
import { needPrograms } from '#test/foreign-part.ts';

const run = promisify(execFile);

test('bench:live --small: sar, mpstat, vmstat, pidstat and nstat say what we say', {
  skip: needPrograms('sar', 'mpstat', 'vmstat', 'pidstat', 'nstat'),
}, async () => {
  const bench = join(ROOT, 'scripts/bench/collector-live.bench.ts');
  const { stdout } = await run(process.execPath, [bench, '--small', '--json']);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.ok(rows.length >= 30, stdout);
  for (const { tool, what, ours, theirs, isWithin } of rows) {
    assert.ok(isWithin, `${tool} ${what}: ours ${ours}, theirs ${theirs}`);
  }
});
