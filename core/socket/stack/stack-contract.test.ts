// Engine stack under the contract tests of every engine: who connects is a stack, who listens is the kernel's.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { stackObstacle } from '#core/socket/stack/test/own-namespace.ts';

const FOLDER = join(import.meta.dirname, '..');
const CASES_MIN = 30;
/** What is not asked of a stack. */
const NOT_ASKED = [
  'one reactor may be both ends', // It cannot listen.
  'source address and port are as asked', // These are of 127.0.0.0/8; stack-kernel.test.ts has its own.
  'a window of source ports',
  'a message of nothing', // Bytes count as sent when they are acknowledged, here 40 ms later.
  'onTurn is called again', // Neither connects nor listens: the subject would be no engine at all.
  'what a handler throws', // In onConnect, before the kernel has the acknowledgement: it accepts nobody.
];

test('what holds for every engine holds for engine stack', { skip: stackObstacle() }, () => {
  const files = ['close', 'connect', 'deadline', 'echo', 'output', 'receive'];
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      ...['--test', '--test-reporter=tap', '--test-concurrency=1', '--test-timeout=60000'],
      ...NOT_ASKED.map((name) => `--test-skip-pattern=${name}`),
      ...files.map((file) => join(FOLDER, `${file}.test.ts`)),
    ],
    { encoding: 'utf8', env: { ...env, WSAR_TEST_ENGINE: 'stack' } },
  );
  assert.equal(status, 0, stdout);
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1]);
  assert.ok(passed >= CASES_MIN, `${passed} cases`);
});
