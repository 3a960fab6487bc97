// Segments that came and cannot be given to the handler yet: behind a gap, or while reading is paused. They are
// what selective acknowledgements report, and must not be dropped once they were reported (RFC 2018, 8).
//
// Only connections that lost something, or read slowly, have any: nothing lies in the connection itself but a flag.
// One list for each such connection, in the order of sequence numbers, without overlaps. Slots of two sizes, at most
// KEPT_SEGMENTS_MAX for one connection; what finds no slot is dropped by the caller and counted, and comes again.
//
// Memory: 31 MB of addresses, real as slots are first used; one entry of a Map for each such connection.

import { assert } from '#core/assert.ts';
import { ByteCopier } from '#core/byte-copier.ts';
import { SEGMENT_BYTES_MAX, type Segment, TCP_FLAG } from '#core/socket/stack/packet.ts';
import { PacketSlots } from '#core/socket/stack/packet-slots.ts';
import { sequenceAdd, sequenceDistance } from '#core/socket/stack/sequence.ts';
import type { TcpOptions } from '#core/socket/stack/tcp-options.ts';
import { FLAG, type TcpTable } from '#core/socket/stack/tcp-table.ts';

/** Most segments of one connection: more than a window of full ones. */
export const KEPT_SEGMENTS_MAX = 64;
const SMALL_SLOTS = 32_768;
const LARGE_SLOTS = 16_384;
const NONE = -1;

export class KeptSegments {
  readonly #slots = new PacketSlots(SMALL_SLOTS, LARGE_SLOTS, SEGMENT_BYTES_MAX);
  readonly memory = this.#slots.memory;
  /** By slot: where its bytes begin in the sequence, where they lie in `memory`, how many they are; then FIN. */
  readonly sequence = new Uint32Array(this.#slots.count);
  readonly start = new Uint32Array(this.#slots.count);
  readonly length = new Uint16Array(this.#slots.count);
  readonly hasFin = new Uint8Array(this.#slots.count);
  readonly #table: TcpTable;
  /** Next of the same connection, plus one. */
  readonly #next = this.#slots.next;
  readonly #firsts = new Map<number, number>();
  readonly #copier = new ByteCopier();

  constructor(table: TcpTable) {
    this.#table = table;
  }

  /** Connections that have something here. */
  get connections(): number {
    return this.#firsts.size;
  }

  /**
   * Keeps what is new of a segment from `from` (a sequence number within it) on. False when there is no room; true
   * also when nothing of it was new.
   */
  keep(conn: number, segment: Segment, bytes: Uint8Array, from: number): boolean {
    const skipped = sequenceDistance(from, segment.sequence);
    let start = segment.dataStart + skipped;
    let end = segment.dataEnd;
    let hasFin = (segment.flags & TCP_FLAG.fin) !== 0;
    let sequence = from;
    let before = NONE;
    let after = this.#first(conn);
    let count = 0;
    while (after !== NONE && sequenceDistance(this.sequence[after]!, sequence) <= 0) {
      const covered = sequenceDistance(this.#end(after), sequence);
      if (covered > 0) {
        start += covered;
        sequence = sequenceAdd(sequence, covered);
      }
      if (this.hasFin[after] === 1) return true;
      before = after;
      after = this.#next[after]! - 1;
      count++;
    }
    let hasRest = false;
    if (after !== NONE) {
      const room = sequenceDistance(this.sequence[after]!, sequence);
      hasRest = room < end - start;
      if (hasRest) end = start + room;
      // It stands behind the rest; nothing follows it.
      hasFin = false;
    }
    if (start > end || (start === end && !hasFin)) return true;
    for (let node = after; node !== NONE; node = this.#next[node]! - 1) count++;
    const slot = count >= KEPT_SEGMENTS_MAX ? NONE : this.#slots.take(end - start);
    if (slot === NONE) return false;
    this.sequence[slot] = sequence;
    this.start[slot] = this.#slots.address(slot);
    this.length[slot] = end - start;
    this.hasFin[slot] = hasFin ? 1 : 0;
    this.#copier.copy(this.memory, this.start[slot]!, bytes, start, end);
    this.#next[slot] = after + 1;
    if (before === NONE) this.#begin(conn, slot);
    else this.#next[before] = slot + 1;
    return hasRest ? this.keep(conn, segment, bytes, this.#end(after)) : true;
  }

  /** Where the bytes end that follow `expected` without a gap; FIN is not among them. */
  reach(conn: number, expected: number): number {
    let reached = expected;
    for (let slot = this.#first(conn); slot !== NONE; slot = this.#next[slot]! - 1) {
      if (sequenceDistance(this.sequence[slot]!, reached) > 0) break;
      const further = sequenceDistance(this.#end(slot), reached);
      if (further > 0) reached = sequenceAdd(reached, further);
    }
    return reached;
  }

  /** The first slot, when all before it has been taken and it may be given away; else -1. */
  ready(conn: number): number {
    const slot = this.#first(conn);
    if (slot === NONE) return NONE;
    const isTaken = sequenceDistance(this.#end(slot), this.#table.expected[conn]!) <= 0;
    return isTaken ? slot : NONE;
  }

  /** The bytes of a slot have been given away; what is left of it is its FIN. */
  given(slot: number): void {
    this.sequence[slot] = this.#end(slot);
    this.length[slot] = 0;
  }

  /** Frees the first slot. */
  removeFirst(conn: number): void {
    const slot = this.#first(conn);
    assert(slot !== NONE, 'a connection that frees a kept segment has one');
    const next = this.#next[slot]! - 1;
    this.#slots.free(slot);
    if (next !== NONE) this.#firsts.set(conn, next);
    else this.#over(conn);
  }

  /** What lies before `sequence` came again, and was given away. */
  dropBelow(conn: number, sequence: number): void {
    for (let slot = this.#first(conn); slot !== NONE; slot = this.#first(conn)) {
      const count = sequenceDistance(sequence, this.sequence[slot]!);
      if (count <= 0) return;
      if (count < this.length[slot]! || this.hasFin[slot] === 1) {
        const known = Math.min(count, this.length[slot]!);
        this.sequence[slot] = sequenceAdd(this.sequence[slot]!, known);
        this.start[slot]! += known;
        this.length[slot]! -= known;
        return;
      }
      this.removeFirst(conn);
    }
  }

  /** Frees everything of a connection. */
  forget(conn: number): void {
    while (this.#firsts.has(conn)) this.removeFirst(conn);
  }

  /**
   * Adds to `into`, while it has fewer than `max` blocks, what lies beyond a gap: the block with `latest` first, as it
   * tells the peer most (RFC 2018, 4).
   */
  report(conn: number, latest: number, into: TcpOptions, max: number): void {
    for (const isLatest of [true, false]) {
      let slot = this.#first(conn);
      while (slot !== NONE && into.sackCount < max) {
        const start = this.sequence[slot]!;
        let end = this.#blockEnd(slot);
        slot = this.#next[slot]! - 1;
        while (slot !== NONE && this.sequence[slot] === end) {
          end = this.#blockEnd(slot);
          slot = this.#next[slot]! - 1;
        }
        const isBeyond = sequenceDistance(start, this.#table.expected[conn]!) > 0;
        const hasLatest = sequenceDistance(latest, start) >= 0 && sequenceDistance(latest, end) < 0;
        if (isBeyond && hasLatest === isLatest) into.addSack(start, end);
      }
    }
  }

  /** First slot of a connection, or -1. */
  #first(conn: number): number {
    if ((this.#table.flags[conn]! & FLAG.kept) === 0) return NONE;
    return this.#firsts.get(conn) ?? NONE;
  }

  #begin(conn: number, slot: number): void {
    this.#table.flags[conn]! |= FLAG.kept;
    this.#firsts.set(conn, slot);
  }

  #over(conn: number): void {
    this.#table.flags[conn]! &= ~FLAG.kept;
    this.#firsts.delete(conn);
  }

  #end(slot: number): number {
    return sequenceAdd(this.sequence[slot]!, this.length[slot]!);
  }

  #blockEnd(slot: number): number {
    return sequenceAdd(this.#end(slot), this.hasFin[slot]!);
  }
}
