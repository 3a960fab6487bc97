// The mailboxes of one worker's users: a bounded first-in first-out queue each, of messages that the
// server has stored and the receiver has not accepted. Pure state: no sockets, no clock, no packets.
//
// A message is a node (one index into typed arrays) and a block of the arena (its payload). A mailbox
// is a list of nodes, oldest first:
//
//   head -> sent -> sent -> unsent -> ... -> tail
//           |-- window --|  ^ #unsent: the next one to send
//
// `take` hands out the next node while the window has room, and gives it the packet id of this
// delivery; `accept` removes the node with a packet id wherever it stands in the window; `rewind`
// (the connection is gone) makes all unsent again: they keep their packet ids and are sent with DUP
// and in the old order before anything new [MQTT-4.4.0-1, MQTT-4.6.0-1].
//
// A message that stands at the head of the window when its connection ends, again and again, is one that
// its receiver cannot take: after `redeliveriesMax` times it is parked, and the mailbox goes on.
//
// Packet ids are 32768 to 65535; those below belong to the general lane (broker/session.ts).
//
// Bounds: messages and bytes a mailbox, nodes and arena in all; each refusal is told by its cause.
// Cost: tens of nanoseconds a step; 40 bytes a user, 35 bytes and a block a message.

import { assert } from '#core/assert.ts';
import { ByteCopier } from '#core/byte-copier.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { readVariable, variableLength } from '#core/wire/mqtt/properties.ts';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';
import { SlowReceivers } from '#reference-server/statistics/slow-receivers.ts';

const NONE = -1;
const SENT = 1;
/** Was sent on an earlier connection: goes out with DUP. */
const DUP = 2;
/** Was sent without packet id: accepted when it is written, by no PUBACK. */
const WITHOUT_ID = 4;
/** The body begins with the properties of MQTT 5. */
const PROPERTIES = 8;

/** Lowest packet id of a delivery. */
export const MAILBOX_PACKET_ID_MIN = 0x8000;
/** Parked messages that are kept; older ones make room. */
const PARKED_MAX = 256;
/** Properties of an accepted message that its receipt may need: topic and Correlation Data. */
const ACCEPTED_PROPERTIES_MAX = 1024;

/** Words of a mailbox's figures in `flow`. */
export const FLOW = {
  /** Counters, modulo 2^32. */
  enqueued: 0,
  dequeued: 1,
  /** When its oldest message was stored; 0 = it is empty. */
  oldestS: 2,
  /** Messages in it. Beside the others, in one line of the cache: whoever counts it has the others at hand. */
  length: 3,
} as const;
export const FLOW_WORDS = 4;

/** Why `put` refused. */
export const REFUSAL = {
  /** The mailbox has its most messages. */
  mailboxMessages: -1,
  /** The mailbox has its most bytes. */
  mailboxBytes: -2,
  /** The worker has its most messages. */
  messages: -3,
  /** The worker has its most bytes. */
  bytes: -4,
} as const;

export interface MailboxLimits {
  /** Rows of the user table. */
  users: number;
  /** Most messages of all mailboxes. */
  messagesMax: number;
  /** Most payload bytes of all mailboxes (in blocks of powers of two). */
  bytesMax: number;
  mailboxMessagesMax: number;
  mailboxBytesMax: number;
  /** Most messages that are sent and not accepted, a receiver. */
  windowMessagesMax: number;
  /** Most of their bytes; a single larger message may still go alone. */
  windowBytesMax: number;
  /** How often a message may be the first of a window that a connection left behind. */
  redeliveriesMax: number;
}

/** Who sent a message: a row of the home `worker`, valid while its generation holds; row -1 = nobody. */
export interface SenderReference {
  worker: number;
  row: number;
  generation: number;
  packetId: number;
}

export class Mailboxes {
  readonly limits: MailboxLimits;
  readonly arena: SlabArena;
  /** Figures of each mailbox, in shared memory, where other threads sweep them: FLOW_WORDS words, see FLOW. */
  readonly flow: Uint32Array<SharedArrayBuffer>;
  /** Who accepts slowly. */
  readonly slow = new SlowReceivers();
  /** Whether `flow` and `slow` are kept; see knob `statistics`. */
  hasStatistics = true;
  /** Messages in all mailboxes. */
  messages = 0;
  /** Messages that were parked, ever. */
  parked = 0;
  /** The sender of the message that `accept` or `acceptWritten` removed last. */
  readonly accepted: SenderReference = { worker: 0, row: NONE, generation: 0, packetId: 0 };

  /** Of the same message: the properties that its body began with; nothing when they were long. */
  readonly acceptedProperties = new Uint8Array(ACCEPTED_PROPERTIES_MAX);
  acceptedPropertiesLength = 0;

  readonly #copier = new ByteCopier();
  readonly #head: Int32Array;
  readonly #tail: Int32Array;
  readonly #unsent: Int32Array;
  readonly #bytes: Uint32Array;
  readonly #windowBytes: Uint32Array;
  readonly #window: Uint16Array;
  readonly #lastPacketId: Uint16Array;

  readonly #next: Int32Array;
  readonly #block: Int32Array;
  readonly #size: Uint32Array;
  readonly #senderRow: Int32Array;
  readonly #senderGeneration: Uint32Array;
  readonly #senderWorker: Uint8Array;
  readonly #senderPacketId: Uint16Array;
  readonly #packetId: Uint16Array;
  readonly #flags: Uint8Array;
  /** Connections that left this message behind as their first. */
  readonly #left: Uint8Array;
  readonly #expiresS: Uint32Array;
  /** When it was stored, and sent last, ms of the clock modulo 2^32: longer than a session lives. */
  readonly #storedMs: Uint32Array;
  readonly #sentMs: Uint32Array;
  readonly #wallMs: () => number;
  /** The clock as it was read in this turn; 0 = it was not. */
  readonly #nowMs = new Float64Array(1);
  #parkedHead = NONE;
  #parkedTail = NONE;
  #parkedKept = 0;
  #freeHead = NONE;
  #nodesTouched = 0;

  /** `wallMs` is read once a turn at most: the clock of all threads, so that another one can tell ages. */
  constructor(limits: MailboxLimits, wallMs: () => number = () => 1000) {
    this.limits = limits;
    this.#wallMs = wallMs;
    this.arena = new SlabArena(limits.bytesMax);
    const { users, messagesMax } = limits;
    const flowBytes = users * FLOW_WORDS * Uint32Array.BYTES_PER_ELEMENT;
    this.flow = new Uint32Array(new SharedArrayBuffer(flowBytes));
    this.#head = new Int32Array(users);
    this.#tail = new Int32Array(users);
    this.#unsent = new Int32Array(users);
    this.#bytes = new Uint32Array(users);
    this.#windowBytes = new Uint32Array(users);
    this.#window = new Uint16Array(users);
    this.#lastPacketId = new Uint16Array(users);
    this.#next = new Int32Array(messagesMax);
    this.#block = new Int32Array(messagesMax);
    this.#size = new Uint32Array(messagesMax);
    this.#senderRow = new Int32Array(messagesMax);
    this.#senderGeneration = new Uint32Array(messagesMax);
    this.#senderWorker = new Uint8Array(messagesMax);
    this.#senderPacketId = new Uint16Array(messagesMax);
    this.#packetId = new Uint16Array(messagesMax);
    this.#flags = new Uint8Array(messagesMax);
    this.#left = new Uint8Array(messagesMax);
    this.#expiresS = new Uint32Array(messagesMax);
    this.#storedMs = new Uint32Array(messagesMax);
    this.#sentMs = new Uint32Array(messagesMax);
  }

  /** A new user's mailbox is empty. */
  open(user: number): void {
    this.#head[user] = this.#tail[user] = this.#unsent[user] = NONE;
    this.#bytes[user] = 0;
    this.flow[user * FLOW_WORDS + FLOW.length] = 0;
    this.flow[user * FLOW_WORDS + FLOW.oldestS] = 0;
    this.slow.forget(user);
    this.#window[user] = this.#windowBytes[user] = 0;
    this.#lastPacketId[user] = 0;
  }

  /**
   * Stores a message; returns its node or a REFUSAL. `hasProperties`: its body begins with the properties
   * of MQTT 5; `expiresS`: second of the caller's clock after which it is worth nothing, 0 = never.
   */
  put(
    user: number,
    payload: Uint8Array,
    start: number,
    end: number,
    sender: Readonly<SenderReference>,
    hasProperties = false,
    expiresS = 0,
  ): number {
    const size = end - start;
    const { mailboxMessagesMax, mailboxBytesMax, messagesMax } = this.limits;
    if (this.length(user) >= mailboxMessagesMax) return REFUSAL.mailboxMessages;
    if (this.#bytes[user]! + size > mailboxBytesMax) return REFUSAL.mailboxBytes;
    if (this.messages >= messagesMax) return REFUSAL.messages;
    const block = this.arena.alloc(size);
    if (block < 0) return REFUSAL.bytes;
    this.#copier.copy(this.arena.bytes, this.arena.offset(block), payload, start, end);
    const node = this.#freeHead === NONE ? this.#nodesTouched++ : this.#freeHead;
    if (node === this.#freeHead) this.#freeHead = this.#next[node]!;
    this.#block[node] = block;
    this.#size[node] = size;
    this.#senderRow[node] = sender.row;
    this.#senderGeneration[node] = sender.generation;
    this.#senderWorker[node] = sender.worker;
    this.#senderPacketId[node] = sender.packetId;
    this.#packetId[node] = 0;
    this.#flags[node] = hasProperties ? PROPERTIES : 0;
    this.#left[node] = 0;
    this.#expiresS[node] = expiresS;
    this.#append(user, node, size);
    return node;
  }

  /**
   * The next message to send, now counted in the window, or -1 when all are sent or the window is full.
   * `withoutId`: it goes to a QoS 0 subscription; `acceptWritten` will accept it. `windowMax`: what this
   * receiver allows, when that is less than the limit.
   */
  take(user: number, withoutId: boolean, windowMax = this.limits.windowMessagesMax): number {
    const node = this.#unsent[user]!;
    if (node === NONE) return NONE;
    const size = this.#size[node]!;
    const window = this.#window[user]!;
    const { windowMessagesMax, windowBytesMax } = this.limits;
    if (window >= windowMessagesMax || window >= windowMax) return NONE;
    if (window > 0 && this.#windowBytes[user]! + size > windowBytesMax) return NONE;
    if (this.#packetId[node] === 0) this.#packetId[node] = this.#nextPacketId(user);
    this.#flags[node]! |= withoutId ? SENT | WITHOUT_ID : SENT;
    this.#window[user] = window + 1;
    this.#sentMs[node] = this.#clock();
    this.#windowBytes[user]! += size;
    this.#unsent[user] = this.#next[node]!;
    return node;
  }

  /**
   * The receiver accepted the delivery with this packet id: the message is removed and its bytes are
   * overwritten. True when there was one; its sender then stands in `accepted`.
   */
  accept(user: number, packetId: number): boolean {
    let previous = NONE;
    let node = this.#head[user]!;
    // Also what was sent on an earlier connection and waits to be sent again: its PUBACK may have been on
    // its way when that connection was superseded.
    while (node !== NONE && this.#packetId[node] !== 0) {
      if (this.#packetId[node] === packetId && (this.#flags[node]! & WITHOUT_ID) === 0) {
        this.#remove(user, previous, node);
        return true;
      }
      previous = node;
      node = this.#next[node]!;
    }
    return false;
  }

  /** The oldest delivery without packet id has been written and so is accepted; false when there is none. */
  acceptWritten(user: number): boolean {
    let previous = NONE;
    let node = this.#head[user]!;
    for (let left = this.#window[user]!; left > 0; left--) {
      if ((this.#flags[node]! & WITHOUT_ID) !== 0) {
        this.#remove(user, previous, node);
        return true;
      }
      previous = node;
      node = this.#next[node]!;
    }
    return false;
  }

  /** The connection is gone: what was sent and not accepted is to be sent again, with DUP. */
  rewind(user: number): void {
    const head = this.#head[user]!;
    let node = head;
    let left = this.#window[user]!;
    const wasSent = left > 0;
    for (; left > 0; left--, node = this.#next[node]!) {
      this.#flags[node] = DUP | (this.#flags[node]! & PROPERTIES);
    }
    this.#unsent[user] = head;
    this.#window[user] = this.#windowBytes[user] = 0;
    if (wasSent && ++this.#left[head]! > this.limits.redeliveriesMax) this.#park(user, head);
  }

  /** A turn is over: the clock is read anew when it is needed next. */
  endTurn(): void {
    this.#nowMs[0] = 0;
  }

  /** Messages of one mailbox. */
  length(user: number): number {
    return this.flow[user * FLOW_WORDS + FLOW.length]!;
  }

  /** Messages that are sent and not accepted. */
  window(user: number): number {
    return this.#window[user]!;
  }

  /** Removes every message, accepted or not; returns how many there were. */
  clear(user: number): number {
    const count = this.length(user);
    for (let node = this.#head[user]!; node !== NONE; ) {
      const next = this.#next[node]!;
      this.#free(node);
      node = next;
    }
    const lastPacketId = this.#lastPacketId[user]!;
    this.open(user);
    this.flow[user * FLOW_WORDS + FLOW.dequeued]! += count;
    this.#lastPacketId[user] = lastPacketId;
    return count;
  }

  packetId(node: number): number {
    return this.#packetId[node]!;
  }

  isDup(node: number): boolean {
    return (this.#flags[node]! & DUP) !== 0;
  }

  /** Whether the body begins with the properties of MQTT 5. */
  hasProperties(node: number): boolean {
    return (this.#flags[node]! & PROPERTIES) !== 0;
  }

  /** See `put`. */
  expiresS(node: number): number {
    return this.#expiresS[node]!;
  }

  /** The body is [payloadStart, payloadEnd) of `arena.bytes`. */
  payloadStart(node: number): number {
    return this.arena.offset(this.#block[node]!);
  }

  payloadEnd(node: number): number {
    return this.payloadStart(node) + this.#size[node]!;
  }

  #append(user: number, node: number, size: number): void {
    this.#next[node] = NONE;
    if (this.#head[user] === NONE) this.#head[user] = node;
    else this.#next[this.#tail[user]!] = node;
    this.#tail[user] = node;
    if (this.#unsent[user] === NONE) this.#unsent[user] = node;
    this.#bytes[user]! += size;
    const at = user * FLOW_WORDS;
    this.flow[at + FLOW.length]!++;
    this.messages++;
    const nowMs = this.#clock();
    this.#storedMs[node] = nowMs;
    if (!this.hasStatistics) return;
    this.flow[at + FLOW.enqueued]!++;
    if (this.#head[user] === node) this.flow[at + FLOW.oldestS] = nowMs / 1000;
  }

  #remove(user: number, previous: number, node: number): void {
    const next = this.#next[node]!;
    if (previous === NONE) this.#head[user] = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#tail[user] = previous;
    const size = this.#size[node]!;
    if ((this.#flags[node]! & SENT) !== 0) {
      this.#noteAccepted(user, node);
      this.#window[user]!--;
      this.#windowBytes[user]! -= size;
    } else if (this.#unsent[user] === node) this.#unsent[user] = next;
    this.#bytes[user]! -= size;
    this.#flowOut(user);
    const { accepted } = this;
    accepted.worker = this.#senderWorker[node]!;
    accepted.row = this.#senderRow[node]!;
    accepted.generation = this.#senderGeneration[node]!;
    accepted.packetId = this.#senderPacketId[node]!;
    this.#keepProperties(node);
    this.#free(node);
  }

  /** A message has left. */
  #flowOut(user: number): void {
    const at = user * FLOW_WORDS;
    this.flow[at + FLOW.length]!--;
    if (!this.hasStatistics) return;
    const head = this.#head[user]!;
    this.flow[at + FLOW.dequeued]!++;
    this.flow[at + FLOW.oldestS] = head === NONE ? 0 : (this.#clock() - this.#age(head)) / 1000;
  }

  /** How long ago a message was stored, ms. */
  #age(node: number): number {
    return sinceMs(this.#clock(), this.#storedMs[node]!);
  }

  /** The receiver has accepted a message: how long it took. */
  #noteAccepted(user: number, node: number): void {
    if (!this.hasStatistics) return;
    const nowMs = this.#clock();
    const responseMs = sinceMs(nowMs, this.#sentMs[node]!);
    if (responseMs >= this.slow.thresholdMs) {
      this.slow.note(user, this.#age(node), responseMs, nowMs / 1000);
    }
  }

  /** The clock, read once a turn. */
  #clock(): number {
    if (this.#nowMs[0] === 0) this.#nowMs[0] = this.#wallMs();
    return this.#nowMs[0]!;
  }

  #keepProperties(node: number): void {
    this.acceptedPropertiesLength = 0;
    if ((this.#flags[node]! & PROPERTIES) === 0) return;
    const { bytes } = this.arena;
    const start = this.payloadStart(node);
    const end = this.payloadEnd(node);
    const length = variableLength(bytes, start) + readVariable(bytes, start, end);
    if (length > ACCEPTED_PROPERTIES_MAX) return;
    copyBytes(this.acceptedProperties, 0, bytes, start, start + length);
    this.acceptedPropertiesLength = length;
  }

  /** Puts the first message aside, and the oldest of those out of memory. Nothing is in the window. */
  #park(user: number, node: number): void {
    const next = this.#next[node]!;
    this.#head[user] = this.#unsent[user] = next;
    if (next === NONE) this.#tail[user] = NONE;
    this.#bytes[user]! -= this.#size[node]!;
    this.#flowOut(user);
    this.messages--;
    this.parked++;
    this.#next[node] = NONE;
    if (this.#parkedHead === NONE) this.#parkedHead = node;
    else this.#next[this.#parkedTail] = node;
    this.#parkedTail = node;
    if (++this.#parkedKept <= PARKED_MAX) return;
    const oldest = this.#parkedHead;
    this.#parkedHead = this.#next[oldest]!;
    this.#parkedKept--;
    this.messages++;
    this.#free(oldest);
  }

  #free(node: number): void {
    this.arena.free(this.#block[node]!, this.#size[node]!);
    this.#next[node] = this.#freeHead;
    this.#freeHead = node;
    this.messages--;
  }

  /** The next packet id that no message of the window carries [MQTT-2.3.1-2]. */
  #nextPacketId(user: number): number {
    let id = this.#lastPacketId[user]!;
    do id = id === 0xffff || id === 0 ? MAILBOX_PACKET_ID_MIN : id + 1;
    while (this.#isPacketIdUsed(user, id));
    this.#lastPacketId[user] = id;
    return id;
  }

  #isPacketIdUsed(user: number, id: number): boolean {
    let node = this.#head[user]!;
    for (; node !== NONE && this.#packetId[node] !== 0; node = this.#next[node]!) {
      if (this.#packetId[node] === id) return true;
    }
    assert(node !== NONE, 'the message that needs an id stands in the mailbox');
    return false;
  }
}

/** Between two readings modulo 2^32 of the clock, ms; a clock that was set back gives 0. */
function sinceMs(nowMs: number, thenMs: number): number {
  const since = (nowMs - thenMs) >>> 0;
  return since > 0xf000_0000 ? 0 : since;
}
