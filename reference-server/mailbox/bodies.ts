// What the messages of one worker say, each once: a payload in the arena, and who sent it when. A mailbox
// holds copies (mailboxes.ts), and each copy a reference to its body: a message to one user has one, a
// message to a group as many as members here. The last reference frees the body and overwrites its bytes.
//
//   block of the arena   [topic, only of groups] [properties of MQTT 5, when it has some] payload
//
// Cost: 31 bytes and a block a body, whatever the number of its copies. Nothing is allocated.

import { ByteCopier } from '#core/byte-copier.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';

const NONE = -1;

/** Where a body is delivered to, and what its acceptance means. */
export const BODY = {
  /** m/<uid of the receiver>; its sender gets a receipt. */
  mail: 0,
  /** g/<gid>; the ledger of its sender's home counts who accepted it. */
  group: 1,
  /** r/<uid of the receiver>: receipts, which cause none. */
  receipt: 2,
} as const;

/** Beside the kind of a body. */
const PROPERTIES = 4;
const KIND_MASK = 3;

/** Who sent a message: a row of the home `worker`, valid while its generation holds; row -1 = nobody. */
export interface SenderReference {
  worker: number;
  row: number;
  generation: number;
  packetId: number;
}

export class Bodies {
  readonly arena: SlabArena;
  readonly #copier = new ByteCopier();
  /** When each was stored, ms of the clock of the mailboxes modulo 2^32; they write it. */
  readonly storedMs: Uint32Array;
  /** Second of the home's clock at which it is worth nothing; 0 = never. */
  readonly expiresS: Uint32Array;
  readonly senderRow: Int32Array;
  readonly senderGeneration: Uint32Array;
  readonly senderWorker: Uint8Array;
  /** What the sender called it; of receipts, how many there are in it. */
  readonly senderPacketId: Uint16Array;
  readonly size: Uint32Array;
  readonly #block: Int32Array;
  readonly #references: Uint16Array;
  readonly #topicBytes: Uint8Array;
  readonly #kind: Uint8Array;
  #freeHead = NONE;
  #touched = 0;

  constructor(bodiesMax: number, bytesMax: number) {
    this.arena = new SlabArena(bytesMax);
    this.storedMs = new Uint32Array(bodiesMax);
    this.expiresS = new Uint32Array(bodiesMax);
    this.senderRow = new Int32Array(bodiesMax);
    this.senderGeneration = new Uint32Array(bodiesMax);
    this.senderWorker = new Uint8Array(bodiesMax);
    this.senderPacketId = new Uint16Array(bodiesMax);
    this.size = new Uint32Array(bodiesMax);
    this.#block = new Int32Array(bodiesMax);
    this.#references = new Uint16Array(bodiesMax);
    this.#topicBytes = new Uint8Array(bodiesMax);
    this.#kind = new Uint8Array(bodiesMax);
  }

  /** A body of [start, end), behind the topic in [topicStart, topicEnd), with one reference; -1 = no memory. */
  add(
    kind: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    sender: Readonly<SenderReference>,
    hasProperties: boolean,
    expiresS: number,
  ): number {
    const topicBytes = topicEnd - topicStart;
    const size = topicBytes + end - start;
    // Packets may be larger than a block, mail may not.
    const block = size > this.arena.blockBytesMax ? NONE : this.arena.alloc(size);
    if (block < 0) return NONE;
    let at = this.arena.offset(block);
    if (topicBytes > 0) at = copyBytes(this.arena.bytes, at, bytes, topicStart, topicEnd);
    this.#copier.copy(this.arena.bytes, at, bytes, start, end);
    const body = this.#freeHead === NONE ? this.#touched++ : this.#freeHead;
    if (body === this.#freeHead) this.#freeHead = this.#block[body]!;
    this.#block[body] = block;
    this.#topicBytes[body] = topicBytes;
    this.#references[body] = 1;
    this.#kind[body] = hasProperties ? kind | PROPERTIES : kind;
    this.size[body] = size;
    this.senderRow[body] = sender.row;
    this.senderGeneration[body] = sender.generation;
    this.senderWorker[body] = sender.worker;
    this.senderPacketId[body] = sender.packetId;
    this.expiresS[body] = expiresS;
    return body;
  }

  retain(body: number): void {
    this.#references[body]!++;
  }

  /** One reference less; the last one overwrites and frees it. */
  release(body: number): void {
    if (--this.#references[body]! > 0) return;
    this.arena.free(this.#block[body]!, this.size[body]!);
    this.#block[body] = this.#freeHead;
    this.#freeHead = body;
  }

  /** Adds [start, end) to the end of a body; false when it does not fit a block or memory is full. */
  extend(body: number, bytes: Uint8Array, start: number, end: number, bytesMax: number): boolean {
    const { arena } = this;
    const old = this.#block[body]!;
    const oldSize = this.size[body]!;
    const size = oldSize + end - start;
    if (size > bytesMax) return false;
    let block = old;
    if (size > arena.capacity(old)) {
      block = arena.alloc(size);
      if (block < 0) return false;
      const from = arena.offset(old);
      copyBytes(arena.bytes, arena.offset(block), arena.bytes, from, from + oldSize);
      arena.free(old, oldSize);
    }
    copyBytes(arena.bytes, arena.offset(block) + oldSize, bytes, start, end);
    this.#block[body] = block;
    this.size[body] = size;
    return true;
  }

  kind(body: number): number {
    return this.#kind[body]! & KIND_MASK;
  }

  /** Whether what follows the topic begins with the properties of MQTT 5. */
  hasProperties(body: number): boolean {
    return (this.#kind[body]! & PROPERTIES) !== 0;
  }

  /** The topic is [topicStart, contentStart) of `arena.bytes`, properties and payload [contentStart, end). */
  topicStart(body: number): number {
    return this.arena.offset(this.#block[body]!);
  }

  contentStart(body: number): number {
    return this.topicStart(body) + this.#topicBytes[body]!;
  }

  end(body: number): number {
    return this.topicStart(body) + this.size[body]!;
  }
}

/** Between two readings modulo 2^32 of the clock of `storedMs`, ms; a clock that was set back gives 0. */
export function sinceMs(nowMs: number, thenMs: number): number {
  const since = (nowMs - thenMs) >>> 0;
  return since > 0xf000_0000 ? 0 : since;
}
