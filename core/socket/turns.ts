// The thread of a reactor that is turned by its own loop (ring, epoll, stack): turn after turn, back to libuv ten
// times a second, so that messages of its worker are served and the worker can be terminated. A reactor
// that must not block its thread looks again every millisecond while it is idle.

import { systemClock } from '#core/clock/clock.ts';
import { REACTOR_STAT as STAT } from '#core/socket/reactor.ts';

/** A reactor never sleeps longer, us. */
export const SLEEP_US_MAX = 200_000;
/** Connections that are let go per turn when a reactor stops: bounds what a turn costs. */
export const STOPS_PER_TURN = 512;
/** A sleep below this is not worth a timer, us. */
export const POLL_INTERVAL_US = 1000;
const SLICE_US = 100_000;

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

/** Counts a turn that worked and slept so long, us. */
export function countTurn(stats: Float64Array, workUs: number, sleptUs: number): void {
  stats[STAT.turns]!++;
  stats[STAT.workUs]! += workUs;
  stats[STAT.sleepUs]! += sleptUs;
  if (workUs > stats[STAT.turnUsMax]!) stats[STAT.turnUsMax] = workUs;
}
