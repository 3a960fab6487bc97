// The thread of a reactor that is turned by its own loop (ring, epoll, stack): turn after turn, back to libuv ten
// times a second, so that messages of its worker are served and the worker can be terminated. A reactor
// that must not block its thread looks again every millisecond while it is idle.

import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';

/** A reactor never sleeps longer, us. */
export const SLEEP_US_MAX = 200_000;
/** Connections that are let go per turn when a reactor stops: bounds what a turn costs. */
export const STOPS_PER_TURN = 512;
/** Deadlines that fire in a turn; likewise. */
export const DEADLINES_PER_TURN = 4096;
/** A sleep below this is not worth a timer, us. */
export const POLL_INTERVAL_US = 1000;
const SLICE_US = 100_000;
const CPU_READ_INTERVAL_US = 2000;

export interface Turning {
  /** Nothing is left to do, ever. */
  isEnded(): boolean;
  /** Nothing came in the last turn, and nothing is due within `POLL_INTERVAL_US`. */
  isIdle(): boolean;
  /** One turn; returns when it was, monotonic us. */
  turn(maySleep: boolean): number;
}

/** Turns until the reactor has ended. No handler is called before this has returned its promise. */
export async function runTurns(reactor: Turning, ownsThread: boolean): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  while (!reactor.isEnded()) {
    const sliceEndUs = systemClock.monoUs() + SLICE_US;
    let nowUs: number;
    do nowUs = reactor.turn(ownsThread);
    while (ownsThread && nowUs < sliceEndUs && !reactor.isEnded());
    const isIdle = !ownsThread && reactor.isIdle();
    await new Promise<void>((resolve) => {
      if (isIdle) setTimeout(resolve, POLL_INTERVAL_US / 1000);
      else setImmediate(resolve);
    });
  }
}

/**
 * Counts turns. Beside their time on the wall stands what the long ones took of the CPU, which neither another
 * program nor a hypervisor can make longer: the thread's own clock (CLOCK_THREAD_CPUTIME_ID) is read at the ends of
 * turns, but at most each 2 ms, because a reading costs 0.3 us. So the CPU of a turn of 2 ms and more is
 * known with that of the 2 ms before it: never too little, 2 ms too much at the most.
 */
export class TurnCounter {
  readonly #stats: Float64Array;
  /** When and where the thread's CPU clock stood last, us. */
  readonly #read = new Float64Array(2);
  /** struct timespec: seconds, nanoseconds, 8 bytes each. */
  readonly #timespec = new Uint8Array(16);
  readonly #words = new Uint32Array(this.#timespec.buffer);
  readonly #libc = loadLibc();

  constructor(stats: Float64Array) {
    this.#stats = stats;
  }

  /** A turn that ended at `nowUs` worked and slept so long, us. On the reactor's own thread. */
  count(nowUs: number, workUs: number, sleptUs: number): void {
    const stats = this.#stats;
    stats[STAT.turns]!++;
    stats[STAT.workUs]! += workUs;
    stats[STAT.sleepUs]! += sleptUs;
    if (workUs > stats[STAT.turnUsMax]!) stats[STAT.turnUsMax] = workUs;
    if (nowUs - this.#read[0]! >= CPU_READ_INTERVAL_US) this.#readCpu(nowUs, workUs);
  }

  #readCpu(nowUs: number, workUs: number): void {
    assert(this.#libc.threadTime(this.#timespec) === 0, 'a thread knows its CPU time');
    const threadUs = this.#words[0]! * 1e6 + this.#words[2]! / 1000;
    const read = this.#read;
    const cpuUs = threadUs - read[1]!;
    const isKnown = read[0]! > 0 && workUs >= CPU_READ_INTERVAL_US;
    read[0] = nowUs;
    read[1] = threadUs;
    const turnCpuUs = Math.min(workUs, cpuUs);
    if (isKnown && turnCpuUs > this.#stats[STAT.turnCpuUsMax]!) {
      this.#stats[STAT.turnCpuUsMax] = turnCpuUs;
    }
  }
}
