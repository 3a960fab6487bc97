// A part of the lab: a child process with a real `wsar` command line, a log and a lifeline. The lab holds
// the write end of its stdin, so that it ends with the lab even when the lab was killed with SIGKILL.
//
// It gets a process group of its own: a Ctrl-C at the terminal reaches the lab alone, which then ends the
// parts in order. Whatever it prints goes to its log (bounded), and the last words are kept for a sentence.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';

export type PartName = 'store' | 'server' | 'collector' | 'load';

export interface PartOptions {
  name: PartName;
  /** Program and arguments. */
  command: readonly string[];
  env: NodeJS.ProcessEnv;
  logFile: string;
}

/** How a part ended: an exit code, or the signal that killed it. */
export interface PartExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Part {
  readonly name: PartName;
  readonly pid: number;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<PartExit>;
  /** How it ended, once it has. */
  readonly exit: PartExit | undefined;
  /** True once `stop` was called: its end is then no loss. */
  readonly isStopping: boolean;
  /** Resolves with the first match of `pattern` in stdout; rejects when the part ends or `timeoutMs` passes. */
  line(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray>;
  /** The last sentence it said on stderr; '' when it said nothing. */
  lastWords(): string;
  /** The last line of stdout that it ended; '' when there was none. */
  lastLine(): string;
  /** Asks it to end (SIGTERM) and kills it after `graceMs`; resolves when it is gone. */
  stop(graceMs: number): Promise<PartExit>;
}

const TAIL_CHARACTERS_MAX = 64 * 1024;
const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** @throws WsarError WSAR_ERR_SYSTEM when the process cannot be started. */
export async function startPart(options: PartOptions): Promise<Part> {
  const [program, ...args] = options.command;
  const child = spawn(program!, args, {
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) =>
      reject(
        new WsarError(
          'WSAR_ERR_SYSTEM',
          `the ${options.name} could not be started: ${error.message}`,
          'check the limits on processes and memory (wsar doctor)',
          error,
        ),
      ),
    );
  });
  return new ChildPart(options, child);
}

class ChildPart implements Part {
  readonly name: PartName;
  readonly pid: number;
  readonly exited: Promise<PartExit>;
  isStopping = false;
  exit: PartExit | undefined;
  readonly #child: ChildProcess;
  readonly #log: number;
  #logBytes = 0;
  #stdout = '';
  #stderr = '';
  #onOutput: (() => void)[] = [];

  constructor(options: PartOptions, child: ChildProcess) {
    this.name = options.name;
    this.pid = child.pid!;
    this.#child = child;
    this.#log = openSync(options.logFile, 'a', 0o600);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-TAIL_CHARACTERS_MAX);
      this.#write(text);
      for (const wake of this.#onOutput.splice(0)) wake();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-TAIL_CHARACTERS_MAX);
      this.#write(text);
    });
    // The lifeline: writing never happens, and its error (the part went first) is told by 'close'.
    child.stdin!.on('error', () => {});
    this.exited = new Promise((resolve) => {
      // 'close' and not 'exit': what the part said last has then been read.
      child.once('close', (code, signal) => {
        this.exit = { code, signal };
        closeSync(this.#log);
        for (const wake of this.#onOutput.splice(0)) wake();
        resolve(this.exit);
      });
    });
  }

  async line(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      for (const wake of this.#onOutput.splice(0)) wake();
    }, timeoutMs);
    try {
      for (;;) {
        const match = pattern.exec(this.#stdout);
        if (match !== null) return match;
        if (this.exit !== undefined) throw this.#notReady(describeExit(this.exit));
        if (isLate) throw this.#notReady(`it was not ready within ${timeoutMs / 1000} s`);
        await new Promise<void>((resolve) => this.#onOutput.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  lastWords(): string {
    const lines = this.#stderr.trim().split('\n');
    // Of a crash the sentence counts, not the end of its stack.
    const last = lines.findLast((line) => line.startsWith('wsar: ')) ?? lines.at(-1) ?? '';
    return sentenceOf(last.trim());
  }

  lastLine(): string {
    return this.#stdout.trimEnd().split('\n').at(-1) ?? '';
  }

  async stop(graceMs: number): Promise<PartExit> {
    this.isStopping = true;
    if (this.exit !== undefined) return this.exit;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(timer);
    }
  }

  #write(text: string): void {
    if (this.#logBytes > LOG_BYTES_MAX) return;
    this.#logBytes += text.length;
    const isFull = this.#logBytes > LOG_BYTES_MAX;
    try {
      writeSync(this.#log, isFull ? '\n[the log is full, the rest is left out]\n' : text);
    } catch {
      // A full disk must not end the run: the log is for people, the rows go elsewhere.
    }
  }

  #notReady(reason: string): WsarError {
    const words = this.lastWords();
    return new WsarError(
      'WSAR_ERR_UNREACHABLE',
      `the ${this.name} did not start: ${reason}${words === '' ? '' : `, it said "${words}"`}`,
      'its log is in the folder of the run',
    );
  }
}

/** What a part with --json said for a program, as it says it to people. */
function sentenceOf(line: string): string {
  if (!line.startsWith('{"error":')) return line;
  try {
    const { message, hint } = JSON.parse(line).error;
    return `wsar: ${message}; ${hint}`;
  } catch {
    return line; // Cut off in its middle.
  }
}

/** 'it ended with exit code 3', 'it was killed by SIGKILL'. */
export function describeExit({ code, signal }: PartExit): string {
  return signal === null ? `it ended with exit code ${code}` : `it was killed by ${signal}`;
}
