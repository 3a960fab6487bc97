// A one-way queue of frames from one thread to one other, in shared memory.
//
//   words 0 and 16     tail (written by the producer) and head (by the consumer), in words, modulo 2^32;
//                      16 words apart so that the two cores do not fight for one cache line
//   words 32..         the ring, a power of two of words; a frame never wraps: where it would, the
//                      producer leaves SKIP and starts again at the front
//
//   frame: words | type | payload bytes | 7 arguments | payload, padded to a word
//
// The producer gathers the frames of a turn in an outbox of its own and moves them over in bulk, so
// that one store of `tail` and one wake serve them all. What the ring cannot take stays in the outbox,
// in order. Cost of a frame: one copy in, one copy over, read in place.

import { assert } from '#core/assert.ts';

export const FRAME_HEADER_WORDS = 10;
export const FRAME_TYPE = 1;
export const FRAME_BYTES = 2;
/** Index of the first of the seven arguments. */
export const FRAME_ARGS = 3;

const TAIL = 0;
const HEAD = 16;
const RING = 32;
const SKIP = -1;
/** Up to here a loop is faster than making a view for TypedArray.set. */
const COPY_LOOP_WORDS_MAX = 96;
const OUTBOX_WORDS_MIN = 16 * 1024;

/** Shared memory of a link that holds `words` (a power of two) words of frames. */
export function createLinkMemory(words: number): SharedArrayBuffer {
  assert((words & (words - 1)) === 0, 'a link has a power of two of words');
  return new SharedArrayBuffer((RING + words) * Int32Array.BYTES_PER_ELEMENT);
}

/** The producer's end. */
export class LinkOut {
  /** The outbox; valid until the next `begin`. */
  words: Int32Array;
  /** The same memory as bytes. */
  bytes: Uint8Array;
  readonly #shared: Int32Array;
  readonly #mask: number;
  #read = 0;
  #write = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#shared = new Int32Array(memory);
    this.#mask = this.#shared.length - RING - 1;
    this.words = new Int32Array(OUTBOX_WORDS_MIN);
    this.bytes = new Uint8Array(this.words.buffer);
  }

  /** Bytes that wait in the outbox. */
  get backlogBytes(): number {
    return (this.#write - this.#read) * 4;
  }

  /**
   * Starts a frame and returns its first word in `words`; the caller fills in the arguments at
   * FRAME_ARGS and the payload at byte `payloadAt(frame)`. Always succeeds: the caller bounds the
   * backlog of what it can refuse.
   */
  begin(type: number, payloadBytes: number): number {
    const length = FRAME_HEADER_WORDS + ((payloadBytes + 3) >>> 2);
    assert(length <= this.#mask >>> 1, 'a frame fits half of its link');
    if (this.#write + length > this.words.length) this.#makeRoom(length);
    const frame = this.#write;
    this.words[frame] = length;
    this.words[frame + FRAME_TYPE] = type;
    this.words[frame + FRAME_BYTES] = payloadBytes;
    this.#write += length;
    return frame;
  }

  /** Moves what fits into the ring; true when the consumer has something new to read. */
  flush(): boolean {
    if (this.#read === this.#write) return false;
    const before = Atomics.load(this.#shared, TAIL);
    const head = Atomics.load(this.#shared, HEAD);
    let tail = before;
    for (;;) {
      const space = this.#mask + 1 - ((tail - head) | 0);
      const untilEnd = this.#mask + 1 - (tail & this.#mask);
      const run = this.#wholeFrames(Math.min(space, untilEnd));
      if (run > 0) {
        this.#copy(run, RING + (tail & this.#mask));
        tail = (tail + run) | 0;
      } else if (this.#read < this.#write && untilEnd < space && untilEnd <= this.#mask) {
        this.#shared[RING + (tail & this.#mask)] = SKIP;
        tail = (tail + untilEnd) | 0;
      } else break;
    }
    if (this.#read === this.#write) this.#read = this.#write = 0;
    Atomics.store(this.#shared, TAIL, tail);
    return tail !== before;
  }

  /** Words of the frames at the front of the outbox that fit `space` together. */
  #wholeFrames(space: number): number {
    let run = 0;
    while (this.#read + run < this.#write) {
      const length = this.words[this.#read + run]!;
      if (run + length > space) break;
      run += length;
    }
    return run;
  }

  #copy(count: number, at: number): void {
    const from = this.#read;
    if (count > COPY_LOOP_WORDS_MAX) this.#shared.set(this.words.subarray(from, from + count), at);
    else for (let i = 0; i < count; i++) this.#shared[at + i] = this.words[from + i]!;
    this.#read += count;
  }

  #makeRoom(length: number): void {
    const used = this.#write - this.#read;
    if (this.#read >= used + length) this.words.copyWithin(0, this.#read, this.#write);
    else {
      const larger = new Int32Array(Math.max(this.words.length * 2, used + length));
      larger.set(this.words.subarray(this.#read, this.#write));
      this.words = larger;
      this.bytes = new Uint8Array(larger.buffer);
    }
    this.#read = 0;
    this.#write = used;
  }
}

/** Gets each frame of a link: `words` and `bytes` are the link's memory, `frame` is the frame's first word. */
export type FrameReader = (words: Int32Array, bytes: Uint8Array, frame: number) => void;

/** The consumer's end. */
export class LinkIn {
  readonly #shared: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.#shared = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
    this.#mask = this.#shared.length - RING - 1;
  }

  /** Reads the frames that are there now, at most so many; returns how many. A frame is valid only during the call. */
  drain(read: FrameReader, framesMax = Number.POSITIVE_INFINITY): number {
    const tail = Atomics.load(this.#shared, TAIL);
    let head = Atomics.load(this.#shared, HEAD);
    let count = 0;
    while (head !== tail && count < framesMax) {
      const frame = RING + (head & this.#mask);
      const length = this.#shared[frame]!;
      if (length === SKIP) {
        head = (head + this.#mask + 1 - (head & this.#mask)) | 0;
        continue;
      }
      read(this.#shared, this.#bytes, frame);
      count++;
      head = (head + length) | 0;
      // Each frame's room is given back at once: a producer that waits for it need not wait for all.
      Atomics.store(this.#shared, HEAD, head);
    }
    Atomics.store(this.#shared, HEAD, head);
    return count;
  }
}

/** Byte offset of a frame's payload in the memory that `frame` indexes by words. */
export function payloadAt(frame: number): number {
  return (frame + FRAME_HEADER_WORDS) * 4;
}
