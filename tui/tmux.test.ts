// The screen in tmux, where most people will have it: its terminal type is 'screen', it has no size until
// somebody looks, and it shows the alternate character set as letters when a program uses it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ROOT, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { LAB } from '#tui/test/recorded-lab.ts';
import { serveLab } from '#tui/test/served-lab.ts';

const WAIT_MS = 15_000;

interface Tmux {
  run(...args: string[]): string;
  /** Resolves with the pane when it shows `pattern`. */
  shows(pattern: RegExp): Promise<string>;
}

function startTmux(t: TestContext, cols: number, rows: number, command: string): Tmux {
  const socket = join(temporaryFolder(t), 'tmux');
  const run = (...args: string[]): string =>
    execFileSync('tmux', ['-S', socket, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  run('new-session', '-d', '-x', String(cols), '-y', String(rows), command);
  // By its id: its socket is gone with the test's folder.
  const server = Number(run('display-message', '-p', '#{pid}'));
  t.after(() => void process.kill(server, 'SIGTERM'));
  return {
    run,
    async shows(pattern) {
      const abort = AbortSignal.timeout(WAIT_MS);
      for (;;) {
        const pane = run('capture-pane', '-p');
        if (pattern.test(pane)) return pane;
        if (abort.aborted) throw new Error(`${pattern} is not in the pane:\n${pane}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
  };
}

test('in tmux at 120x36, resized to 80x24, a knob turned, quit with the shell back', {
  skip: needPrograms('tmux'),
}, async (t) => {
  const lab = await serveLab(t);
  const environment = `LC_ALL=C.UTF-8 WSAR_BUS_URL='${lab.url}' WSAR_LAB=${LAB}`;
  const wsar = join(ROOT, 'bin', 'wsar');
  const command = `${environment} ${wsar} top --control; echo "exit $?"; exec cat`;
  const tmux = startTmux(t, 120, 36, command);
  await tmux.shows(/STARTING/);
  lab.publishUntil(20);
  const full = await tmux.shows(/\[LIVE\] \[CONTROL\](.|\n)*3 connections/);
  assert.match(full, /^┌─ 1 sar, every 1 s ─+┐┌─ 2 decays ─+┐$/m);
  assert.equal(full.trimEnd().split('\n').length, 36);

  tmux.run('resize-window', '-x', '80', '-y', '24');
  const compact = await tmux.shows(/^┌─ 2 decays ─+┐$/m);
  for (const line of compact.trimEnd().split('\n')) assert.ok([...line].length <= 80, line);

  tmux.run('send-keys', 'Down', ']');
  await tmux.shows(/server\.write\.flush is immediate/);
  assert.equal(lab.knobs.get('write.flush'), 'immediate');

  tmux.run('send-keys', 'q');
  const after = await tmux.shows(/exit 0/);
  assert.doesNotMatch(after, /sar, every/);
});
