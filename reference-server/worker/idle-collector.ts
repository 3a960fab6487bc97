// Garbage collections of a worker, made while they hold nobody up (knobs gc.idle and gc.idle_full).
//
// V8 collects when an allocation finds no room, which is under load. It cannot be told to wait: no flag, call or
// embedder hook puts off a collection that an allocation needs. What can be done is to collect early: a worker that
// has received nothing for 5 ms does it itself, with the gc() of a context made while --expose-gc was set, so that the
// next burst finds its young generation empty; and to give the young generation so much room that bursts fit
// (`--young`, when the threads start: of the flags that a running program can set, min-semi-space-size and
// max-semi-space-size are read at that time alone, and semi-space-growth-factor only where much of what is made stays).
//
// Not in our hands: when V8 begins incremental marking, and how long a full collection takes (5 to 40 ms). Messages
// and users lie outside of the heap, so neither grows with them.
//
// A look costs a comparison a turn; nothing is allocated. Off, it costs nothing and wakes nobody.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { WorkerSettings } from '#reference-server/worker/worker-control.ts';

/** Nothing received for so long is idle, us. */
const QUIET_US = 5000;

export type Collect = (options: { type: 'minor' | 'major' }) => void;

export class IdleCollector {
  readonly #stats: WorkerStats;
  readonly #reactorStats: Float64Array;
  #collect: Collect | undefined;
  /** Wished intervals, 0 = never, and when each is due, us. */
  #minorUs = 0;
  #fullUs = 0;
  #nextMinorUs = 0;
  #nextFullUs = 0;
  /** What the reactor had received at the last look, and since when that is so. */
  #seen = -1;
  #quietSinceUs = 0;
  /** The same at the last collection: a worker that nobody spoke to since has made no garbage worth one. */
  #collectedAt = -1;

  /** Without `collect` it is V8's own, made when it is needed first: it costs a context. */
  constructor(stats: WorkerStats, reactorStats: Float64Array, collect?: Collect) {
    this.#stats = stats;
    this.#reactorStats = reactorStats;
    this.#collect = collect;
  }

  set({ gcIdleMs, gcIdleFullS }: Pick<WorkerSettings, 'gcIdleMs' | 'gcIdleFullS'>): void {
    this.#minorUs = gcIdleMs * 1000;
    this.#fullUs = gcIdleFullS * 1e6;
    this.#nextMinorUs = 0;
    this.#nextFullUs = 0;
  }

  /** Once a turn; returns whole us until the next look is wanted, 0 = none is. */
  onTurn(nowUs: number): number {
    if (this.#minorUs + this.#fullUs === 0) return 0;
    const received = this.#reactorStats[REACTOR_STAT.rxBytes]!;
    if (received !== this.#seen) {
      this.#seen = received;
      this.#quietSinceUs = nowUs;
    }
    if (this.#collectedAt === received) return 0;
    const dueUs = Math.max(this.#quietSinceUs + QUIET_US, this.#nextDueUs());
    if (nowUs < dueUs) return Math.ceil(dueUs - nowUs);
    this.#collectNow(nowUs);
    return 0;
  }

  #nextDueUs(): number {
    if (this.#minorUs === 0) return this.#nextFullUs;
    if (this.#fullUs === 0) return this.#nextMinorUs;
    return Math.min(this.#nextMinorUs, this.#nextFullUs);
  }

  #collectNow(nowUs: number): void {
    const isFull = this.#fullUs > 0 && nowUs >= this.#nextFullUs;
    this.#collect ??= exposedCollect();
    this.#collect({ type: isFull ? 'major' : 'minor' });
    this.#stats[STAT.collectionsIdle]!++;
    this.#nextMinorUs = nowUs + this.#minorUs;
    if (isFull) this.#nextFullUs = nowUs + this.#fullUs;
    // A full one that is due later is worth waking up for only when somebody spoke.
    this.#collectedAt = this.#seen;
  }
}

/** The engine's own call, for this thread. The flag is of the process and stays: other threads start, too. */
function exposedCollect(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
