// Cuts what arrives on very many connections into MQTT packets. Nearly every packet arrives whole
// and is read where it lies. Of a packet that is cut by the edge of a receive buffer only the head
// is kept, in a slot that is borrowed from a small pool; the rest of a long payload is counted and
// not stored. The packet is announced when its last byte is there, so that its arrival is not dated
// too early.
//
// Cost: 2 bytes of addresses a connection, real where packets are cut, and 144 a slot; no allocation.
// Bounded: when all slots are borrowed, feeding fails (the caller drops that connection).

import { assert } from '#core/assert.ts';
import { announcedLength } from '#core/wire/mqtt/frame.ts';

/**
 * Bytes kept of a cut packet: first byte, length (4), topic length (2), topic 'm/' and eight digits
 * (10), packet id (2) and the payload header (36) are 55; the rest is room for the properties that a
 * broker of MQTT 5 adds.
 */
export const HEAD_BYTES = 128;

/** More than any packet we ask for; a broker that announces more is no MQTT broker. */
const PACKET_BYTES_MAX = 2 ** 20;

const SLOTS_MAX = 2 ** 16 - 1;

/** Result of `feed` when no slot was free; below zero like the FLAWs of the codec. */
export const NO_SLOT = -100;

/**
 * A packet: bytes [start, end) hold all of it, or the first HEAD_BYTES when it was long and cut.
 * Returns false to stop reading this connection.
 */
export type OnPacket = (conn: number, bytes: Uint8Array, start: number, end: number) => boolean;

/**
 * Length of the packet at `start`, 0 when more bytes are needed to tell, below zero when it is none.
 */
export type Measure = (bytes: Uint8Array, start: number, end: number) => number;

const measureMqtt: Measure = (bytes, start, end) =>
  announcedLength(bytes, start, end, PACKET_BYTES_MAX);

export class PacketReader {
  readonly #onPacket: OnPacket;
  readonly #measure: Measure;
  /** Slot of a connection in the middle of a packet, plus one; 0 = between packets. */
  readonly #slotOf: Uint16Array;
  /** Free slots, as a stack. */
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #heads: Uint8Array;
  /** Bytes in the slot, and of the packet that have come by in all. */
  readonly #headBytes: Uint8Array;
  readonly #seenBytes: Uint32Array;
  /** Length of the packet; 0 = its header is not complete. */
  readonly #packetBytes: Uint32Array;

  constructor(capacity: number, slots: number, onPacket: OnPacket, measure: Measure = measureMqtt) {
    this.#onPacket = onPacket;
    this.#measure = measure;
    assert(slots <= SLOTS_MAX, 'the number of a slot has 16 bits');
    this.#slotOf = new Uint16Array(capacity);
    this.#free = Int32Array.from({ length: slots }, (_, i) => i);
    this.#freeCount = slots;
    this.#heads = new Uint8Array(slots * HEAD_BYTES);
    this.#headBytes = new Uint8Array(slots);
    this.#seenBytes = new Uint32Array(slots);
    this.#packetBytes = new Uint32Array(slots);
  }

  /** Slots that are not borrowed. */
  get freeSlots(): number {
    return this.#freeCount;
  }

  /** Takes bytes [start, end) of a connection. 0, or why it must be dropped: a FLAW, or NO_SLOT. */
  feed(conn: number, bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#slotOf[conn] !== 0) {
        at = this.#resume(conn, bytes, at, end);
        if (at < 0) return at;
        if (this.#slotOf[conn] !== 0) return 0;
        continue;
      }
      const length = this.#measure(bytes, at, end);
      if (length < 0) return length;
      if (length === 0 || length > end - at) return this.#keep(conn, bytes, at, end, length);
      at += length;
      if (!this.#onPacket(conn, bytes, at - length, at)) return 0;
    }
    return 0;
  }

  /** Forgets what a connection had begun. */
  drop(conn: number): void {
    const slot = this.#slotOf[conn]! - 1;
    if (slot < 0) return;
    this.#slotOf[conn] = 0;
    this.#free[this.#freeCount++] = slot;
  }

  /** Begins a packet whose end has not come. */
  #keep(conn: number, bytes: Uint8Array, start: number, end: number, length: number): number {
    if (this.#freeCount === 0) return NO_SLOT;
    const slot = this.#free[--this.#freeCount]!;
    this.#slotOf[conn] = slot + 1;
    this.#headBytes[slot] = 0;
    this.#seenBytes[slot] = 0;
    this.#packetBytes[slot] = length;
    this.#absorb(slot, bytes, start, end);
    return 0;
  }

  /** Goes on with a begun packet; returns where the next one starts, or a FLAW. */
  #resume(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const slot = this.#slotOf[conn]! - 1;
    const head = slot * HEAD_BYTES;
    let at = start;
    // The header first, byte by byte: it says how much is still to come.
    while (this.#packetBytes[slot] === 0) {
      if (at === end) return at;
      this.#absorb(slot, bytes, at, at + 1);
      at++;
      const headEnd = head + this.#headBytes[slot]!;
      const length = this.#measure(this.#heads, head, headEnd);
      if (length < 0) return length;
      this.#packetBytes[slot] = length;
    }
    const missing = this.#packetBytes[slot]! - this.#seenBytes[slot]!;
    const taken = Math.min(missing, end - at);
    this.#absorb(slot, bytes, at, at + taken);
    if (taken < missing) return at + taken;
    const headEnd = head + this.#headBytes[slot]!;
    this.drop(conn);
    // The slot is free already, and nobody takes it before this call has returned.
    return this.#onPacket(conn, this.#heads, head, headEnd) ? at + taken : end;
  }

  #absorb(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const kept = Math.min(HEAD_BYTES - this.#headBytes[slot]!, end - start);
    const to = slot * HEAD_BYTES + this.#headBytes[slot]!;
    for (let i = 0; i < kept; i++) this.#heads[to + i] = bytes[start + i]!;
    this.#headBytes[slot]! += kept;
    this.#seenBytes[slot]! += end - start;
  }
}
