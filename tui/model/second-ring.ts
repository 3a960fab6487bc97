// The last seconds of one source, one number a metric and second, in memory that never grows.
//
// A slot is a whole second of wall time modulo the capacity; its stamp says which second it holds, so a
// hole (a tick that never came) reads as absent, not as an old value. Cost: 8 bytes a metric and second,
// and nothing is allocated after a metric was first seen.

import { assert } from '#core/assert.ts';

/** Absent: no row for that second, or the source could not measure it. */
export const ABSENT = Number.NaN;

export class SecondRing {
  readonly capacity: number;
  readonly #columnsMax: number;
  readonly #stamps: Float64Array;
  readonly #columns = new Map<string, Float64Array>();
  /** Values that were refused because `columnsMax` metrics are kept already. */
  refused = 0;

  constructor(capacity: number, columnsMax: number) {
    assert(capacity > 0 && columnsMax > 0, 'a ring has room for something');
    this.capacity = capacity;
    this.#columnsMax = columnsMax;
    this.#stamps = new Float64Array(capacity).fill(ABSENT);
  }

  /** Makes room for `second`; what the slot held before is gone. */
  open(second: number): void {
    const slot = this.#slot(second);
    this.#stamps[slot] = second;
    for (const column of this.#columns.values()) column[slot] = ABSENT;
  }

  /** Stores a value of the second that was opened. */
  set(name: string, second: number, value: number): void {
    let column = this.#columns.get(name);
    if (column === undefined) {
      if (this.#columns.size >= this.#columnsMax) {
        this.refused++;
        return;
      }
      column = new Float64Array(this.capacity).fill(ABSENT);
      this.#columns.set(name, column);
    }
    const slot = this.#slot(second);
    assert(this.#stamps[slot] === second, 'a second is opened before it is written');
    column[slot] = value;
  }

  get(name: string, second: number): number {
    const slot = this.#slot(second);
    if (this.#stamps[slot] !== second) return ABSENT;
    return this.#columns.get(name)?.[slot] ?? ABSENT;
  }

  has(second: number): boolean {
    return this.#stamps[this.#slot(second)] === second;
  }

  #slot(second: number): number {
    return ((second % this.capacity) + this.capacity) % this.capacity;
  }
}
