// The spin calibration: a fixed calculation that should always take the same time. When it does not, the
// machine itself ran at another speed (a noisy neighbour, the other hyperthread, a frequency), and a block
// beside it cannot be compared. It is done in short rounds of which the fastest counts: that other
// programs wanted the core for a moment is no change of its speed.
//
// The calculation is a hash in native code. A loop in JavaScript would not do: V8 throws the compiled code
// of a function away that runs once in six seconds, and then the loop is ten times slower for a while.

import { createHash } from 'node:crypto';
import type { Clock } from '#core/clock/clock.ts';

/** About 1 ms a round with SHA instructions, 4 ms without; the bytes stay in the cache. */
const BYTES = Buffer.alloc(64 * 1024, 0x5a);
const UPDATES = 16;
const ROUNDS = 16;
/** Spins before there is something usual to compare with. */
const USUAL_MIN = 5;

/** Time of the fixed calculation, us, of sixteen rounds the fastest. */
export function measureSpinUs(clock: Clock): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startUs = clock.monoUs();
    const hash = createHash('sha256');
    for (let update = 0; update < UPDATES; update++) hash.update(BYTES);
    hash.digest();
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
