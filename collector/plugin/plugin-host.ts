// The collector's side of a plug-in: its thread, its shared memory, and what becomes of a thread that died or hangs. A
// thread that has not beaten for ten seconds (it loops, or the machine gives it nothing) is taken down; one that is
// gone is started again after 1, 2, 4 ... 60 s. Nothing here waits for a plug-in, except the start and the end,
// and those not for long.

import { randomUUID } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { PluginMetric } from '#collector/plugin/plugin.ts';
import type { PluginBirth, PluginMessage } from '#collector/plugin/plugin-message.ts';
import { quoted } from '#collector/plugin/plugin-metric.ts';
import { Note, ValueCell } from '#collector/plugin/value-cell.ts';
import type { Clock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';

const READY_MS_MAX = 10_000;
/** A program that declares its metrics later has no column until the next header. */
const DECLARED_MS_MAX = 500;
const STALL_US_MAX = 10e6;
const BACKOFF_MS_START = 1000;
const BACKOFF_MS_MAX = 60_000;
/** A thread that lived for so long is started again soon. */
const STEADY_US = 60e6;
const CLOSE_MS_MAX = 3000;
/** A thread that has not beaten for three beats at the end will not hear that it is the end. */
const SILENT_US_MAX = 1.5e6;
const HEAP_MB_MAX = 256;
/** Things said that wait for the next row. */
const SAID_MAX = 8;

export interface PluginPlan {
  /** Module file or command, as given. */
  text: string;
  isProgram: boolean;
  id: string;
}

export class PluginHost {
  readonly cell = new ValueCell();
  /** What was declared; grows only. */
  readonly metrics: PluginMetric[] = [];
  /** How often its thread had to be started again. */
  threadRestarts = 0;
  id: string;
  readonly #plan: PluginPlan;
  readonly #clock: Clock;
  readonly #hostClock: Clock;
  readonly #periodMs: number;
  readonly #mark = randomUUID();
  #worker: Worker | undefined;
  #startedUs = 0;
  #backoffMs = BACKOFF_MS_START;
  #said: string[] = [];
  readonly #declared = Promise.withResolvers<void>();
  #isClosed = false;
  #invalid: string | undefined;
  #cancel: () => void = () => {};

  /** `hostClock` reads the same in every thread. */
  constructor(plan: PluginPlan, clock: Clock, periodMs: number, hostClock = createHostClock()) {
    this.#hostClock = hostClock;
    this.#plan = plan;
    this.id = plan.id;
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /**
   * Starts the thread; done when a module is loaded or a program has declared something, or when that takes too long
   * (it goes on, and has no values yet). Returns why it is no plug-in.
   */
  async start(): Promise<string | undefined> {
    const { isProgram } = this.#plan;
    const loaded = Promise.withResolvers<void>();
    this.#start(loaded.resolve);
    await inTime(loaded.promise, READY_MS_MAX, () =>
      this.#note('it is not loaded yet; its values come when it is'),
    );
    if (isProgram) await inTime(this.#declared.promise, DECLARED_MS_MAX);
    return this.#invalid;
  }

  /** Us since its newest values were taken; Infinity before the first. */
  ageUs(): number {
    if (this.cell.note(Note.commits) === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#hostClock.monoUs() - this.cell.note(Note.stampUs));
  }

  /** Once a tick: takes a thread down that hangs. */
  watch(): void {
    if (this.#worker === undefined || this.#isClosed) return;
    const aliveUs = Math.max(this.cell.note(Note.heartbeatUs), this.#startedUs);
    if (this.#hostClock.monoUs() - aliveUs < STALL_US_MAX) return;
    this.#note('it has not moved for 10 s; its thread is taken down');
    const worker = this.#worker;
    this.#worker = undefined;
    void worker.terminate();
    this.#planRestart();
  }

  /** What it has to say to a person since the last call. */
  takeSaid(): readonly string[] {
    if (this.#said.length === 0) return NOTHING;
    const said = this.#said;
    this.#said = [];
    return said;
  }

  /** Ends the plug-in and all that it started. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    const worker = this.#worker;
    if (worker === undefined) return;
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ kind: 'close' });
    const silentUs = this.#hostClock.monoUs() - this.cell.note(Note.heartbeatUs);
    const patienceMs = silentUs > SILENT_US_MAX ? 0 : CLOSE_MS_MAX;
    const cancel = setTimeout(() => void worker.terminate(), patienceMs);
    await gone;
    clearTimeout(cancel);
  }

  #start(onSettled: () => void = () => {}): void {
    this.#startedUs = this.#hostClock.monoUs();
    const { text, isProgram } = this.#plan;
    const birth: PluginBirth = {
      memory: this.cell.memory,
      periodMs: this.#periodMs,
      known: this.metrics,
      work: isProgram ? { command: text, mark: this.#mark } : { path: text },
    };
    const worker = new Worker(new URL('./plugin-thread.ts', import.meta.url), {
      workerData: birth,
      name: `plugin-${this.id}`,
      // What it prints is kept from our own output; the thread throws it away.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.#worker = worker;
    let how = 'its thread ended';
    worker.on('error', (error) => (how = `its thread ended: ${quoted((error as Error).message)}`));
    worker.on('message', (message: PluginMessage) => {
      this.#take(message);
      if (message.kind === 'ready' || message.kind === 'invalid') onSettled();
    });
    worker.once('exit', () => {
      onSettled();
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      // A module that was no plug-in from the start ends the collector with the reason.
      if (this.#isClosed || (this.#invalid !== undefined && this.threadRestarts === 0)) return;
      this.#note(`${this.#invalid ?? how}; it is started again in ${this.#backoffMs / 1000} s`);
      this.#planRestart();
    });
  }

  #take(message: PluginMessage): void {
    if (message.kind === 'closed') void this.#worker?.terminate();
    else if (message.kind === 'metrics') {
      this.metrics.push(...message.metrics);
      this.#declared.resolve();
    } else if (message.kind === 'says') this.#note(message.text);
    else if (message.kind === 'invalid') this.#invalid = message.text;
    else if (message.kind === 'ready') {
      this.#invalid = undefined;
      if (message.id !== undefined && this.threadRestarts === 0) this.id = message.id;
    }
  }

  #planRestart(): void {
    if (this.#hostClock.monoUs() - this.#startedUs > STEADY_US) this.#backoffMs = BACKOFF_MS_START;
    this.#cancel = this.#clock.after(this.#backoffMs, () => {
      this.threadRestarts++;
      this.#start();
    });
    this.#backoffMs = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2);
  }

  #note(text: string): void {
    if (this.#said.length < SAID_MAX) this.#said.push(text);
  }
}

const NOTHING: readonly string[] = [];

/** Waits, but not for ever. */
async function inTime(promise: Promise<void>, ms: number, onLate = (): void => {}): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      onLate();
      resolve();
    }, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
