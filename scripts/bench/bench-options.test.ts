// A bench refuses what it does not know, and --help runs nothing.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { count, flag, readBenchOptions, text, words } from '#scripts/bench/bench-options.ts';
import { ROOT } from '#scripts/source-tree.ts';

const OPTIONS = {
  small: flag('small'),
  only: words('what', ['idle', 'fan', 'drain']),
  rounds: count('rounds', 3),
  target: text('URL', 'where'),
};
const read = (...args: string[]): unknown => readBenchOptions('bench:x', OPTIONS, args);
const LIST = '--small, --only LIST, --rounds N, --target URL and --help';

test('values of a bench come as --name value and --name=value, and have defaults', () => {
  const without = { small: false, only: ['idle', 'fan', 'drain'], rounds: 3, target: undefined };
  assert.deepEqual(read(), { values: without });
  const given = { small: true, only: ['idle', 'drain'], rounds: 5, target: 'mqtt://x' };
  const args = ['--small', '--only', 'drain,idle', '--rounds=5', '--target', 'mqtt://x'];
  assert.deepEqual(read(...args), { values: given });
});

test('what a bench does not know is refused with one sentence', () => {
  const refused: [string[], string][] = [
    [['--smal'], `there is no option --smal; there are ${LIST}`],
    [['--toString'], `there is no option --toString; there are ${LIST}`],
    [['-s'], `there is no option -s; there are ${LIST}`],
    [['idle'], `'idle' is no option; there are ${LIST}`],
    [['--only'], '--only needs a value: LIST'],
    [['--only', 'idle,fam'], "--only: there is no 'fam'; there are idle, fan, drain"],
    [['--rounds=0'], "--rounds: '0' is no whole number from 1 on"],
    [['--small=yes'], '--small takes no value'],
  ];
  for (const [args, why] of refused) {
    assert.deepEqual(read(...args), { say: `bench:x: ${why}`, exit: 2 }, args.join(' '));
  }
});

test('every bench answers --help at once and refuses an unknown option', async () => {
  const folder = join(ROOT, 'scripts/bench');
  // aedes.bench.ts is no bench of its own but the broker that bench:server starts.
  const benches = readdirSync(folder).filter((file) => /^(?!aedes).*\.bench\.ts$/.test(file));
  assert.ok(benches.length >= 11, benches.join());
  const run = promisify(execFile);
  for (const bench of benches) {
    const { stdout, stderr } = await run(process.execPath, [join(folder, bench), '--help']);
    assert.match(stdout, /^npm run [\w:-]+ \[-- OPTIONS\]\n\n( {2}--.*\n)+$/, bench);
    assert.equal(stderr, '', bench);
    await assert.rejects(run(process.execPath, [join(folder, bench), '--no-such']), (error) => {
      const { code, stdout, stderr } = error as unknown as Record<string, unknown>;
      assert.deepEqual([code, stdout], [2, ''], bench);
      assert.match(
        String(stderr),
        /^[\w:-]+: there is no option --no-such; there are --.* and --help\n$/,
      );
      return true;
    });
  }
});
