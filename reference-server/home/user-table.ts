// The users that one worker owns: from a uid to a row number and back. A row is an integer that indexes
// every other table of the home (mailboxes, sessions), so nothing there needs the uid.
//
// Open addressing with linear probing over an Int32Array of row + 1; removal moves followers back, so
// there are no tombstones and a table that has seen a million short-lived clients is as fast as a new
// one. Each row keeps its hash: most misses are decided without touching the uid's bytes.
//
// A row that was freed is used again with another generation; a reference (row, generation) from
// elsewhere is checked with `isCurrent`.
//
// Memory: 13 bytes a row + 5..11 for its cell + the uid's block (16 bytes for up to 16). Cells are at most three
// quarters full: a search that misses then looks at eight of them, which lie side by side.

import { assert } from '#core/assert.ts';
import { uidHash } from '#reference-server/home/uid-hash.ts';
import { BLOCK_BYTES_MAX, SlabArena } from '#reference-server/memory/slab-arena.ts';

/** Longest uid, bytes. The standard asks for 23 at least [MQTT-3.1.3-5]. */
export const UID_BYTES_MAX = 64;
/**
 * The arena never refuses a uid: a chunk begins to serve a size only when all chunks of that size are
 * full, so blocks of 16, 32 and 64 bytes never take more than one of each for every row, and a chunk.
 */
const UID_BLOCKS_BYTES = 16 + 32 + 64;
/** Length of a row that is free. */
const FREE = 0xff;

export class UserTable {
  readonly capacity: number;
  /** Rows in use. */
  count = 0;
  /** Rows that were ever in use are below this. */
  rowsTouched = 0;
  /** The uids: row r has [uidStart(r), uidEnd(r)) of it. */
  readonly uidBytes: Uint8Array;
  readonly #seed: number;
  readonly #arena: SlabArena;
  readonly #cells: Int32Array;
  readonly #mask: number;
  readonly #hash: Uint32Array;
  /** Block of the uid; in free rows the next free row. */
  readonly #block: Int32Array;
  readonly #length: Uint8Array;
  readonly #generation: Uint32Array;
  #freeHead = -1;

  constructor(capacity: number, seed: number) {
    this.capacity = capacity;
    this.#seed = seed;
    this.#arena = new SlabArena(capacity * UID_BLOCKS_BYTES + 3 * BLOCK_BYTES_MAX);
    this.uidBytes = this.#arena.bytes;
    const cells = 1 << (32 - Math.clz32(Math.ceil((capacity * 4) / 3)));
    this.#cells = new Int32Array(cells);
    this.#mask = cells - 1;
    this.#hash = new Uint32Array(capacity);
    this.#block = new Int32Array(capacity);
    this.#length = new Uint8Array(capacity);
    this.#generation = new Uint32Array(capacity);
  }

  hashOf(bytes: Uint8Array, start: number, end: number): number {
    return uidHash(bytes, start, end, this.#seed);
  }

  /** Row of the uid in [start, end) of `bytes`, or -1. `hash` is its `hashOf`. */
  find(bytes: Uint8Array, start: number, end: number, hash: number): number {
    for (let cell = hash & this.#mask; ; cell = (cell + 1) & this.#mask) {
      const row = this.#cells[cell]! - 1;
      if (row < 0) return -1;
      if (this.#hash[row] === hash && this.isUid(row, bytes, start, end)) return row;
    }
  }

  /** A row for a uid that `find` did not know, or -1 when the table is full. */
  add(bytes: Uint8Array, start: number, end: number, hash: number): number {
    assert(end - start <= UID_BYTES_MAX, 'a uid is at most 64 bytes');
    if (this.count === this.capacity) return -1;
    const block = this.#arena.alloc(end - start);
    assert(block >= 0, 'the uid arena has room for the longest uid of every row');
    let row = this.#freeHead;
    if (row >= 0) this.#freeHead = this.#block[row]!;
    else row = this.rowsTouched++;
    const at = this.#arena.offset(block);
    for (let i = 0; i < end - start; i++) this.uidBytes[at + i] = bytes[start + i]!;
    this.#block[row] = block;
    this.#length[row] = end - start;
    this.#hash[row] = hash;
    let cell = hash & this.#mask;
    while (this.#cells[cell] !== 0) cell = (cell + 1) & this.#mask;
    this.#cells[cell] = row + 1;
    this.count++;
    return row;
  }

  /** Frees a row; references to it become stale. */
  remove(row: number): void {
    this.#removeCell(this.#cellOf(row));
    this.#arena.free(this.#block[row]!, this.#length[row]!);
    this.#generation[row]!++;
    this.#length[row] = FREE;
    this.#block[row] = this.#freeHead;
    this.#freeHead = row;
    this.count--;
  }

  uidStart(row: number): number {
    return this.#arena.offset(this.#block[row]!);
  }

  uidEnd(row: number): number {
    return this.uidStart(row) + this.#length[row]!;
  }

  /** The uid as text; allocates. */
  nameOf(row: number): string {
    const start = this.uidStart(row);
    return Buffer.from(this.uidBytes.subarray(start, this.uidEnd(row))).toString('utf8');
  }

  /** Whether a row below `rowsTouched` has a user now. */
  isUsed(row: number): boolean {
    return this.#length[row] !== FREE;
  }

  /** Changes whenever the row is given to another user. */
  generation(row: number): number {
    return this.#generation[row]!;
  }

  /**
   * The generations of all rows that were ever in use: a copy, in which a free row has the one before its own, as its
   * next user takes the row with the generation that it has now.
   */
  generations(): Uint32Array {
    const generations = this.#generation.slice(0, this.rowsTouched);
    for (let row = 0; row < generations.length; row++) if (!this.isUsed(row)) generations[row]!--;
    return generations;
  }

  /** Whether a reference that was taken earlier still means the same user. */
  isCurrent(row: number, generation: number): boolean {
    return row >= 0 && row < this.rowsTouched && this.#generation[row] === generation;
  }

  /** Whether row's uid is [start, end) of `bytes`. */
  isUid(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = this.#length[row]!;
    if (end - start !== length) return false;
    const at = this.#arena.offset(this.#block[row]!);
    for (let i = 0; i < length; i++) if (this.uidBytes[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #cellOf(row: number): number {
    let cell = this.#hash[row]! & this.#mask;
    while (this.#cells[cell] !== row + 1) {
      assert(this.#cells[cell] !== 0, 'a row that is removed is in the table');
      cell = (cell + 1) & this.#mask;
    }
    return cell;
  }

  /** Empties a cell and moves those behind it that could not stand nearer to their own place. */
  #removeCell(empty: number): void {
    let cell = empty;
    for (;;) {
      cell = (cell + 1) & this.#mask;
      const row = this.#cells[cell]! - 1;
      if (row < 0) break;
      const wanted = this.#hash[row]! & this.#mask;
      // The row may move when its own place is not between the gap and where it stands.
      if (((cell - wanted) & this.#mask) < ((cell - empty) & this.#mask)) continue;
      this.#cells[empty] = row + 1;
      empty = cell;
    }
    this.#cells[empty] = 0;
  }
}
