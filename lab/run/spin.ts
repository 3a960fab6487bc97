// The spin calibration: a fixed calculation that should always take the same time. When it does not, the
// machine itself ran at another speed (a noisy neighbour, the other hyperthread, a frequency), and a block
// beside it cannot be compared. It is done in short rounds of which the fastest counts: that other
// programs wanted the core for a moment is no change of its speed.

import type { Clock } from '#core/clock/clock.ts';

const ITERATIONS = 1_000_000;
const ROUNDS = 16;
/** Spins before there is something usual to compare with. */
const USUAL_MIN = 5;

/** Time of the fixed calculation, us: about 1 ms, of sixteen rounds the fastest. */
export function measureSpinUs(clock: Clock): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startUs = clock.monoUs();
    spin();
    best = Math.min(best, clock.monoUs() - startUs);
  }
  return best;
}

/** How far spins are off the median of all before them, as a ratio; null while there are too few. */
export class SpinJudge {
  readonly #seen: number[] = [];

  /** Takes a measurement; returns how far it is off. */
  take(us: number): number | null {
    const { usualUs } = this;
    this.#seen.push(us);
    return usualUs === null ? null : Math.abs(us / usualUs - 1);
  }

  get usualUs(): number | null {
    if (this.#seen.length < USUAL_MIN) return null;
    return [...this.#seen].sort((a, b) => a - b)[this.#seen.length >> 1]!;
  }
}

let sink = 0;

function spin(): void {
  let state = sink;
  for (let index = 0; index < ITERATIONS; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
  }
  // Kept, so that no compiler may leave the loop out.
  sink = state;
}
