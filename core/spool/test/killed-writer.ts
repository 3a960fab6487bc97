// A process that writes without end, tells what it wrote, and is killed in the middle of it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { ROOT } from '#test/command.ts';

/**
 * Runs a module that prints the number of each thing it has written, a line each; kills it (SIGKILL) after
 * `lines` of them. Returns the last number that was printed whole.
 */
export async function killedAfter(t: TestContext, lines: number, script: string): Promise<number> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  t.after(() => void child.kill('SIGKILL'));
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (told += text));
  const ended = once(child, 'close');
  while (told.split('\n').length < lines) await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await ended;
  return Number(told.slice(0, told.lastIndexOf('\n')).split('\n').at(-1));
}
