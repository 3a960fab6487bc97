// The only place that reads the clocks of the machine. Everything with a timer takes a Clock, so that
// tests run on virtual time.

import { performance } from 'node:perf_hooks';

/** Two clocks and one timer. Monotonic time never steps; wall time labels rows for people. */
export interface Clock {
  /** Monotonic microseconds since an arbitrary start (CLOCK_MONOTONIC), as a double. */
  monoUs(): number;
  /** Milliseconds since 1970 UTC. */
  wallMs(): number;
  /** Calls `callback` once after `delayMs`; returns a cancel function. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void;
}

// The one of the module: the global of the same name is looked up through a getter at every call.
export const systemClock: Clock = {
  monoUs: () => performance.now() * 1000,
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, delayMs));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The same clock, its monotonic time `offsetUs` ahead: what several hosts agree on. */
export function shiftClock(clock: Clock, offsetUs: number): Clock {
  if (offsetUs === 0) return clock;
  return {
    monoUs: () => clock.monoUs() + offsetUs,
    wallMs: () => clock.wallMs(),
    after: (delayMs, callback) => clock.after(delayMs, callback),
  };
}

/** A clock that a test moves by hand; due callbacks run in order of time inside `advance`. */
export class VirtualClock implements Clock {
  #nowUs = 0;
  #wallOffsetMs: number;
  #timers: { dueUs: number; order: number; callback: () => void }[] = [];
  #order = 0;

  constructor(wallStartMs = 1_700_000_000_000) {
    this.#wallOffsetMs = wallStartMs;
  }

  monoUs(): number {
    return this.#nowUs;
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowUs / 1000;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = {
      dueUs: this.#nowUs + Math.max(0, delayMs) * 1000,
      order: this.#order++,
      callback,
    };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves time forward, running what becomes due. */
  advance(ms: number): void {
    const untilUs = this.#nowUs + ms * 1000;
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueUs <= untilUs)
        .sort((a, b) => a.dueUs - b.dueUs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowUs = Math.max(this.#nowUs, next.dueUs);
      next.callback();
    }
    this.#nowUs = untilUs;
  }

  /** Time passes without anything running: what a stopped or starved process sees. */
  stall(ms: number): void {
    this.#nowUs += ms * 1000;
  }

  /** The wall clock is set by somebody; the monotonic clock does not notice. */
  stepWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }
}
