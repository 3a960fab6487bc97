// Planted faults: slow-downs of a known kind and size that a lab must find. Off by default, each real and bounded
// by its knob (server-knobs.ts). They strike at the end of a turn, once for each message that was delivered in
// it, at most STRIKES_PER_TURN times.
//
//   alloc     garbage of so many bytes on the JavaScript heap: more and longer collections
//   syscall   so many system calls that do nothing (getppid)
//   lock      a lock that all workers share is held for so many us: with several workers, others wait for it
//   freeze    the last worker stands still once, when the knob is set, with messages or without
//   queue     the worker sleeps for so many us after a turn with messages: what comes meanwhile queues up
//
// inject.cpu is burnt where a message is accepted (home/home.ts).

import type { Clock } from '#core/clock/clock.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { WorkerSettings } from '#reference-server/worker/worker-control.ts';

const STRIKES_PER_TURN = 1000;
/** Bytes of one object that is thrown away. */
const GARBAGE_BYTES = 64;
/** A sleeping waiter looks again after this long, ms: a lock whose holder died is not for ever. */
const LOCK_WAIT_MS = 100;

export class Injectors {
  readonly #stats: WorkerStats;
  readonly #clock: Clock;
  /** One word, 1 = held. */
  readonly #lock: Int32Array<SharedArrayBuffer>;
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4));
  readonly #isLast: boolean;
  #settings: WorkerSettings | undefined;
  #freezeMs = 0;
  /** As the knob was last seen: only a change of it strikes. */
  #freezeSetMs = 0;
  #delivered = 0;
  /** The last garbage, so that the engine does not leave its making out. */
  #garbage: unknown[] = [];

  /** `lock` is shared by all workers; `isLast`: this one is frozen where one is. */
  constructor(
    stats: WorkerStats,
    clock: Clock,
    lock: Int32Array<SharedArrayBuffer>,
    isLast: boolean,
  ) {
    this.#isLast = isLast;
    this.#stats = stats;
    this.#clock = clock;
    this.#lock = lock;
  }

  set(settings: WorkerSettings): void {
    const { injectAllocBytes, injectSyscalls, injectLockUs, injectQueueUs } = settings;
    const { injectFreezeMs } = settings;
    if (this.#isLast && injectFreezeMs !== this.#freezeSetMs) this.#freezeMs = injectFreezeMs;
    this.#freezeSetMs = injectFreezeMs;
    const isOn = injectAllocBytes + injectSyscalls + injectLockUs + injectQueueUs > 0;
    this.#settings = isOn ? settings : undefined;
    this.#delivered = this.#stats[STAT.delivered]!;
  }

  /** Once a turn. */
  onTurn(): void {
    if (this.#freezeMs > 0) {
      const forMs = this.#freezeMs;
      this.#freezeMs = 0;
      Atomics.wait(this.#sleep, 0, 0, forMs);
    }
    const settings = this.#settings;
    if (settings === undefined) return;
    const delivered = this.#stats[STAT.delivered]!;
    const strikes = Math.min(STRIKES_PER_TURN, delivered - this.#delivered);
    this.#delivered = delivered;
    if (strikes === 0) return;
    const { injectAllocBytes, injectSyscalls, injectLockUs, injectQueueUs } = settings;
    for (let strike = 0; strike < strikes; strike++) {
      this.#garbage = [];
      for (let made = 0; made < injectAllocBytes; made += GARBAGE_BYTES) {
        this.#garbage[made & 0xff] = { made, of: injectAllocBytes, strike };
      }
      for (let call = 0; call < injectSyscalls; call++) void process.ppid;
    }
    if (injectLockUs > 0) this.#holdLock(injectLockUs * strikes);
    if (injectQueueUs > 0) Atomics.wait(this.#sleep, 0, 0, injectQueueUs / 1000);
  }

  #holdLock(us: number): void {
    const lock = this.#lock;
    while (Atomics.compareExchange(lock, 0, 0, 1) !== 0) {
      if (Atomics.wait(lock, 0, 1, LOCK_WAIT_MS) === 'timed-out') break;
    }
    const untilUs = this.#clock.monoUs() + us;
    while (this.#clock.monoUs() < untilUs);
    Atomics.store(lock, 0, 0);
    Atomics.notify(lock, 0, 1);
  }
}
