// Decays: exponentially weighted means over the last second, ten seconds and hundred seconds, the only
// place of wsar that computes them. They are for eyes and alarms; what is stored is the measurement.
//
// A decay keeps a sum S and the weight W of what went into it; its value is S / W, so the first interval
// after the start already counts fully (no warm-up from zero). Over an interval dt with u = exp(-dt/tau)
// and a = 1 - u = -expm1(-dt/tau):
//
//   rate x, the mean of the interval      S = S + a (x - S)                        W = W + a (1 - W)
//   gauge, g_prev at the start, g at end  S = u S + (v - u) g_prev + (1 - v) g     W = W + a (1 - W)
//                                         v = a tau / dt  (a straight line between the two readings)
//   nothing known about the interval      S = u S                                  W = u W
//
// Both are exact integrals, so cutting an interval in two changes nothing: one second at x is ten
// tenths at x, and a missed tick costs no accuracy for counters, whose mean over the hole is known.
// tau is a time constant; the half-lives are 0.69, 6.9 and 69 s.
//
// Cost: three expm1 an interval length (kept while dt repeats), about 20 ns a slot; allocates nothing.

import { assert } from '#core/assert.ts';
import { grownColumn } from '#core/metric/column.ts';

/** Time constants, s, in the order in which decays stand everywhere. */
export const DECAY_TAUS_S = [1, 10, 100] as const;

const HORIZONS = DECAY_TAUS_S.length;

/** A decay is unknown when nothing was observed for this many time constants: 95 % of it is older. */
const SILENCE_TAUS_MAX = 3;

/** Under this dt/tau the weight of the last reading is taken from its series: the closed form cancels. */
const SERIES_BELOW = 1e-3;

/** Decays of many metrics, by slot. NaN stands for "not known" in both directions. */
export class DecayBank {
  #sums: Float64Array;
  #weights: Float64Array;
  /** Last reading of a gauge, NaN when the one before was unknown. */
  #last: Float64Array;
  /** Time since something was observed, s. */
  #silenceS: Float64Array;
  /** For the dt in `#dtS`: a, and the weights of the earlier and the later reading of a gauge. */
  readonly #a = new Float64Array(HORIZONS);
  readonly #earlier = new Float64Array(HORIZONS);
  readonly #later = new Float64Array(HORIZONS);
  #dtS = 0;

  constructor(slots: number) {
    this.#sums = new Float64Array(slots * HORIZONS);
    this.#weights = new Float64Array(slots * HORIZONS);
    this.#last = new Float64Array(slots).fill(Number.NaN);
    this.#silenceS = new Float64Array(slots);
  }

  get slots(): number {
    return this.#last.length;
  }

  /** Makes room for more slots; what is known stays. */
  grow(slots: number): void {
    assert(slots >= this.slots, 'a bank of decays only grows');
    this.#sums = grownColumn(this.#sums, slots * HORIZONS);
    this.#weights = grownColumn(this.#weights, slots * HORIZONS);
    this.#silenceS = grownColumn(this.#silenceS, slots);
    this.#last = grownColumn(this.#last, slots, Number.NaN);
  }

  /** Takes the value of an interval of `dtS` seconds in, as its kind asks for; NaN: unknown. */
  observe(slot: number, kind: 'rate' | 'gauge', value: number, dtS: number): void {
    if (kind === 'rate') this.observeRate(slot, value, dtS);
    else this.observeGauge(slot, value, dtS);
  }

  /** `mean` was the rate over the last `dtS` seconds; NaN: unknown, what is there ages. */
  observeRate(slot: number, mean: number, dtS: number): void {
    if (!this.#setInterval(dtS)) return;
    if (Number.isNaN(mean)) {
      this.#age(slot, dtS);
      return;
    }
    for (let i = 0, at = slot * HORIZONS; i < HORIZONS; i++, at++) {
      const a = this.#a[i]!;
      this.#sums[at] = this.#sums[at]! + a * (mean - this.#sums[at]!);
      this.#weights[at] = this.#weights[at]! + a * (1 - this.#weights[at]!);
    }
    this.#silenceS[slot] = 0;
  }

  /** The gauge reads `value` now, `dtS` after the observation before; NaN: unknown. */
  observeGauge(slot: number, value: number, dtS: number): void {
    const before = this.#last[slot]!;
    this.#last[slot] = value;
    if (!this.#setInterval(dtS)) return;
    if (Number.isNaN(value) || Number.isNaN(before)) {
      this.#age(slot, dtS);
      return;
    }
    for (let i = 0, at = slot * HORIZONS; i < HORIZONS; i++, at++) {
      const sum = this.#sums[at]!;
      const change = this.#earlier[i]! * (before - sum) + this.#later[i]! * (value - sum);
      this.#sums[at] = sum + change;
      this.#weights[at] = this.#weights[at]! + this.#a[i]! * (1 - this.#weights[at]!);
    }
    this.#silenceS[slot] = 0;
  }

  /** The decay of horizon 0, 1 or 2 (1, 10, 100 s); NaN before the first interval and after a long silence. */
  value(slot: number, horizon: number): number {
    const weight = this.weight(slot, horizon);
    const isSilent = this.#silenceS[slot]! > SILENCE_TAUS_MAX * DECAY_TAUS_S[horizon]!;
    return weight === 0 || isSilent ? Number.NaN : this.#sums[slot * HORIZONS + horizon]! / weight;
  }

  /** How much of the horizon was observed, 0..1: rises from the start, falls while nothing is known. */
  weight(slot: number, horizon: number): number {
    assert(slot >= 0 && slot < this.slots, 'a decay is asked of a slot that exists');
    return this.#weights[slot * HORIZONS + horizon]!;
  }

  /** The slot starts anew, as for another instance. */
  forget(slot: number): void {
    this.#sums.fill(0, slot * HORIZONS, (slot + 1) * HORIZONS);
    this.#weights.fill(0, slot * HORIZONS, (slot + 1) * HORIZONS);
    this.#last[slot] = Number.NaN;
    this.#silenceS[slot] = 0;
  }

  #age(slot: number, dtS: number): void {
    for (let i = 0, at = slot * HORIZONS; i < HORIZONS; i++, at++) {
      this.#sums[at] = this.#sums[at]! - this.#a[i]! * this.#sums[at]!;
      this.#weights[at] = this.#weights[at]! - this.#a[i]! * this.#weights[at]!;
    }
    this.#silenceS[slot] = this.#silenceS[slot]! + dtS;
  }

  /** Computes the factors of an interval; false when it has no length, and so no say. */
  #setInterval(dtS: number): boolean {
    if (!(dtS > 0)) return false;
    if (dtS === this.#dtS) return true;
    this.#dtS = dtS;
    for (let i = 0; i < HORIZONS; i++) {
      const x = dtS / DECAY_TAUS_S[i]!;
      const a = -Math.expm1(-x);
      // 1 - a/x = x/2 - x^2/6 + x^3/24 - ...
      const later = x < SERIES_BELOW ? (x / 2) * (1 - (x / 3) * (1 - x / 4)) : 1 - a / x;
      this.#a[i] = a;
      this.#later[i] = later;
      this.#earlier[i] = a - later;
    }
    return true;
  }
}
