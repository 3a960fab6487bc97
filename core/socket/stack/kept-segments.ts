// Segments that came and cannot be given to the handler yet: behind a gap, or while reading is paused. They are
// what selective acknowledgements report, and must not be dropped once they were reported (RFC 2018, 8).
//
// Only connections that lost something, or read slowly, have any: nothing lies in the connection itself but a flag.
// One list for each such connection, in the order of sequence numbers, without overlaps. Slots of two sizes, for one
// connection as many as its window may need; what finds no slot is dropped by the caller and counted, and comes again.
//
// Memory: 31 MB of addresses, real as slots are first used; one entry of a Map for each such connection. What comes
// last is appended without a search; a report walks the list (719 full segments of a window of 1 MiB: 2 us).

import { assert } from '#core/assert.ts';
import { ByteCopier } from '#core/byte-copier.ts';
import type { NetworkClasses } from '#core/socket/stack/network-classes.ts';
import { SEGMENT_BYTES_MAX, type Segment, TCP_FLAG } from '#core/socket/stack/packet.ts';
import { PacketSlots } from '#core/socket/stack/packet-slots.ts';
import { sequenceAdd, sequenceDistance } from '#core/socket/stack/sequence.ts';
import { SACK_BLOCKS_MAX, type TcpOptions } from '#core/socket/stack/tcp-options.ts';
import { MARK, type TcpTable } from '#core/socket/stack/tcp-table.ts';

/** Most segments of one connection: one for so many bytes of its window, which is more than full ones; at least 64. */
const WINDOW_BYTES_PER_SEGMENT = 1024;
export const KEPT_SEGMENTS_MIN = 64;
const SMALL_SLOTS = 32_768;
const LARGE_SLOTS = 16_384;
const NONE = -1;

/** What became of a segment: some of it was new, nothing was, or there was no room for all of it. */
export const KEEPING = { kept: 1, known: 0, refused: -1 } as const;
export type Keeping = (typeof KEEPING)[keyof typeof KEEPING];

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
  /** By slot, where it is the first of a connection: the last one, and how many there are. */
  readonly #last = new Int32Array(this.#slots.count);
  readonly #count = new Uint16Array(this.#slots.count);
  /** Blocks of a report that wait for the one that is told first. */
  readonly #others = new Uint32Array(2 * SACK_BLOCKS_MAX);
  readonly #networks: NetworkClasses;
  readonly #copier = new ByteCopier();

  constructor(table: TcpTable, networks: NetworkClasses) {
    this.#table = table;
    this.#networks = networks;
  }

  /** Connections that have something here. */
  get connections(): number {
    return this.#firsts.size;
  }

  /**
   * Keeps what is new of a segment from `from` (a sequence number within it) on; what of it finds no room is refused,
   * and the rest with it.
   */
  keep(conn: number, segment: Segment, bytes: Uint8Array, from: number): Keeping {
    const { dataEnd } = segment;
    let start = segment.dataStart + sequenceDistance(from, segment.sequence);
    let sequence = from;
    let keeping: Keeping = KEEPING.known;
    let before: number = this.#lastBefore(conn, from);
    let after = before === NONE ? this.#first(conn) : NONE;
    for (;;) {
      while (after !== NONE && sequenceDistance(this.sequence[after]!, sequence) <= 0) {
        const covered = sequenceDistance(this.#end(after), sequence);
        if (covered > 0) {
          start += covered;
          sequence = sequenceAdd(sequence, covered);
        }
        if (this.hasFin[after] === 1) return keeping;
        before = after;
        after = this.#next[after]! - 1;
      }
      const room = after === NONE ? Infinity : sequenceDistance(this.sequence[after]!, sequence);
      const end = Math.min(dataEnd, start + room);
      // FIN stands behind the rest; nothing follows it.
      const hasFin = after === NONE && (segment.flags & TCP_FLAG.fin) !== 0;
      if (start > end || (start === end && !hasFin)) return keeping;
      const slot = this.#insert(conn, before, after, end - start);
      if (slot === NONE) return KEEPING.refused;
      this.sequence[slot] = sequence;
      this.hasFin[slot] = hasFin ? 1 : 0;
      this.#copier.copy(this.memory, this.start[slot]!, bytes, start, end);
      keeping = KEEPING.kept;
      if (end === dataEnd) return keeping;
      before = slot;
      sequence = sequenceAdd(sequence, end - start);
      start = end;
    }
  }

  /** The last slot, when nothing behind `sequence` is kept and no FIN: most of what comes stands there; else -1. */
  #lastBefore(conn: number, sequence: number): number {
    const first = this.#first(conn);
    if (first === NONE) return NONE;
    const last = this.#last[first]!;
    const isBehind = this.hasFin[last] === 0 && sequenceDistance(sequence, this.#end(last)) >= 0;
    return isBehind ? last : NONE;
  }

  /** A slot for `length` bytes between two of a connection (-1 = none), or -1. */
  #insert(conn: number, before: number, after: number, length: number): number {
    const first = this.#first(conn);
    const count = first === NONE ? 0 : this.#count[first]!;
    const slot = count >= this.#countMax(conn) ? NONE : this.#slots.take(length);
    if (slot === NONE) return NONE;
    this.start[slot] = this.#slots.address(slot);
    this.length[slot] = length;
    const last = after === NONE ? slot : this.#last[first]!;
    this.#next[slot] = after + 1;
    if (before !== NONE) this.#next[before] = slot + 1;
    const head = before === NONE ? slot : first;
    this.#setFirst(conn, head, last, count + 1);
    return slot;
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
    if (next !== NONE) this.#setFirst(conn, next, this.#last[slot]!, this.#count[slot]! - 1);
    else this.#over(conn);
    this.#slots.free(slot);
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
    const expected = this.#table.expected[conn]!;
    const room = max - into.sackCount;
    const others = this.#others;
    let count = 0;
    let hasLatest = false;
    let slot = this.#first(conn);
    while (slot !== NONE && (count < room || !hasLatest)) {
      const start = this.sequence[slot]!;
      let end = this.#blockEnd(slot);
      slot = this.#next[slot]! - 1;
      while (slot !== NONE && this.sequence[slot] === end) {
        end = this.#blockEnd(slot);
        slot = this.#next[slot]! - 1;
      }
      if (sequenceDistance(start, expected) <= 0) continue;
      if (sequenceDistance(latest, start) >= 0 && sequenceDistance(latest, end) < 0) {
        hasLatest = true;
        if (room > 0) into.addSack(start, end);
      } else if (count < room) {
        others[2 * count] = start;
        others[2 * count + 1] = end;
        count++;
      }
    }
    for (let other = 0; other < count && into.sackCount < max; other++) {
      into.addSack(others[2 * other]!, others[2 * other + 1]!);
    }
  }

  /** First slot of a connection, or -1. */
  #first(conn: number): number {
    if ((this.#table.marks[conn]! & MARK.kept) === 0) return NONE;
    return this.#firsts.get(conn) ?? NONE;
  }

  #setFirst(conn: number, slot: number, last: number, count: number): void {
    this.#last[slot] = last;
    this.#count[slot] = count;
    if (this.#firsts.get(conn) === slot) return;
    this.#table.marks[conn]! |= MARK.kept;
    this.#firsts.set(conn, slot);
  }

  #over(conn: number): void {
    this.#table.marks[conn]! &= ~MARK.kept;
    this.#firsts.delete(conn);
  }

  #countMax(conn: number): number {
    const windowBytes = this.#networks.windowBytes(conn);
    return Math.max(KEPT_SEGMENTS_MIN, Math.ceil(windowBytes / WINDOW_BYTES_PER_SEGMENT));
  }

  #end(slot: number): number {
    return sequenceAdd(this.sequence[slot]!, this.length[slot]!);
  }

  #blockEnd(slot: number): number {
    return sequenceAdd(this.#end(slot), this.hasFin[slot]!);
  }
}
