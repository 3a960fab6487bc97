// Memory for byte strings of very different lengths outside the heap of the collector: message payloads,
// client ids, parts of packets. Millions of them cost the garbage collector nothing.
//
// One large buffer is cut into chunks of 64 KiB, or what the largest block needs; a chunk that is in use serves
// blocks of one size, a power of two from 16 B to a chunk. Chunks of a size that have a free block form a
// list; a chunk whose last block is freed goes back to all sizes, so a flood of small strings leaves nothing
// behind that large ones cannot use. Free blocks of a chunk are linked through their own first four bytes.
//
//   handle = byte offset / 16; the size is known by the chunk
//
// Freeing overwrites the bytes with zeros: what was accepted is not in memory any more. Pages of the
// buffer that were never used cost no memory. alloc and free: tens of nanoseconds, no allocation.

import { assert } from '#core/assert.ts';

const CHUNK_SHIFT = 16;
/** A chunk counts its blocks in 16 bits. */
const CHUNK_SHIFT_MAX = 19;
const BLOCK_SHIFT_MIN = 4;
/** Offsets go beyond 32 bits, so shifts are for handles only. */
const WORDS_PER_HANDLE = 4;
const NONE = -1;
/** Class of a chunk that serves no size now. */
const UNUSED = 255;

/** Longest string that fits one block of an arena that was not told otherwise. */
export const BLOCK_BYTES_MAX = 1 << CHUNK_SHIFT;

export class SlabArena {
  /** The memory; a block is [offset(handle), offset(handle) + what was asked for). */
  readonly bytes: Uint8Array;
  /** Longest string that fits one block. */
  readonly blockBytesMax: number;
  /** Bytes of all blocks handed out, by their size and not by what was asked for. */
  usedBytes = 0;
  /** Requests that found no room. */
  refused = 0;
  readonly #words: Int32Array;
  readonly #chunkClass: Uint8Array;
  /** Blocks handed out of a chunk. */
  readonly #chunkUsed: Uint16Array;
  /** Blocks of a chunk that were handed out at least once; those behind are free and unlinked. */
  readonly #chunkTouched: Uint16Array;
  readonly #chunkFree: Int32Array;
  readonly #chunkNext: Int32Array;
  readonly #chunkPrevious: Int32Array;
  /** First chunk of each class that has a free block. */
  readonly #open: Int32Array;
  readonly #handlesShift: number;
  #unusedHead = NONE;
  #freshChunk = 0;
  readonly #chunkCount: number;

  /** `bytesMax` is rounded up to whole chunks; `blockBytesMax` is the longest string that is ever asked for. */
  constructor(bytesMax: number, blockBytesMax = BLOCK_BYTES_MAX) {
    const shift = Math.max(CHUNK_SHIFT, 32 - Math.clz32(blockBytesMax - 1));
    assert(shift <= CHUNK_SHIFT_MAX, 'a block is at most 512 KiB');
    const chunkBytes = 1 << shift;
    this.#handlesShift = shift - BLOCK_SHIFT_MIN;
    this.#open = new Int32Array(this.#handlesShift + 1).fill(NONE);
    this.blockBytesMax = chunkBytes;
    const chunks = Math.max(1, Math.ceil(bytesMax / chunkBytes));
    assert(chunks <= 0x7fff_ffff >>> this.#handlesShift, 'an arena is at most 32 GiB');
    const buffer = new ArrayBuffer(chunks * chunkBytes);
    this.bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#chunkCount = chunks;
    this.#chunkClass = new Uint8Array(chunks).fill(UNUSED);
    this.#chunkUsed = new Uint16Array(chunks);
    this.#chunkTouched = new Uint16Array(chunks);
    this.#chunkFree = new Int32Array(chunks);
    this.#chunkNext = new Int32Array(chunks);
    this.#chunkPrevious = new Int32Array(chunks);
  }

  /** A block for `length` bytes, or -1 (counted) when there is no room. Its contents are undefined. */
  alloc(length: number): number {
    assert(length >= 0 && length <= this.blockBytesMax, 'a string fits a block');
    const sizeClass = classOf(length);
    const chunk = this.#open[sizeClass]! === NONE ? this.#claim(sizeClass) : this.#open[sizeClass]!;
    if (chunk === NONE) {
      this.refused++;
      return NONE;
    }
    let handle = this.#chunkFree[chunk]!;
    if (handle === NONE) {
      handle = (chunk << this.#handlesShift) + (this.#chunkTouched[chunk]! << sizeClass);
      this.#chunkTouched[chunk]!++;
    } else this.#chunkFree[chunk] = this.#words[handle * WORDS_PER_HANDLE]!;
    this.#chunkUsed[chunk]!++;
    if (this.#isFull(chunk, sizeClass)) this.#unlink(chunk, sizeClass);
    this.usedBytes += 1 << (sizeClass + BLOCK_SHIFT_MIN);
    return handle;
  }

  /** Gives a block back and overwrites its first `length` bytes, all that was written to it. */
  free(handle: number, length: number): void {
    const chunk = handle >>> this.#handlesShift;
    const sizeClass = this.#chunkClass[chunk]!;
    assert(sizeClass !== UNUSED && this.#chunkUsed[chunk]! > 0, 'a block is freed once');
    this.#wipe(handle, length);
    if (this.#isFull(chunk, sizeClass)) this.#link(chunk, sizeClass);
    this.usedBytes -= 1 << (sizeClass + BLOCK_SHIFT_MIN);
    this.#words[handle * WORDS_PER_HANDLE] = this.#chunkFree[chunk]!;
    this.#chunkFree[chunk] = handle;
    this.#chunkUsed[chunk]!--;
    if (this.#chunkUsed[chunk] === 0) this.#release(chunk, sizeClass);
  }

  /** Where the block's bytes start in `bytes`. */
  offset(handle: number): number {
    return handle * (1 << BLOCK_SHIFT_MIN);
  }

  /** Bytes that the block can hold. */
  capacity(handle: number): number {
    return 1 << (this.#chunkClass[handle >>> this.#handlesShift]! + BLOCK_SHIFT_MIN);
  }

  #isFull(chunk: number, sizeClass: number): boolean {
    return this.#chunkUsed[chunk] === 1 << (this.#handlesShift - sizeClass);
  }

  /** A chunk without blocks begins to serve a class. */
  #claim(sizeClass: number): number {
    let chunk = this.#unusedHead;
    if (chunk !== NONE) this.#unusedHead = this.#chunkNext[chunk]!;
    else if (this.#freshChunk < this.#chunkCount) chunk = this.#freshChunk++;
    else return NONE;
    this.#chunkClass[chunk] = sizeClass;
    this.#chunkTouched[chunk] = 0;
    this.#chunkFree[chunk] = NONE;
    this.#link(chunk, sizeClass);
    return chunk;
  }

  /** A chunk without blocks stops serving its class. */
  #release(chunk: number, sizeClass: number): void {
    this.#unlink(chunk, sizeClass);
    this.#chunkClass[chunk] = UNUSED;
    this.#chunkNext[chunk] = this.#unusedHead;
    this.#unusedHead = chunk;
  }

  #link(chunk: number, sizeClass: number): void {
    const next = this.#open[sizeClass]!;
    this.#chunkNext[chunk] = next;
    this.#chunkPrevious[chunk] = NONE;
    if (next !== NONE) this.#chunkPrevious[next] = chunk;
    this.#open[sizeClass] = chunk;
  }

  #unlink(chunk: number, sizeClass: number): void {
    const next = this.#chunkNext[chunk]!;
    const previous = this.#chunkPrevious[chunk]!;
    if (next !== NONE) this.#chunkPrevious[next] = previous;
    if (previous === NONE) this.#open[sizeClass] = next;
    else this.#chunkNext[previous] = next;
  }

  /** Whole words (a block begins and ends with one); a loop beats TypedArray.fill for what a chat message has. */
  #wipe(handle: number, length: number): void {
    const start = handle * WORDS_PER_HANDLE;
    const end = start + ((length + 3) >>> 2);
    if (length > 256) this.#words.fill(0, start, end);
    else for (let at = start; at < end; at++) this.#words[at] = 0;
  }
}

/** 0 for up to 16 bytes, 1 for up to 32, ... */
function classOf(length: number): number {
  return length <= 1 << BLOCK_SHIFT_MIN ? 0 : 32 - Math.clz32(length - 1) - BLOCK_SHIFT_MIN;
}
