// Memory for packets and segments that wait: slots of two sizes, since most are acknowledgements and short messages.
// A short one takes a large slot when all small ones are taken. Real memory as slots are first used; a slot that was
// given back is used before a new one.

import { assert } from '#core/assert.ts';

/** Longest packet of a small slot, bytes. */
const SMALL_BYTES = 192;
const NONE = -1;

export class PacketSlots {
  readonly memory: Uint8Array;
  /** Of both sizes. */
  readonly count: number;
  /** By slot, plus one, 0 = none: of a taken slot its owner's list, of a free one the next free one. */
  readonly next: Int32Array;
  readonly #smallSlots: number;
  readonly #largeBytes: number;
  #freeSmall = 0;
  #freshSmall = 0;
  #freeLarge = 0;
  #freshLarge: number;

  /** `largeBytes`: of the longest packet. */
  constructor(smallSlots: number, largeSlots: number, largeBytes: number) {
    this.count = smallSlots + largeSlots;
    this.memory = new Uint8Array(smallSlots * SMALL_BYTES + largeSlots * largeBytes);
    this.next = new Int32Array(this.count);
    this.#smallSlots = smallSlots;
    this.#largeBytes = largeBytes;
    this.#freshLarge = smallSlots;
  }

  /** A slot for so many bytes, or -1. */
  take(length: number): number {
    assert(length <= this.#largeBytes, 'a packet fits a slot');
    if (length <= SMALL_BYTES) {
      if (this.#freeSmall !== 0) {
        const slot = this.#freeSmall - 1;
        this.#freeSmall = this.next[slot]!;
        return slot;
      }
      if (this.#freshSmall < this.#smallSlots) return this.#freshSmall++;
    }
    if (this.#freeLarge !== 0) {
      const slot = this.#freeLarge - 1;
      this.#freeLarge = this.next[slot]!;
      return slot;
    }
    return this.#freshLarge < this.count ? this.#freshLarge++ : NONE;
  }

  free(slot: number): void {
    if (slot < this.#smallSlots) {
      this.next[slot] = this.#freeSmall;
      this.#freeSmall = slot + 1;
    } else {
      this.next[slot] = this.#freeLarge;
      this.#freeLarge = slot + 1;
    }
  }

  /** Where the bytes of a slot begin in `memory`. */
  address(slot: number): number {
    if (slot < this.#smallSlots) return slot * SMALL_BYTES;
    return this.#smallSlots * SMALL_BYTES + (slot - this.#smallSlots) * this.#largeBytes;
  }
}
