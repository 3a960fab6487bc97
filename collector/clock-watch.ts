// Notices when the wall clock was set, or the machine slept: then the time of day of a row says
// something else than the ticks do, and whoever reads the rows must know.
//
// CLOCK_MONOTONIC does not step and stands still while the machine is suspended; the wall clock does
// both; the uptime (CLOCK_BOOTTIME) runs on in suspend and never steps. clock_gettime(2).

import type { LabEvent } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';

/** Less is the ordinary uncertainty of reading two clocks one after the other on a busy machine. */
const STEP_MS_MIN = 50;
/** /proc/uptime counts in 10 ms. */
const SUSPEND_MS_MIN = 500;

export class ClockWatch {
  readonly #clock: Clock;
  readonly #uptimeS: () => number;
  #wallOffsetMs: number;
  #bootOffsetMs: number;

  /** `uptimeS` gives the seconds since boot, suspend counted. */
  constructor(clock: Clock, uptimeS: () => number) {
    this.#clock = clock;
    this.#uptimeS = uptimeS;
    this.#wallOffsetMs = this.#wallNow();
    this.#bootOffsetMs = this.#bootNow();
  }

  /** What happened since the last call, as an event; undefined when the clocks agree. */
  check(): LabEvent | undefined {
    const offsetMs = this.#wallNow();
    const stepMs = offsetMs - this.#wallOffsetMs;
    if (Math.abs(stepMs) < STEP_MS_MIN) return undefined;
    this.#wallOffsetMs = offsetMs;
    const bootOffsetMs = this.#bootNow();
    const suspendMs = bootOffsetMs - this.#bootOffsetMs;
    this.#bootOffsetMs = bootOffsetMs;
    const wallMs = this.#clock.wallMs();
    if (suspendMs >= SUSPEND_MS_MIN) {
      return {
        wallMs,
        kind: 'gap',
        text: `the machine was suspended for ${(suspendMs / 1000).toFixed(1)} s`,
        data: { cause: 'suspend', suspendMs: Math.round(suspendMs), stepMs: Math.round(stepMs) },
      };
    }
    const direction = stepMs > 0 ? 'forward' : 'back';
    return {
      wallMs,
      kind: 'note',
      text: `the wall clock was set ${direction} by ${(Math.abs(stepMs) / 1000).toFixed(3)} s`,
      data: { cause: 'clock step', stepMs: Math.round(stepMs) },
    };
  }

  #wallNow(): number {
    return this.#clock.wallMs() - this.#clock.monoUs() / 1000;
  }

  #bootNow(): number {
    return this.#uptimeS() * 1000 - this.#clock.monoUs() / 1000;
  }
}
