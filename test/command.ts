// Runs the real command line in a test: `bin/wsar` as a child process, with its own state folder.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export interface RunningCommand {
  child: ChildProcess;
  /** What was written so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves with the first match of `pattern` in stdout; rejects when the process ends without it. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves with the exit code (or 128 + n for a signal that ended it). */
  exit(): Promise<number>;
}

/** A folder of its own for one test, removed afterwards. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'wsar-test-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts `wsar <args>`; it is ended (SIGKILL, by its own id) when the test is over. */
export function startWsar(
  t: TestContext,
  args: string[],
  options: { env?: Record<string, string>; stdin?: 'ignore' | 'pipe' } = {},
): RunningCommand {
  const env = { ...process.env, WSAR_STATE_DIR: temporaryFolder(t), ...options.env };
  const child = spawn(join(ROOT, 'bin', 'wsar'), args, {
    env,
    stdio: [options.stdin ?? 'ignore', 'pipe', 'pipe'],
  });
  t.after(() => void child.kill('SIGKILL'));
  return watchProcess(child);
}

/** Wraps any child process with piped stdout and stderr. */
export function watchProcess(child: ChildProcess): RunningCommand {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close').then(([code, signal]) =>
    code === null ? 128 + constants.signals[signal as NodeJS.Signals] : (code as number),
  );
  closed.catch(() => {});
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    exit: () => closed,
    async line(pattern) {
      for (;;) {
        const match = pattern.exec(stdout);
        if (match !== null) return match;
        const more = child.stdout
          ? once(child.stdout, 'data').then(() => true)
          : closed.then(() => false);
        if (
          !(await Promise.race([more, closed.then(() => false)])) &&
          pattern.exec(stdout) === null
        ) {
          throw new Error(`process ended without ${pattern}; stdout: ${stdout} stderr: ${stderr}`);
        }
      }
    },
  };
}
