// What the Tab key gives in bash, with the script that is printed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from '#core/cli/command-list.ts';
import { ROOT } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';

const BIN = join(ROOT, 'bin', 'wsar');

function wsar(...args: string[]) {
  return spawnSync(BIN, args, { encoding: 'utf8' });
}

test('bash completes commands and options', { skip: needPrograms('bash') }, () => {
  const { stdout, status } = wsar('completion', 'bash');
  assert.equal(status, 0);
  const complete = (...words: string[]): string[] => {
    const line = ['wsar', ...words].map((word) => `'${word}'`).join(' ');
    const asked = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _wsar; echo "\${COMPREPLY[@]}"`;
    const shell = spawnSync('bash', ['-c', `${stdout}${asked}`], { encoding: 'utf8' });
    assert.equal(shell.stderr, '');
    return shell.stdout.split(/\s+/).filter(Boolean);
  };
  assert.deepEqual(complete('').sort(), [...Object.keys(COMMANDS), 'help'].sort());
  assert.deepEqual(complete('pl'), ['plan-fleet']);
  assert.deepEqual(complete('help', 'ga'), ['gate']);
  assert.deepEqual(complete('serve', '--tls'), ['--tls-port']);
  assert.deepEqual(complete('serve', '-c').includes('-c'), true);
  assert.deepEqual(complete('1', '--open'), ['--openmetrics']);
  assert.deepEqual(complete('--ver'), ['--version']);
  assert.deepEqual(complete('run', 'lab/'), [], 'files are the business of the shell');
});

test('another shell is one sentence', () => {
  const { stdout, stderr, status } = wsar('completion', 'tcsh');
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^wsar: no script is known for the shell 'tcsh'; take bash .*\n$/);
});
