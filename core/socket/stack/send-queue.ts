// Bytes that wait to be sent or to be acknowledged, of all connections, in chunks of one piece of memory.
// Unlike the queue of a kernel socket it is read at any offset, because what was sent may be sent again. A cursor
// stands where it was read furthest, so that sending a long queue does not search it from its start for each segment.
//
// Memory: virtual from the start, real as chunks are first used; bounded by the chunks there are.

import { ByteCopier } from '#core/byte-copier.ts';
import type { Flights } from '#core/socket/stack/flights.ts';

const CHUNK_BYTES = 512;
/** Chunks beyond the bytes bound: the first and last one of so many queues may be partly empty. */
const SPARE_CHUNKS_MAX = 131_072;

export class SendQueue {
  /** Chunks that were passed over to find a byte. */
  passed = 0;
  readonly #flights: Flights;
  readonly #memory: Uint8Array;
  readonly #copierIn = new ByteCopier();
  readonly #copierOut = new ByteCopier();
  /** Next chunk, plus one; free chunks are linked the same way. */
  readonly #next: Int32Array;
  #free = 0;
  #fresh = 0;
  #freeCount: number;

  constructor(flights: Flights, bytesTotalMax: number) {
    const queues = flights.conn.length;
    const chunks = Math.ceil(bytesTotalMax / CHUNK_BYTES) + Math.min(2 * queues, SPARE_CHUNKS_MAX);
    this.#flights = flights;
    this.#memory = new Uint8Array(chunks * CHUNK_BYTES);
    this.#next = new Int32Array(chunks);
    this.#freeCount = chunks;
  }

  /** Appends a copy; false (and nothing appended) when no chunks are left. */
  append(flight: number, source: Uint8Array, start: number, end: number): boolean {
    const { bytes, chunkStart, firstChunk } = this.#flights;
    const held = firstChunk[flight] === 0 ? 0 : chunkStart[flight]! + bytes[flight]!;
    let filled = held % CHUNK_BYTES;
    const room = filled === 0 ? 0 : CHUNK_BYTES - filled;
    const count = end - start;
    if (count > room && Math.ceil((count - room) / CHUNK_BYTES) > this.#freeCount) return false;
    for (let from = start; from < end; ) {
      if (filled === 0) this.#appendChunk(flight);
      const chunk = this.#flights.lastChunk[flight]! - 1;
      const piece = Math.min(end - from, CHUNK_BYTES - filled);
      const at = chunk * CHUNK_BYTES + filled;
      this.#copierIn.copy(this.#memory, at, source, from, from + piece);
      from += piece;
      filled = (filled + piece) % CHUNK_BYTES;
    }
    bytes[flight]! += count;
    return true;
  }

  /** Copies `count` bytes from `offset` of the queue on to `target`. */
  copyOut(flight: number, offset: number, count: number, target: Uint8Array, at: number): void {
    const { chunkStart, firstChunk, cursorChunk, cursorAt } = this.#flights;
    const from = chunkStart[flight]! + offset;
    const isBehind = cursorChunk[flight] !== 0 && from >= cursorAt[flight]!;
    let chunk = (isBehind ? cursorChunk[flight]! : firstChunk[flight]!) - 1;
    let begin = isBehind ? cursorAt[flight]! : 0;
    for (; from - begin >= CHUNK_BYTES; begin += CHUNK_BYTES) {
      chunk = this.#next[chunk]! - 1;
      this.passed++;
    }
    for (let done = 0; done < count; ) {
      const position = from + done - begin;
      const piece = Math.min(count - done, CHUNK_BYTES - position);
      const start = chunk * CHUNK_BYTES + position;
      this.#copierOut.copy(target, at + done, this.#memory, start, start + piece);
      done += piece;
      if (done === count) break;
      begin += CHUNK_BYTES;
      chunk = this.#next[chunk]! - 1;
    }
    const isFurthest = begin > 0 && (cursorChunk[flight] === 0 || begin > cursorAt[flight]!);
    if (isFurthest) {
      cursorChunk[flight] = chunk + 1;
      cursorAt[flight] = begin;
    }
  }

  /** The first `count` bytes are no longer needed. */
  consume(flight: number, count: number): void {
    const { bytes, chunkStart } = this.#flights;
    let start = chunkStart[flight]! + count;
    bytes[flight]! -= count;
    for (; start >= CHUNK_BYTES; start -= CHUNK_BYTES) this.#freeFirst(flight);
    chunkStart[flight] = start;
    if (bytes[flight] === 0 && this.#flights.firstChunk[flight] !== 0) this.#freeFirst(flight);
    if (bytes[flight] === 0) chunkStart[flight] = 0;
  }

  #appendChunk(flight: number): void {
    const { firstChunk, lastChunk, chunkStart } = this.#flights;
    let chunk = this.#free - 1;
    if (chunk < 0) chunk = this.#fresh++;
    else this.#free = this.#next[chunk]!;
    this.#freeCount--;
    this.#next[chunk] = 0;
    if (firstChunk[flight] === 0) {
      firstChunk[flight] = chunk + 1;
      chunkStart[flight] = 0;
    } else {
      this.#next[lastChunk[flight]! - 1] = chunk + 1;
    }
    lastChunk[flight] = chunk + 1;
  }

  #freeFirst(flight: number): void {
    const { firstChunk, cursorChunk, cursorAt } = this.#flights;
    const chunk = firstChunk[flight]! - 1;
    if (cursorChunk[flight] === chunk + 1) cursorChunk[flight] = 0;
    else cursorAt[flight]! -= CHUNK_BYTES;
    firstChunk[flight] = this.#next[chunk]!;
    this.#next[chunk] = this.#free;
    this.#free = chunk + 1;
    this.#freeCount++;
  }
}
