// Wall time for who reads it all the time: Date.now() makes a number on the heap at each call, which is the only thing
// that a message through a busy server would leave to the collector. This is the monotonic clock and what the wall
// was ahead of it when that was looked at last, at most a second ago: a step of the wall is known a second late.

import type { Clock } from '#core/clock/clock.ts';

const LOOK_MS = 1000;

const AHEAD_MS = 0;
const NEXT_LOOK_MS = 1;

export class WallReader {
  readonly #clock: Clock;
  /** In an array: a field that is written again and again may be a number on the heap. */
  readonly #state = Float64Array.of(0, Number.NEGATIVE_INFINITY);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since 1970 UTC into `into[0]`. */
  read(into: Float64Array): void {
    const state = this.#state;
    const monoMs = this.#clock.monoUs() / 1000;
    if (monoMs >= state[NEXT_LOOK_MS]!) {
      state[AHEAD_MS] = this.#clock.wallMs() - monoMs;
      state[NEXT_LOOK_MS] = monoMs + LOOK_MS;
    }
    into[0] = state[AHEAD_MS]! + monoMs;
  }
}
