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

/** Bursts of other tests at either end of the three seconds are no mistake of meaning; they do not come three times. */
const TRIES = 3;

test('bench:live --small: sar, mpstat, vmstat, pidstat and nstat say what we say', {
  skip: needPrograms('sar', 'mpstat', 'vmstat', 'pidstat', 'nstat'),
}, async () => {
  const bench = join(ROOT, 'scripts/bench/collector-live.bench.ts');
  let differing: string[] = [];
  for (let i = 0; i < TRIES; i++) {
    // It exits with 1 when something differs.
    const { stdout } = await run(process.execPath, [bench, '--small', '--json']).catch(
      (error) => error as { stdout: string },
    );
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(rows.length >= 30, stdout);
    differing = rows
      .filter(({ isWithin }) => !isWithin)
      .map(({ tool, what, ours, theirs }) => `${tool} ${what}: ours ${ours}, theirs ${theirs}`);
    if (differing.length === 0) return;
  }
  assert.fail(differing.join('\n'));
});
