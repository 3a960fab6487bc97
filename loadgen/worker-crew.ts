// The worker threads of one load, as the main thread sees them: started together, told through
// shared memory, and asked each second for their histograms. The main thread stays on libuv, so
// that signals, the bus and the end of the parent are noticed while reactors sleep in the kernel.

import { Worker } from 'node:worker_threads';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import { STACK_COUNT } from '#core/socket/stack/stack-counters.ts';
import { wake } from '#core/socket/waker.ts';
import { createTimings, mergeTimings, type Timings } from '#loadgen/interval-timings.ts';
import type { Phase, RunControl } from '#loadgen/run-control.ts';
import { type Board, type Counts, sumBoards } from '#loadgen/worker-board.ts';
import type { StackCounters, WorkerMessage, WorkerPlan } from '#loadgen/worker-plan.ts';

/** A worker that is alive answers a tick in a millisecond; one that is starved gets this long. */
const TICK_TIMEOUT_MS = 800;

/** Counters of engine stack, summed over all workers, by name. */
export type StackCounts = Record<keyof typeof STACK_COUNT, number>;

interface Member {
  worker: Worker;
  waker: Waker | undefined;
  tick: number;
  hasEnded: boolean;
}

export class WorkerCrew {
  engine: EngineName = 'net';
  readonly #clock: Clock;
  readonly #control: RunControl;
  readonly #boards: Board[];
  readonly #stackCounters: StackCounters[] = [];
  readonly #members: Member[];
  /** What has been told since the last `takeSecond`, and in all. */
  #second: Timings;
  readonly total: Timings;
  readonly #parts: number;
  readonly #waiting = new Set<() => void>();
  #failure: Error | undefined;

  constructor(plans: readonly WorkerPlan[], control: RunControl, clock: Clock) {
    this.#clock = clock;
    this.#control = control;
    this.#boards = plans.map(({ board }) => board);
    this.#parts = plans[0]!.latencyParts.length;
    this.#second = createTimings(this.#parts);
    this.total = createTimings(this.#parts);
    this.#members = plans.map((plan) => {
      const worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData: plan });
      const member: Member = { worker, waker: undefined, tick: 0, hasEnded: false };
      worker.on('message', (message: WorkerMessage) => this.#hear(member, message));
      worker.on('error', (error) => this.#fail(error));
      worker.on('exit', () => {
        member.hasEnded = true;
        this.#news();
      });
      return member;
    });
  }

  /** Resolves when every reactor stands; throws what kept one from it. */
  async started(): Promise<void> {
    await this.#until(() => this.#members.every(({ waker }) => waker !== undefined));
  }

  /** What went wrong in a worker; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  counts(): Counts {
    return sumBoards(this.#boards);
  }

  /** Undefined with other engines. */
  stackCounts(): StackCounts | undefined {
    if (this.#stackCounters.length === 0) return undefined;
    const sums = {} as StackCounts;
    for (const [name, index] of Object.entries(STACK_COUNT)) {
      const values = this.#stackCounters.map((counters) => counters[index]!);
      sums[name as keyof StackCounts] = values.reduce((sum, value) => sum + value, 0);
    }
    return sums;
  }

  setPhase(phase: Phase): void {
    this.#control.phase = phase;
    this.#wakeAll();
  }

  /** Tells everybody to look at what was written for them. */
  nudge(): void {
    this.#wakeAll();
  }

  /**
   * The histograms since the last call; a worker that does not answer in time is part of the next.
   */
  async takeSecond(): Promise<Timings> {
    const tick = ++this.#control.tick;
    this.#wakeAll();
    const answered = (): boolean =>
      this.#members.every((member) => member.hasEnded || member.tick >= tick);
    await this.#until(() => answered() || this.#failure !== undefined, TICK_TIMEOUT_MS);
    const second = this.#second;
    this.#second = createTimings(this.#parts);
    return second;
  }

  /**
   * Resolves when every thread has ended; ends those that do not within `timeoutMs`. Their last timings are
   * in `total`.
   */
  async ended(timeoutMs: number): Promise<void> {
    const allEnded = (): boolean => this.#members.every(({ hasEnded }) => hasEnded);
    await this.#until(allEnded, timeoutMs);
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #hear(member: Member, message: WorkerMessage): void {
    if (message.kind === 'started') {
      member.waker = message.waker;
      this.engine = message.engine;
      if (message.stackCounters !== undefined) this.#stackCounters.push(message.stackCounters);
    } else if (message.kind === 'timings') {
      member.tick = message.tick;
      mergeTimings(this.#second, message.timings);
      mergeTimings(this.total, message.timings);
    } else if (message.kind === 'failed') {
      const { code, message: what, hint } = message;
      this.#fail(code === undefined ? new Error(what) : new WsarError(code, what, hint));
    }
    this.#news();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#news();
  }

  #wakeAll(): void {
    for (const { waker, hasEnded } of this.#members) {
      if (waker !== undefined && !hasEnded) wake(waker);
    }
  }

  #news(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** Waits for a condition that messages change. Throws a failure unless there is a time limit. */
  async #until(condition: () => boolean, timeoutMs?: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      let cancel = (): void => {};
      const look = (): void => {
        const hasFailed = timeoutMs === undefined && this.#failure !== undefined;
        if (!condition() && !hasFailed) return;
        this.#waiting.delete(look);
        cancel();
        if (hasFailed) reject(this.#failure);
        else resolve();
      };
      this.#waiting.add(look);
      if (timeoutMs !== undefined) {
        cancel = this.#clock.after(timeoutMs, () => {
          this.#waiting.delete(look);
          resolve();
        });
      }
      look();
    });
  }
}
