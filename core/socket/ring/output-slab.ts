// Output that waits to be sent, of all connections, in chunks of one shared piece of memory: a connection
// without output holds none. A connection's chunks form a queue; bytes are appended at the end of the last
// chunk and sent from the start of the first, also while an earlier part of the same chunk is in flight.
//
// Memory: virtual from the start, real as chunks are first used; freed chunks are reused last-in first-out,
// so it stays at the high-water mark. Allocates nothing after construction.

import { copyBytes } from '#core/socket/copy-bytes.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';

/** One page holds four; a typical turn's output of one connection fits into one chunk. */
export const CHUNK_BYTES = 1024;
/** Chunks beyond the bytes bound: each of this many connections may leave its first and last one part empty. */
const SPARE_CHUNKS_MAX = 131_072;
const NONE = -1;

export class OutputSlab {
  /** Bytes queued per connection. */
  readonly bytes: Uint32Array;
  readonly address: number;
  readonly #mapping: Mapping;
  readonly #memory: Buffer;
  /** First and last chunk of each connection, plus one; 0 = none. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #next: Int32Array;
  readonly #start: Uint16Array;
  readonly #end: Uint16Array;
  #free = NONE;
  /** Chunks from here on were never used. */
  #fresh = 0;
  #freeCount: number;

  constructor(libc: Libc, capacity: number, bytesTotalMax: number) {
    const chunks =
      Math.ceil(bytesTotalMax / CHUNK_BYTES) + Math.min(2 * capacity, SPARE_CHUNKS_MAX);
    this.#mapping = libc.mapMemory(chunks * CHUNK_BYTES);
    this.address = this.#mapping.address;
    this.#memory = Buffer.from(this.#mapping.buffer);
    this.bytes = new Uint32Array(capacity);
    this.#first = new Int32Array(capacity);
    this.#last = new Int32Array(capacity);
    this.#next = new Int32Array(chunks);
    this.#start = new Uint16Array(chunks);
    this.#end = new Uint16Array(chunks);
    this.#freeCount = chunks;
  }

  /** Appends a copy; false (and nothing appended) when no chunks are left. */
  append(conn: number, source: Uint8Array, start: number, end: number): boolean {
    const count = end - start;
    let chunk = this.#last[conn]! - 1;
    const room = chunk === NONE ? 0 : CHUNK_BYTES - this.#end[chunk]!;
    if (count > room && Math.ceil((count - room) / CHUNK_BYTES) > this.#freeCount) return false;
    let from = start;
    while (from < end) {
      if (chunk === NONE || this.#end[chunk] === CHUNK_BYTES) chunk = this.#appendChunk(conn);
      const at = this.#end[chunk]!;
      const piece = Math.min(end - from, CHUNK_BYTES - at);
      copyBytes(source, from, piece, this.#memory, chunk * CHUNK_BYTES + at);
      this.#end[chunk] = at + piece;
      from += piece;
    }
    this.bytes[conn]! += count;
    return true;
  }

  /** Address of the first byte to send. The connection has output. */
  firstAddress(conn: number): number {
    const chunk = this.#first[conn]! - 1;
    return this.address + chunk * CHUNK_BYTES + this.#start[chunk]!;
  }

  /** Bytes that lie together from `firstAddress` on. */
  firstLength(conn: number): number {
    const chunk = this.#first[conn]! - 1;
    return this.#end[chunk]! - this.#start[chunk]!;
  }

  hasManyChunks(conn: number): boolean {
    return this.#first[conn] !== this.#last[conn];
  }

  /** Writes up to `countMax` iovecs { address u64, length u64 } into `words` from `at`; returns how many. */
  writeVectors(conn: number, words: Int32Array, at: number, countMax: number): number {
    let count = 0;
    for (let chunk = this.#first[conn]! - 1; chunk !== NONE && count < countMax; count++) {
      const address = this.address + chunk * CHUNK_BYTES + this.#start[chunk]!;
      const word = at + count * 4;
      words[word] = address;
      words[word + 1] = address / 0x100000000;
      words[word + 2] = this.#end[chunk]! - this.#start[chunk]!;
      words[word + 3] = 0;
      chunk = chunk === this.#last[conn]! - 1 ? NONE : this.#next[chunk]!;
    }
    return count;
  }

  /** The first `count` bytes were sent. */
  consume(conn: number, count: number): void {
    let left = count;
    while (left > 0) {
      const chunk = this.#first[conn]! - 1;
      const held = this.#end[chunk]! - this.#start[chunk]!;
      if (left < held) {
        this.#start[chunk]! += left;
        break;
      }
      left -= held;
      this.#freeFirst(conn);
    }
    this.bytes[conn]! -= count;
  }

  /** Drops everything queued; returns how many bytes that was. */
  drop(conn: number): number {
    const count = this.bytes[conn]!;
    while (this.#first[conn] !== 0) this.#freeFirst(conn);
    this.bytes[conn] = 0;
    return count;
  }

  close(): void {
    this.#mapping.unmap();
  }

  #appendChunk(conn: number): number {
    let chunk = this.#free;
    if (chunk === NONE) chunk = this.#fresh++;
    else this.#free = this.#next[chunk]!;
    this.#freeCount--;
    this.#start[chunk] = 0;
    this.#end[chunk] = 0;
    if (this.#last[conn] === 0) this.#first[conn] = chunk + 1;
    else this.#next[this.#last[conn]! - 1] = chunk;
    this.#last[conn] = chunk + 1;
    return chunk;
  }

  #freeFirst(conn: number): void {
    const chunk = this.#first[conn]! - 1;
    if (this.#first[conn] === this.#last[conn]) {
      this.#first[conn] = 0;
      this.#last[conn] = 0;
    } else {
      this.#first[conn] = this.#next[chunk]! + 1;
    }
    this.#next[chunk] = this.#free;
    this.#free = chunk;
    this.#freeCount++;
  }
}
