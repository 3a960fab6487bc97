// The way from the production plane to the shadow plane: a bounded ring of bytes in shared memory with
// one writer and one reader. The writer never waits, never makes a system call and never learns more
// than "no room", on which it gives the copy of that connection up.
//
//   word 0                          word 1   payload
//   | kind: 4 bits | value: 28 bits | flow   | value bytes (data only), padded to 8 |
//
// `value` is the length of data, else what the kind says. Records start at multiples of 8, so a header
// never wraps; a payload may, and is then read in two parts. Positions are byte counts modulo 2^32.
//
// A copy that has been opened must also be able to end: for each open copy CONTROL_BYTES_RESERVED stay
// free for its last records (`end`, then one of done, reset, cut), so these never fail.

import { assert } from '#core/assert.ts';

export const COPY = {
  /** A connection reached production; value = its generation (28 bits). */
  open: 1,
  /** Bytes of the client. */
  data: 2,
  /** The client has finished sending (FIN). */
  end: 3,
  /** Last record: the production connection ended orderly. */
  done: 4,
  /** Last record: the production connection was reset or failed; the copy ends in kind. */
  reset: 5,
  /** Last record: the copy is given up; value = the reason, index of SHED_REASONS. */
  cut: 6,
} as const;
export type CopyKind = (typeof COPY)[keyof typeof COPY];

/** Generations and other values are this many bits wide. */
export const VALUE_MASK = 2 ** 28 - 1;

const HEADER_BYTES = 8;
const CONTROL_BYTES_RESERVED = 2 * HEADER_BYTES;
/** Shared words before the bytes; written and read position on cache lines of their own. */
const WRITTEN = 0;
const READ = 16;
const WORDS = 32;

/** Memory for a ring of `bytes`, a power of two in [4 KiB, 1 GiB]. */
export function allocateCopyRing(bytes: number): SharedArrayBuffer {
  assert(Number.isInteger(Math.log2(bytes)) && bytes >= 4096 && bytes <= 2 ** 30, 'a ring is 2^n');
  return new SharedArrayBuffer(WORDS * 4 + bytes);
}

class RingView {
  protected readonly shared: Int32Array;
  protected readonly bytes: Uint8Array;
  protected readonly words: Int32Array;
  readonly size: number;

  constructor(memory: SharedArrayBuffer) {
    this.size = memory.byteLength - WORDS * 4;
    this.shared = new Int32Array(memory, 0, WORDS);
    this.bytes = new Uint8Array(memory, WORDS * 4, this.size);
    this.words = new Int32Array(memory, WORDS * 4, this.size / 4);
  }

  /** Bytes of records that wait for the reader, headers included. */
  get usedBytes(): number {
    return (Atomics.load(this.shared, WRITTEN) - Atomics.load(this.shared, READ)) >>> 0;
  }
}

export class CopyRingWriter extends RingView {
  #written: number;
  /** Where the reader was when last looked at: looked at again only when there seems to be no room. */
  #readSeen: number;
  #reservedBytes = 0;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.#written = Atomics.load(this.shared, WRITTEN) >>> 0;
    this.#readSeen = Atomics.load(this.shared, READ) >>> 0;
  }

  /** Begins a copy; false when there is no room, then nothing of this connection may be written. */
  open(flow: number, generation: number): boolean {
    if (!this.#hasRoom(HEADER_BYTES + CONTROL_BYTES_RESERVED)) return false;
    this.#reservedBytes += CONTROL_BYTES_RESERVED;
    this.#header(COPY.open, flow, generation);
    this.#publish();
    return true;
  }

  /** Adds bytes [start, end) to an open copy; false when there is no room, then the caller must `finish` with cut. */
  data(flow: number, source: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (!this.#hasRoom(HEADER_BYTES + padded(length))) return false;
    this.#header(COPY.data, flow, length);
    const at = this.#written & (this.size - 1);
    const first = Math.min(length, this.size - at);
    // Buffer's copy: four times faster into shared memory than `set`, and it makes no view.
    copyBytes.call(source, this.bytes, at, start, start + first);
    if (first < length) copyBytes.call(source, this.bytes, 0, start + first, end);
    this.#written = (this.#written + padded(length)) >>> 0;
    this.#publish();
    return true;
  }

  /** The client finished sending; at most once, before `finish`. Never fails. */
  end(flow: number): void {
    this.#reservedBytes -= HEADER_BYTES;
    this.#header(COPY.end, flow, 0);
    this.#publish();
  }

  /** The last record of a copy; `ended` says whether `end` was written. Never fails. */
  finish(
    flow: number,
    kind: typeof COPY.done | typeof COPY.reset | typeof COPY.cut,
    value: number,
    ended: boolean,
  ): void {
    this.#reservedBytes -= ended ? HEADER_BYTES : CONTROL_BYTES_RESERVED;
    this.#header(kind, flow, value);
    this.#publish();
  }

  /** Whether less than half of the ring is taken. */
  get isHalfFree(): boolean {
    if (this.#freeBytes() > this.size / 2) return true;
    this.#readSeen = Atomics.load(this.shared, READ) >>> 0;
    return this.#freeBytes() > this.size / 2;
  }

  /** Throws everything away, for a reader that is gone; every copy is over without a last record. */
  clear(): void {
    this.#reservedBytes = 0;
    this.#readSeen = this.#written;
    Atomics.store(this.shared, READ, this.#written | 0);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#freeBytes() >= bytes) return true;
    this.#readSeen = Atomics.load(this.shared, READ) >>> 0;
    return this.#freeBytes() >= bytes;
  }

  #freeBytes(): number {
    return this.size - ((this.#written - this.#readSeen) >>> 0) - this.#reservedBytes;
  }

  #header(kind: CopyKind, flow: number, value: number): void {
    const word = (this.#written & (this.size - 1)) >>> 2;
    this.words[word] = kind | (value << 4);
    this.words[word + 1] = flow;
    this.#written = (this.#written + HEADER_BYTES) >>> 0;
  }

  #publish(): void {
    Atomics.store(this.shared, WRITTEN, this.#written | 0);
  }
}

/** What the reader does with the records; bytes are valid during the call only. */
export interface CopyVisitor {
  onCopyData(flow: number, bytes: Uint8Array, start: number, end: number): void;
  onCopyControl(kind: Exclude<CopyKind, typeof COPY.data>, flow: number, value: number): void;
}

export class CopyRingReader extends RingView {
  /** Visits the records that wait, at most about `bytesMax` of them; returns the bytes that were read. */
  drain(visitor: CopyVisitor, bytesMax: number): number {
    const start = Atomics.load(this.shared, READ) >>> 0;
    const available = (Atomics.load(this.shared, WRITTEN) - start) >>> 0;
    let taken = 0;
    while (taken < available && taken < bytesMax) {
      taken += this.#visit(visitor, (start + taken) >>> 0);
    }
    // Once for all: the writer's processor holds this word.
    if (taken > 0) Atomics.store(this.shared, READ, (start + taken) | 0);
    return taken;
  }

  #visit(visitor: CopyVisitor, position: number): number {
    const word = (position & (this.size - 1)) >>> 2;
    const kind = (this.words[word]! & 15) as CopyKind;
    const value = this.words[word]! >>> 4;
    const flow = this.words[word + 1]!;
    if (kind !== COPY.data) {
      visitor.onCopyControl(kind, flow, value);
      return HEADER_BYTES;
    }
    const at = (position + HEADER_BYTES) & (this.size - 1);
    const first = Math.min(value, this.size - at);
    visitor.onCopyData(flow, this.bytes, at, at + first);
    if (first < value) visitor.onCopyData(flow, this.bytes, 0, value - first);
    return HEADER_BYTES + padded(value);
  }
}

const copyBytes = Buffer.prototype.copy;

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}
