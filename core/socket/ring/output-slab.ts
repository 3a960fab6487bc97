// Output that waits to be sent, of all connections, in chunks of one shared piece of memory: a connection
// without output holds none. A connection's chunks form a queue; bytes are appended at the end of the last
// chunk and sent from the start of the first, also while an earlier part of the same chunk is in flight.
//
// Memory: 4 bytes a connection, which name its first chunk; what else is known of a queue stands beside that
// chunk. Virtual from the start, real as chunks are first used; freed chunks are reused last-in first-out, so
// it stays at the high-water mark. Allocates nothing after construction.

import { ByteCopier } from '#core/byte-copier.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';

/** One page holds four; a typical turn's output of one connection fits into one chunk. */
export const CHUNK_BYTES = 1024;
/** Chunks beyond the bytes bound: each of this many connections may leave its first and last one part empty. */
const SPARE_CHUNKS_MAX = 131_072;
const NONE = -1;

export class OutputSlab {
  readonly address: number;
  readonly #mapping: Mapping;
  readonly #memory: Buffer;
  readonly #copier = new ByteCopier();
  /** First chunk of each connection, plus one; 0 = none. */
  readonly #first: Int32Array;
  /** By the first chunk of a queue: its last one, and all bytes of the queue. */
  readonly #last: Int32Array;
  readonly #bytes: Uint32Array;
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
    this.#first = new Int32Array(capacity);
    this.#last = new Int32Array(chunks);
    this.#bytes = new Uint32Array(chunks);
    this.#next = new Int32Array(chunks);
    this.#start = new Uint16Array(chunks);
    this.#end = new Uint16Array(chunks);
    this.#freeCount = chunks;
  }

  /** Bytes queued for a connection. */
  bytesOf(conn: number): number {
    const first = this.#first[conn]! - 1;
    return first === NONE ? 0 : this.#bytes[first]!;
  }

  /** Appends a copy; false (and nothing appended) when no chunks are left. */
  append(conn: number, source: Uint8Array, start: number, end: number): boolean {
    const count = end - start;
    const first = this.#first[conn]! - 1;
    let chunk = first === NONE ? NONE : this.#last[first]!;
    const room = chunk === NONE ? 0 : CHUNK_BYTES - this.#end[chunk]!;
    if (count > room && Math.ceil((count - room) / CHUNK_BYTES) > this.#freeCount) return false;
    let from = start;
    while (from < end) {
      if (chunk === NONE || this.#end[chunk] === CHUNK_BYTES) chunk = this.#appendChunk(conn);
      const at = this.#end[chunk]!;
      const piece = Math.min(end - from, CHUNK_BYTES - at);
      this.#copier.copy(this.#memory, chunk * CHUNK_BYTES + at, source, from, from + piece);
      this.#end[chunk] = at + piece;
      from += piece;
    }
    if (count > 0) this.#bytes[this.#first[conn]! - 1]! += count;
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
    const first = this.#first[conn]! - 1;
    return first !== NONE && first !== this.#last[first];
  }

  /** Writes up to `countMax` iovecs { address u64, length u64 } into `words` from `at`; returns how many. */
  writeVectors(conn: number, words: Int32Array, at: number, countMax: number): number {
    let count = 0;
    const first = this.#first[conn]! - 1;
    const last = first === NONE ? NONE : this.#last[first]!;
    for (let chunk = first; chunk !== NONE && count < countMax; count++) {
      const address = this.address + chunk * CHUNK_BYTES + this.#start[chunk]!;
      const word = at + count * 4;
      words[word] = address;
      words[word + 1] = address / 0x100000000;
      words[word + 2] = this.#end[chunk]! - this.#start[chunk]!;
      words[word + 3] = 0;
      chunk = chunk === last ? NONE : this.#next[chunk]!;
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
        this.#bytes[chunk]! -= left;
        return;
      }
      left -= held;
      this.#freeFirst(conn);
    }
  }

  /** Drops everything queued; returns how many bytes that was. */
  drop(conn: number): number {
    const count = this.bytesOf(conn);
    while (this.#first[conn] !== 0) this.#freeFirst(conn);
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
    const first = this.#first[conn]! - 1;
    if (first === NONE) {
      this.#first[conn] = chunk + 1;
      this.#last[chunk] = chunk;
      this.#bytes[chunk] = 0;
    } else {
      this.#next[this.#last[first]!] = chunk;
      this.#last[first] = chunk;
    }
    return chunk;
  }

  #freeFirst(conn: number): void {
    const chunk = this.#first[conn]! - 1;
    const last = this.#last[chunk]!;
    if (chunk === last) {
      this.#first[conn] = 0;
    } else {
      const next = this.#next[chunk]!;
      this.#first[conn] = next + 1;
      this.#last[next] = last;
      this.#bytes[next] = this.#bytes[chunk]! - (this.#end[chunk]! - this.#start[chunk]!);
    }
    this.#next[chunk] = this.#free;
    this.#free = chunk;
    this.#freeCount++;
  }
}
