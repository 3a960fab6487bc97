// Receipts that wait to leave together: gathered for a few milliseconds and sent as one PUBLISH, so that a burst
// of deliveries is not doubled by its receipts.
//
//   payload   one line each: '<uid of the receiver> <packet id>[ <Correlation Data, base64url>]'
//   of a single receipt its Correlation Data is told too, as a plain response has it
//
// One open batch a user at most, a row of typed arrays; its receipts are a list of blocks in an arena of their
// own, each '<text>' then the Correlation Data. Batches stand in a list, oldest first, so a flush looks at
// what is due and nothing else. A batch leaves early when it is full, or when memory for receipts is.
//
// Cost: 70 bytes a batch, 12 and a block a receipt. Nothing is allocated for a receipt.

import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';

const NONE = -1;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
/** Longer Correlation Data comes back as none. */
export const CORRELATION_BYTES_MAX = 256;
/** Receipts in one message. */
const BATCH_MAX = 100;
/** Bytes of their text. */
const BATCH_BYTES_MAX = 32 * 1024;
const ALPHABET = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');

export interface ReceiptBatchLimits {
  /** Users with receipts that gather, and receipts of all. */
  batchesMax: number;
  receiptsMax: number;
  bytesMax: number;
}

/**
 * Sends the `count` receipts in [1, end) of `text`, behind a line feed, and of a single one the Correlation
 * Data.
 */
export type SendReceipts = (
  row: number,
  generation: number,
  text: Uint8Array,
  end: number,
  count: number,
  correlation: Uint8Array,
  correlationBytes: number,
) => void;

export class ReceiptBatches {
  /** How long receipts gather, ms; 0 = not at all. */
  coalesceMs: number;
  /** Batches that wait. */
  size = 0;
  /** Receipts that found no memory, ever. */
  dropped = 0;
  readonly #limits: ReceiptBatchLimits;
  readonly #send: SendReceipts;
  readonly #arena: SlabArena;
  readonly #text = new Uint8Array(1 + BATCH_BYTES_MAX);
  readonly #correlation = new Uint8Array(CORRELATION_BYTES_MAX);

  /** Of a user its open batch: few have one, so no array of all users. */
  readonly #batchOf = new Map<number, number>();
  readonly #row: Int32Array;
  readonly #generation: Uint32Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #count: Uint8Array;
  readonly #textBytes: Uint16Array;
  readonly #sinceMs: Float64Array;
  /** Older and younger batch; of a free one the next free. */
  readonly #previous: Int32Array;
  readonly #next: Int32Array;
  #oldest = NONE;
  #youngest = NONE;
  #freeBatch = NONE;
  #batchesTouched = 0;

  readonly #block: Int32Array;
  readonly #blockBytes: Uint16Array;
  readonly #entryText: Uint16Array;
  readonly #nextEntry: Int32Array;
  #freeEntry = NONE;
  #entriesTouched = 0;

  constructor(limits: ReceiptBatchLimits, coalesceMs: number, send: SendReceipts) {
    const { batchesMax, receiptsMax } = limits;
    this.#limits = limits;
    this.coalesceMs = coalesceMs;
    this.#send = send;
    this.#arena = new SlabArena(limits.bytesMax);
    this.#row = new Int32Array(batchesMax);
    this.#generation = new Uint32Array(batchesMax);
    this.#first = new Int32Array(batchesMax);
    this.#last = new Int32Array(batchesMax);
    this.#count = new Uint8Array(batchesMax);
    this.#textBytes = new Uint16Array(batchesMax);
    this.#sinceMs = new Float64Array(batchesMax);
    this.#previous = new Int32Array(batchesMax);
    this.#next = new Int32Array(batchesMax);
    this.#block = new Int32Array(receiptsMax);
    this.#blockBytes = new Uint16Array(receiptsMax);
    this.#entryText = new Uint16Array(receiptsMax);
    this.#nextEntry = new Int32Array(receiptsMax);
  }

  /** Adds a receipt for the user in `row`: [start, textEnd) is its text, [correlationStart, end) the rest. */
  add(
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    textEnd: number,
    correlationStart: number,
    end: number,
    nowMs: number,
  ): void {
    const lineBytes = 2 + textEnd - start + base64Bytes(end - correlationStart);
    let batch = this.#batchOf.get(row) ?? NONE;
    // What is left of a user who is gone, and a batch that takes no more.
    if (batch >= 0) {
      const isOther = this.#generation[batch] !== generation;
      if (isOther || this.#textBytes[batch]! + lineBytes > BATCH_BYTES_MAX) {
        this.#flush(batch);
        batch = NONE;
      }
    }
    if (batch < 0) batch = this.#open(row, generation, nowMs);
    if (!this.#append(batch, bytes, start, textEnd, correlationStart, end)) {
      this.dropped++;
      return;
    }
    this.#textBytes[batch]! += lineBytes;
    if (this.#count[batch] === BATCH_MAX || this.coalesceMs === 0) this.#flush(batch);
  }

  /** Sends what has waited long enough. */
  flush(nowMs: number): void {
    while (this.#oldest !== NONE && nowMs - this.#sinceMs[this.#oldest]! >= this.coalesceMs) {
      this.#flush(this.#oldest);
    }
  }

  #open(row: number, generation: number, nowMs: number): number {
    if (this.size === this.#limits.batchesMax) this.#flush(this.#oldest);
    const batch = this.#freeBatch === NONE ? this.#batchesTouched++ : this.#freeBatch;
    if (batch === this.#freeBatch) this.#freeBatch = this.#next[batch]!;
    this.#batchOf.set(row, batch);
    this.#row[batch] = row;
    this.#generation[batch] = generation;
    this.#first[batch] = this.#last[batch] = NONE;
    this.#count[batch] = this.#textBytes[batch] = 0;
    this.#sinceMs[batch] = nowMs;
    this.#previous[batch] = this.#youngest;
    this.#next[batch] = NONE;
    if (this.#youngest === NONE) this.#oldest = batch;
    else this.#next[this.#youngest] = batch;
    this.#youngest = batch;
    this.size++;
    return batch;
  }

  #append(
    batch: number,
    bytes: Uint8Array,
    start: number,
    textEnd: number,
    correlationStart: number,
    end: number,
  ): boolean {
    const isFull = this.#freeEntry === NONE && this.#entriesTouched === this.#limits.receiptsMax;
    const textBytes = textEnd - start;
    const size = textBytes + end - correlationStart;
    const block = isFull ? NONE : this.#arena.alloc(size);
    if (block < 0) return false;
    const at = this.#arena.offset(block);
    copyBytes(this.#arena.bytes, at, bytes, start, textEnd);
    copyBytes(this.#arena.bytes, at + textBytes, bytes, correlationStart, end);
    const entry = this.#freeEntry === NONE ? this.#entriesTouched++ : this.#freeEntry;
    if (entry === this.#freeEntry) this.#freeEntry = this.#nextEntry[entry]!;
    this.#block[entry] = block;
    this.#blockBytes[entry] = size;
    this.#entryText[entry] = textBytes;
    this.#nextEntry[entry] = NONE;
    if (this.#first[batch] === NONE) this.#first[batch] = entry;
    else this.#nextEntry[this.#last[batch]!] = entry;
    this.#last[batch] = entry;
    this.#count[batch]!++;
    return true;
  }

  #flush(batch: number): void {
    const row = this.#row[batch]!;
    const count = this.#count[batch]!;
    let at = 1;
    let correlationBytes = 0;
    this.#text[0] = LINE_FEED;
    for (let entry = this.#first[batch]!; entry !== NONE; ) {
      if (at > 1) this.#text[at++] = LINE_FEED;
      const from = this.#arena.offset(this.#block[entry]!);
      const size = this.#blockBytes[entry]!;
      const textEnd = from + this.#entryText[entry]!;
      const { bytes } = this.#arena;
      at = copyBytes(this.#text, at, bytes, from, textEnd);
      correlationBytes = from + size - textEnd;
      if (correlationBytes > 0) {
        this.#text[at++] = SPACE;
        at = writeBase64(this.#text, at, bytes, textEnd, from + size);
        if (count === 1) copyBytes(this.#correlation, 0, bytes, textEnd, from + size);
      }
      this.#arena.free(this.#block[entry]!, size);
      const next = this.#nextEntry[entry]!;
      this.#nextEntry[entry] = this.#freeEntry;
      this.#freeEntry = entry;
      entry = next;
    }
    const generation = this.#generation[batch]!;
    this.#close(batch);
    if (count === 0) return;
    const told = count === 1 ? correlationBytes : 0;
    this.#send(row, generation, this.#text, at, count, this.#correlation, told);
  }

  #close(batch: number): void {
    const previous = this.#previous[batch]!;
    const next = this.#next[batch]!;
    if (previous === NONE) this.#oldest = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#youngest = previous;
    else this.#previous[next] = previous;
    this.#batchOf.delete(this.#row[batch]!);
    this.#next[batch] = this.#freeBatch;
    this.#freeBatch = batch;
    this.size--;
  }
}

/** Bytes that base64url without padding takes. */
function base64Bytes(length: number): number {
  return Math.ceil((length * 4) / 3);
}

function writeBase64(
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  for (let from = start; from < end; from += 3) {
    const left = end - from;
    const bits =
      (bytes[from]! << 16) |
      ((left > 1 ? bytes[from + 1]! : 0) << 8) |
      (left > 2 ? bytes[from + 2]! : 0);
    out[at++] = ALPHABET[bits >>> 18]!;
    out[at++] = ALPHABET[(bits >>> 12) & 63]!;
    if (left > 1) out[at++] = ALPHABET[(bits >>> 6) & 63]!;
    if (left > 2) out[at++] = ALPHABET[bits & 63]!;
  }
  return at;
}
