// Absolute ticks: one every `periodMs`, due at whole multiples of the period on the wall clock (so that
// rows of several processes and hosts join), kept by the monotonic clock (so that a step of the wall
// clock moves no tick). A tick that could not run is counted in the next one; ticks are never run in
// bursts to catch up.

import { assert } from '#core/assert.ts';
import type { Clock } from '#core/clock/clock.ts';

export interface Tick {
  /** Index of this tick since the ticker started: 0, 1, 2, ... with holes where ticks were missed. */
  index: number;
  /** How many ticks before this one did not run. */
  missedTicks: number;
  /** Wall time that this tick stands for, a whole multiple of the period unless the clock was stepped, ms. */
  wallMs: number;
  /** Monotonic time at which the tick really ran, us. */
  monoUs: number;
  /** How late it ran, us. */
  lateUs: number;
}

/** Starts ticking; returns the stop function. The first tick is at the next whole period. */
export function startTicker(
  clock: Clock,
  periodMs: number,
  onTick: (tick: Tick) => void,
): () => void {
  assert(periodMs > 0, 'a tick period is above zero');
  const periodUs = periodMs * 1000;
  const startWallMs = Math.floor(clock.wallMs() / periodMs + 1) * periodMs;
  const startUs = clock.monoUs() + (startWallMs - clock.wallMs()) * 1000;
  let index = 0;
  let lastIndex = -1;
  let stopped = false;
  let cancel = arm();

  function arm(): () => void {
    return clock.after(Math.max(0, (startUs + index * periodUs - clock.monoUs()) / 1000), run);
  }

  function run(): void {
    const nowUs = clock.monoUs();
    const dueUs = startUs + index * periodUs;
    if (nowUs < dueUs) {
      cancel = arm();
      return;
    }
    // The newest tick that is due runs; the ones it overtook are reported as missed.
    index += Math.floor((nowUs - dueUs) / periodUs);
    const tick: Tick = {
      index,
      missedTicks: index - lastIndex - 1,
      wallMs: startWallMs + index * periodMs,
      monoUs: nowUs,
      lateUs: nowUs - (startUs + index * periodUs),
    };
    lastIndex = index;
    index++;
    onTick(tick);
    if (!stopped) cancel = arm();
  }

  return () => {
    stopped = true;
    cancel();
  };
}
