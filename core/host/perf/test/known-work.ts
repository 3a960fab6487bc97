// Starts known-work.c for a test.

import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, watchProcess } from '#test/command.ts';

const SOURCE = fileURLToPath(new URL('./known-work.c', import.meta.url));

export interface KnownWork {
  pid: number;
  /** Has it done and waits until it sleeps again, so that nothing more happens in it. */
  work(what: 'syscalls' | 'faults' | 'sleeps' | 'threads', count: number): Promise<void>;
  /** Ends it and waits for that. */
  end(): Promise<void>;
}

export async function startKnownWork(t: TestContext): Promise<KnownWork> {
  const program = join(temporaryFolder(t), 'known-work');
  execFileSync('gcc', ['-O1', '-pthread', '-o', program, SOURCE]);
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => void child.kill('SIGKILL'));
  const running = watchProcess(child);
  let answers = 0;
  await running.line(/ready/);
  await asleep(child.pid!);
  return {
    pid: child.pid!,
    async work(what, count) {
      answers++;
      child.stdin.write(`${what} ${count}\n`);
      await running.line(new RegExp(`(done\\s+){${answers}}`));
      await asleep(child.pid!);
    },
    async end() {
      child.stdin.end();
      await running.exit();
    },
  };
}

/** Waits until the process sleeps: it has gone back to reading its stdin. */
async function asleep(pid: number): Promise<void> {
  for (;;) {
    const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
    if (state === 'S') return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
