// The program that is started when an alert is raised, cleared or lost. It is started after the tick, not in it, and
// nobody waits for it: so many run at a time, some more wait, the rest is refused and counted; one that takes too long
// is killed with all it has started.
//
// It gets WSAR_ALERT_* in its environment and the event as one line of JSON on stdin. What it prints is dropped.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock } from '#core/clock/clock.ts';
import { childEnvironment, readLabEnvironment } from '#core/host/lab-environment.ts';

export interface AlertHookOptions {
  /** For `sh -c`. */
  command: string;
  clock: Clock;
  runningMax?: number;
  waitingMax?: number;
  timeoutMs?: number;
  /** Each failure, for a person. */
  talk: (text: string) => void;
}

export interface HookCounts {
  started: number;
  /** Ended with another exit code than 0, or could not be started. */
  failed: number;
  timedOut: number;
  /** Not started: too many ran and waited. */
  refused: number;
}

/** What is told: the text of each variable, and the object for stdin. */
export interface HookCall {
  variables: Record<string, string>;
  json: string;
}

const RUNNING_MAX = 4;
const WAITING_MAX = 16;
const TIMEOUT_MS = 10_000;
/** How long the end of the collector waits for what runs. */
const CLOSE_MS = 2000;

export class AlertHook {
  readonly counts: HookCounts = { started: 0, failed: 0, timedOut: 0, refused: 0 };
  readonly #options: Required<AlertHookOptions>;
  readonly #waiting: HookCall[] = [];
  readonly #running = new Set<ChildProcess>();
  #isScheduled = false;
  #onIdle: () => void = () => {};

  constructor(options: AlertHookOptions) {
    this.#options = {
      runningMax: RUNNING_MAX,
      waitingMax: WAITING_MAX,
      timeoutMs: TIMEOUT_MS,
      ...options,
    };
  }

  /** Starts the program soon, or refuses. Never blocks, never throws. */
  call(call: HookCall): void {
    if (this.#waiting.length >= this.#options.waitingMax) {
      this.counts.refused++;
      return;
    }
    this.#waiting.push(call);
    this.#schedule();
  }

  /** Waits a little for what runs and waits, then kills it. */
  async close(): Promise<void> {
    if (this.#running.size + this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(CLOSE_MS, resolve);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
    });
    this.counts.refused += this.#waiting.length;
    this.#waiting.length = 0;
    for (const child of this.#running) killGroup(child);
  }

  /** Starting a process takes a millisecond or more: one for each turn of the loop, none within a tick. */
  #schedule(): void {
    const hasRoom = this.#running.size < this.#options.runningMax;
    if (this.#isScheduled || this.#waiting.length === 0 || !hasRoom) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const call = this.#waiting.shift();
      if (call !== undefined) this.#start(call);
      this.#schedule();
    });
  }

  #start({ variables, json }: HookCall): void {
    const lab = {
      ...readLabEnvironment(),
      busUrl: undefined,
      storeUrl: undefined,
      hasLifeline: false,
    };
    this.counts.started++;
    const child = spawn('/bin/sh', ['-c', this.#options.command], {
      env: { ...childEnvironment(lab), ...variables },
      stdio: ['pipe', 'ignore', 'ignore'],
      // A group of its own, so that a time-out ends all of it.
      detached: true,
    });
    this.#running.add(child);
    const cancel = this.#options.clock.after(this.#options.timeoutMs, () => {
      this.counts.timedOut++;
      this.#options.talk(`the hook was killed after ${this.#options.timeoutMs / 1000} s`);
      killGroup(child);
    });
    child.once('error', (error) => this.#onEnd(child, cancel, error.message));
    child.once('exit', (code) => {
      this.#onEnd(child, cancel, code === null || code === 0 ? undefined : `it ended with ${code}`);
    });
    // A program that does not read its stdin is no failure.
    child.stdin!.on('error', () => {});
    child.stdin!.end(`${json}\n`);
  }

  #onEnd(child: ChildProcess, cancel: () => void, failure: string | undefined): void {
    if (!this.#running.delete(child)) return;
    cancel();
    if (failure !== undefined) {
      this.counts.failed++;
      this.#options.talk(`the hook failed: ${failure}`);
    }
    if (this.#running.size + this.#waiting.length === 0) this.#onIdle();
    this.#schedule();
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself just now.
  }
}
