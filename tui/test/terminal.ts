// A terminal for tests: xterm's own emulator without a window, fed by a real pty in which a real program
// runs, or by bytes. What it shows is read cell by cell.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { ROOT } from '#test/command.ts';

const WAIT_MS = 15_000;

/** An emulated screen. */
export class EmulatedScreen {
  readonly terminal: InstanceType<typeof xterm.Terminal>;

  constructor(cols: number, rows: number) {
    this.terminal = new xterm.Terminal({ cols, rows, allowProposedApi: true, scrollback: 0 });
  }

  write(bytes: string): Promise<void> {
    return new Promise((resolve) => this.terminal.write(bytes, resolve));
  }

  /** The rows of the screen, spaces at their ends cut. */
  lines(): string[] {
    const { active } = this.terminal.buffer;
    return Array.from(
      { length: this.terminal.rows },
      (_, y) =>
        active
          .getLine(active.baseY + y)
          ?.translateToString(true)
          .trimEnd() ?? '',
    );
  }

  text(): string {
    return this.lines().join('\n');
  }

  /** 'alternate' while a full-screen program holds the terminal. */
  get bufferType(): 'normal' | 'alternate' {
    return this.terminal.buffer.active.type;
  }
}

/** `wsar top` (or any wsar command) in a pty. */
export class PtyCommand extends EmulatedScreen {
  readonly pty: IPty;
  /** Everything the program wrote. */
  output = '';
  readonly #exit: Promise<number>;
  #onChange: (() => void)[] = [];

  constructor(
    t: TestContext,
    args: string[],
    options: { cols: number; rows: number; env?: Record<string, string> },
  ) {
    super(options.cols, options.rows);
    const { WSAR_BUS_URL: _, NO_COLOR: __, ...env } = process.env;
    this.pty = spawn(join(ROOT, 'bin', 'wsar'), args, {
      cols: options.cols,
      rows: options.rows,
      env: {
        ...(env as Record<string, string>),
        TERM: 'xterm-256color',
        LANG: 'C.UTF-8',
        LC_ALL: 'C.UTF-8',
        ...options.env,
      },
    });
    this.pty.onData((data) => {
      this.output += data;
      void this.write(data).then(() => {
        for (const callback of this.#onChange) callback();
      });
    });
    this.#exit = new Promise((resolve) => {
      this.pty.onExit(({ exitCode, signal }) => resolve(signal ? 128 + signal : exitCode));
    });
    t.after(() => {
      try {
        process.kill(this.pty.pid, 'SIGKILL');
      } catch {
        // It has ended, as it should.
      }
    });
  }

  press(keys: string): void {
    this.pty.write(keys);
  }

  /** Closes the terminal under the program, as a lost ssh connection does. */
  hangUp(): void {
    (this.pty as unknown as { destroy(): void }).destroy();
  }

  resize(cols: number, rows: number): void {
    this.terminal.resize(cols, rows);
    this.pty.resize(cols, rows);
  }

  /** Resolves with the match when the screen shows `pattern`; rejects with the screen when it does not in time. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    await this.#until(() => pattern.test(this.text()), String(pattern));
    return pattern.exec(this.text())!;
  }

  /** Resolves when the terminal shows its normal or its alternate buffer. */
  async buffer(type: 'normal' | 'alternate'): Promise<void> {
    await this.#until(() => this.bufferType === type, `the ${type} buffer`);
  }

  /** Resolves when the program has stopped itself, as a shell learns it from waitpid: a SIGCONT before that is lost. */
  async stopped(): Promise<void> {
    const abort = AbortSignal.timeout(WAIT_MS);
    // State T stands behind the name, which is in parentheses: proc_pid_stat(5).
    while (!/\) T /.test(readFileSync(`/proc/${this.pty.pid}/stat`, 'latin1'))) {
      if (abort.aborted) throw new Error(`the program did not stop; it shows:\n${this.text()}`);
      await delay(5);
    }
  }

  /** Resolves with the exit code; rejects when the program does not end in time. */
  async exit(): Promise<number> {
    const late = once(AbortSignal.timeout(WAIT_MS), 'abort').then(() => {
      throw new Error(`the program did not end; it shows:\n${this.text()}`);
    });
    const code = await Promise.race([this.#exit, late]);
    // What was written last may still be on its way through the emulator.
    await this.write('');
    return code;
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    const abort = AbortSignal.timeout(WAIT_MS);
    while (!holds()) {
      if (abort.aborted) throw new Error(`${what} is not on the screen:\n${this.text()}`);
      await this.#changed(abort);
    }
  }

  #changed(abort: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#onChange = this.#onChange.filter((callback) => callback !== done);
        abort.removeEventListener('abort', done);
        resolve();
      };
      this.#onChange.push(done);
      abort.addEventListener('abort', done);
    });
  }
}
