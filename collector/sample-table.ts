// The table of one process's metrics: what the sources read in this tick, and what follows from it.
// One typed array a column, one slot a metric (core/metric/registry.ts); NaN is "no value". A tick
// allocates no object here unless a device or a CPU appears.
//
//   sources write         counter(slot, high, low)   gauge(slot, value)
//   settle(slots, dt)     differences and rates of the counters, decays
//   sources derive        set(slot, value) from delta(slot) and value(slot)
//   finish(slots, dt)     decays of what was derived
//   everybody reads       values, decays
//
// In the fast lane (collector/collection.ts) a row is made of several readings: settle, derive and finish
// run for each, `addToRow` adds up the differences, and `closeRow` makes them those of the whole row.

import { precise, rateOf } from '#collector/precision.ts';
import { grownColumn, grownFlags } from '#core/metric/column.ts';
import { CounterBank, HIGH_UNIT } from '#core/metric/counter.ts';
import { DecayBank } from '#core/metric/decay.ts';
import { type MetricRegistry, NO_SLOT } from '#core/metric/registry.ts';

const SLOTS_START = 512;

export class SampleTable {
  readonly registry: MetricRegistry;
  readonly counters = new CounterBank(SLOTS_START);
  readonly decays = new DecayBank(SLOTS_START);
  /** Told of every slot that starts anew. */
  onForget: ((slot: number) => void) | undefined;
  #values = new Float64Array(SLOTS_START).fill(Number.NaN);
  #deltas = new Float64Array(SLOTS_START).fill(Number.NaN);
  #high = new Float64Array(SLOTS_START);
  #low = new Float64Array(SLOTS_START);
  /** Differences of the row up to now, of sources in the fast lane. */
  #rowDeltas = new Float64Array(SLOTS_START);
  /** 1 where a source wrote in this tick. */
  #isWritten = new Uint8Array(SLOTS_START);

  constructor(registry: MetricRegistry) {
    this.registry = registry;
  }

  /** A source read a counter: high * 10^9 + low. */
  counter(slot: number, high: number, low: number): void {
    if (slot === NO_SLOT) return;
    this.#reserve(slot);
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#isWritten[slot] = 1;
  }

  /** A source has a counter as an ordinary number, not negative. */
  counterNumber(slot: number, value: number): void {
    const high = Math.floor(value / HIGH_UNIT);
    this.counter(slot, high, value - high * HIGH_UNIT);
  }

  /** A source read a gauge, in the unit of the source. */
  gauge(slot: number, value: number): void {
    if (slot === NO_SLOT) return;
    this.#reserve(slot);
    const { scale } = this.registry.spec(slot);
    this.#values[slot] = precise(scale === undefined ? value : value * scale);
    this.#isWritten[slot] = 1;
  }

  /** A source derived a value, in the unit of the metric; NaN: not known. */
  set(slot: number, value: number): void {
    if (slot === NO_SLOT) return;
    this.#reserve(slot);
    this.#values[slot] = precise(value);
  }

  /** The value of this tick in the unit of the metric; NaN: none. */
  value(slot: number): number {
    return slot === NO_SLOT ? Number.NaN : (this.#values[slot] ?? Number.NaN);
  }

  /** By how much a counter rose in this tick, in the unit of its source; NaN: not known. */
  delta(slot: number): number {
    return slot === NO_SLOT ? Number.NaN : (this.#deltas[slot] ?? Number.NaN);
  }

  /** Makes values of what was written: `dtS` since the readings before, `decayDtS` since the last tick. */
  settle(slots: readonly number[], dtS: number, decayDtS: number): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      this.#reserve(slot);
      const spec = this.registry.spec(slot);
      if (spec.counter !== undefined) this.#settleCounter(slot, dtS);
      else if (this.#isWritten[slot] === 0) this.#values[slot] = Number.NaN;
      this.#isWritten[slot] = 0;
      if (spec.decays === true && spec.counter !== undefined) this.#decay(slot, decayDtS);
    }
  }

  /** Takes the values that were read or derived into their decays; once a tick, after `derive`. */
  finish(slots: readonly number[], decayDtS: number): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      const spec = this.registry.spec(slot);
      if (spec.decays === true && spec.counter === undefined) this.#decay(slot, decayDtS);
    }
  }

  /** Adds the differences of this reading to those of the row. One that is not known makes the sum unknown. */
  addToRow(slots: readonly number[]): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      this.#rowDeltas[slot] = this.#rowDeltas[slot]! + this.#deltas[slot]!;
    }
  }

  /** Makes the differences and rates those of the row, `rowDtS` long; the next row begins. */
  closeRow(slots: readonly number[], rowDtS: number): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      const { counter, scale = 1 } = this.registry.spec(slot);
      if (counter !== undefined) {
        const delta = this.#rowDeltas[slot]!;
        this.#deltas[slot] = delta;
        this.#values[slot] = rateOf(delta, scale, rowDtS);
      }
      this.#rowDeltas[slot] = 0;
    }
  }

  /** Nothing is known about this tick. Counters keep their readings: the next difference spans the hole. */
  miss(slots: readonly number[], decayDtS: number): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      this.#reserve(slot);
      this.#values[slot] = Number.NaN;
      this.#deltas[slot] = Number.NaN;
      this.#isWritten[slot] = 0;
      if (this.registry.spec(slot).decays === true) this.#decay(slot, decayDtS);
    }
  }

  /** The slot belongs to another instance from now on. */
  forget(slot: number): void {
    if (slot === NO_SLOT) return;
    this.onForget?.(slot);
    this.#reserve(slot);
    this.counters.forget(slot);
    this.decays.forget(slot);
    this.#rowDeltas[slot] = Number.NaN;
    this.#values[slot] = Number.NaN;
    this.#deltas[slot] = Number.NaN;
    this.#isWritten[slot] = 0;
  }

  #settleCounter(slot: number, dtS: number): void {
    if (this.#isWritten[slot] === 0) {
      // Its source was read and it was not there: a device that is gone. It has no predecessor when it returns.
      this.counters.forget(slot);
      this.#deltas[slot] = Number.NaN;
      this.#values[slot] = Number.NaN;
      return;
    }
    const high = this.#high[slot]!;
    const low = this.#low[slot]!;
    // Most counters stand still from one second to the next.
    if (this.counters.stands(slot, high, low)) {
      this.#deltas[slot] = 0;
      this.#values[slot] = dtS > 0 ? 0 : Number.NaN;
      return;
    }
    const { counter, scale = 1, max } = this.registry.spec(slot);
    const deltaMax = max === undefined || !(dtS > 0) ? Infinity : (max * dtS) / scale;
    const delta = this.counters.advance(slot, high, low, counter!, deltaMax);
    this.#deltas[slot] = delta;
    this.#values[slot] = rateOf(delta, scale, dtS);
  }

  #decay(slot: number, dtS: number): void {
    this.decays.observe(slot, this.registry.spec(slot).kind, this.#values[slot]!, dtS);
  }

  #reserve(slot: number): void {
    const slots = this.#values.length;
    if (slot < slots) return;
    const doubled = Math.max(slot + 1, slots * 2);
    this.counters.grow(doubled);
    this.decays.grow(doubled);
    this.#values = grownColumn(this.#values, doubled, Number.NaN);
    this.#deltas = grownColumn(this.#deltas, doubled, Number.NaN);
    this.#rowDeltas = grownColumn(this.#rowDeltas, doubled);
    this.#high = grownColumn(this.#high, doubled);
    this.#low = grownColumn(this.#low, doubled);
    this.#isWritten = grownFlags(this.#isWritten, doubled);
  }
}
