// Counters: what became of a number that only rises, between two readings of it.
//
// The kernel's counters wrap (32 bit ones within hours on a busy host), start over when a device or a
// process is replaced, and some that should only rise do not: idle, iowait and steal of /proc/stat
// go back a little when the kernel corrects its book-keeping (proc(5)). Taken at face value each of
// these prints absurd rates. So every counter declares its width and its class, and a difference that
// cannot be trusted is not known (NaN) and says why in `flags`; it is never negative and never a spike.
//
// A reading is kept as two doubles, high * 10^9 + low: 64 bit counters pass 2^53, where one double
// loses units, in hours (nanoseconds summed over CPUs) to months (bytes of a fast network card). The
// difference is exact as long as it is below 2^53 itself.
//
// Cost: about 10 ns a reading; allocates nothing.

import { assert } from '#core/assert.ts';
import { grownColumn, grownFlags } from '#core/metric/column.ts';

/** The part of a reading in `high` counts this many; the text of a decimal number splits there. */
export const HIGH_UNIT = 1e9;

/** Why a difference is what it is; `none` is the ordinary case. */
export const CounterFlag = {
  none: 0,
  /** No earlier reading: the first, or the first after the counter vanished. The difference is not known. */
  first: 1,
  /** A 32 bit counter passed its end; the difference is repaired. */
  wrapped: 2,
  /** The counter started over. The difference is not known. */
  reset: 3,
  /** A lossy counter went back; the difference counts as 0. */
  clamped: 4,
  /** More than can physically happen in the time. The difference is not known. */
  implausible: 5,
} as const;

export interface CounterClass {
  width: 32 | 64;
  /** The counter is known to go back a little; then nothing happened, rather than a reset. */
  isLossy?: boolean;
}

const WRAP_32 = 2 ** 32;
const HALF_32 = 2 ** 31;

/** Readings of many counters, by slot. */
export class CounterBank {
  flags: Uint8Array;
  /** How often each flag was set, by flag. */
  readonly flagCounts = new Float64Array(Object.keys(CounterFlag).length);
  #high: Float64Array;
  #low: Float64Array;
  #isKnown: Uint8Array;

  constructor(slots: number) {
    this.flags = new Uint8Array(slots);
    this.#high = new Float64Array(slots);
    this.#low = new Float64Array(slots);
    this.#isKnown = new Uint8Array(slots);
  }

  /** Makes room for more slots; what is known stays. */
  grow(slots: number): void {
    assert(slots >= this.flags.length, 'a bank of counters only grows');
    this.flags = grownFlags(this.flags, slots);
    this.#high = grownColumn(this.#high, slots);
    this.#low = grownColumn(this.#low, slots);
    this.#isKnown = grownFlags(this.#isKnown, slots);
  }

  /**
   * Takes the reading high * 10^9 + low and returns by how much the counter rose since the one before,
   * NaN when that cannot be known. `deltaMax` is the most that can have happened since then.
   */
  advance(slot: number, high: number, low: number, kind: CounterClass, deltaMax: number): number {
    assert(slot >= 0 && slot < this.flags.length, 'a counter is read into a slot that exists');
    const wasKnown = this.#isKnown[slot] === 1;
    const highBefore = this.#high[slot]!;
    const lowBefore = this.#low[slot]!;
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#isKnown[slot] = 1;
    if (!wasKnown) return this.#unknown(slot, CounterFlag.first);
    let delta = (high - highBefore) * HIGH_UNIT + (low - lowBefore);
    let flag: number = CounterFlag.none;
    if (delta < 0) {
      if (kind.isLossy === true) {
        delta = 0;
        flag = CounterFlag.clamped;
      } else if (kind.width === 32 && isWrap(highBefore * HIGH_UNIT + lowBefore, delta)) {
        delta += WRAP_32;
        flag = CounterFlag.wrapped;
      } else return this.#unknown(slot, CounterFlag.reset);
    }
    if (delta > deltaMax) return this.#unknown(slot, CounterFlag.implausible);
    this.flags[slot] = flag;
    if (flag !== CounterFlag.none) this.flagCounts[flag]!++;
    return delta;
  }

  /** Whether the counter reads what it read before; then it is settled with a rise of 0, without `advance`. */
  stands(slot: number, high: number, low: number): boolean {
    if (low !== this.#low[slot] || high !== this.#high[slot] || this.#isKnown[slot] !== 1) {
      return false;
    }
    this.flags[slot] = CounterFlag.none;
    return true;
  }

  /** The last reading as one number, exact below 2^53; NaN when there is none. */
  reading(slot: number): number {
    if (this.#isKnown[slot] !== 1) return Number.NaN;
    return this.#high[slot]! * HIGH_UNIT + this.#low[slot]!;
  }

  /** The counter is gone (its device was unplugged); the next reading has no predecessor. */
  forget(slot: number): void {
    this.#isKnown[slot] = 0;
    this.flags[slot] = CounterFlag.none;
  }

  #unknown(slot: number, flag: number): number {
    this.flags[slot] = flag;
    this.flagCounts[flag]!++;
    return Number.NaN;
  }
}

/** From the upper half of 32 bits to the lower one. A reading above 32 bits belies its width and cannot wrap there. */
function isWrap(before: number, delta: number): boolean {
  return before > HALF_32 && before < WRAP_32 && before + delta < HALF_32;
}
