// The mailboxes of one worker's users: a bounded first-in first-out queue each, of messages that the
// server has stored and the receiver has not accepted. Pure state: no sockets, no clock, no packets.
//
// A message is a node (one index into typed arrays) that refers to a body (bodies.ts: payload and sender); the
// copies of a message to a group share one. A mailbox is a list of nodes, oldest first:
//
//   head -> sent -> sent -> unsent -> ... -> tail
//           |-- window --|  ^ unsent: the next one to send
//
// Head, tail and what is counted stand in a box (boxes.ts), which only a mailbox that is not empty has.
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
// Receipts (BODY.receipt) stand in the same queue, gathered in as few nodes as can be. They take at most a
// quarter of a mailbox, and are the first to go when a message needs the room.
//
// Bounds: mailbox-limits.ts; each refusal is told by its cause. Cost: tens of nanoseconds a step; 6 bytes
// a user, 39 bytes a mailbox that is not empty, 16 bytes a copy, 31 bytes and a block a body.

import { assert } from '#core/assert.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { readVariable, variableLength } from '#core/wire/mqtt/properties.ts';
import { ASIDE_MAX, Aside } from '#reference-server/mailbox/aside.ts';
import { BODY, Bodies, type SenderReference, sinceMs } from '#reference-server/mailbox/bodies.ts';
import { Boxes } from '#reference-server/mailbox/boxes.ts';
import {
  FLOW,
  FLOW_WORDS,
  type MailboxLimits,
  RECEIPT_BOUNDS,
  REFUSAL,
} from '#reference-server/mailbox/mailbox-limits.ts';
import { NODE, Nodes } from '#reference-server/mailbox/nodes.ts';
import type { SlabArena } from '#reference-server/memory/slab-arena.ts';
import { SlowReceivers } from '#reference-server/statistics/slow-receivers.ts';

const NONE = -1;
/** Lowest packet id of a delivery. */
export const MAILBOX_PACKET_ID_MIN = 0x8000;
/** Properties of an accepted message that its receipt may need: topic and Correlation Data. */
const ACCEPTED_PROPERTIES_MAX = 1024;
/** Of a node and a body; a little too much where many share one. */
const MESSAGE_BYTES = 47;
const NOBODY: SenderReference = { worker: 0, row: NONE, generation: 0, packetId: 0 };
/** Messages of cleared mailboxes that are freed in one turn: half a millisecond. */
const REAP_SLICE = 4096;

export class Mailboxes {
  readonly limits: MailboxLimits;
  readonly bodies: Bodies;
  readonly boxes: Boxes;
  readonly nodes: Nodes;
  /** Messages that were parked and are kept. */
  readonly aside: Aside;
  /** Who accepts slowly. */
  readonly slow = new SlowReceivers();
  /** Whether the counters of `boxes.flow`, and `slow`, are kept; see knob `statistics`. */
  hasStatistics = true;
  /** Messages in all mailboxes. */
  messages = 0;
  /** Messages that were parked, ever. */
  parked = 0;
  /** Receipts that found no room, or gave it to a message, ever. */
  receiptsDropped = 0;
  /** The sender of the message that `accept`, `acceptWritten` or `rewind` took off last; row -1 = nobody. */
  readonly accepted: SenderReference = { ...NOBODY };
  /** What kind it was, one of BODY. */
  acceptedKind: number = BODY.mail;

  /** Of the same message: the properties that its body began with; nothing when they were long. */
  readonly acceptedProperties = new Uint8Array(ACCEPTED_PROPERTIES_MAX);
  acceptedPropertiesLength = 0;

  /** Of each user: the packet id that was given last. */
  readonly lastPacketId: Uint16Array;

  readonly #readWall: (into: Float64Array) => void;
  /** The clock as it was read in this turn; 0 = it was not. */
  readonly #nowMs = new Float64Array(1);
  /** Nodes with receipts that made room since `takeMadeRoom`. */
  #madeRoom = 0;
  /** First node of those that were removed and are still to be freed. */
  #doomed = NONE;
  /** Of them, how many may still be freed in this turn. */
  #reapLeft = REAP_SLICE;

  /** `readWall` writes ms of the clock of all threads, so that another one can tell ages; once a turn at most. */
  constructor(limits: MailboxLimits, readWall: (into: Float64Array) => void = standStill) {
    this.limits = limits;
    this.#readWall = readWall;
    const { users } = limits;
    // What is parked is no message any more, but has its node still; one more is there before another goes.
    const nodes = limits.messagesMax + ASIDE_MAX + 1;
    this.bodies = new Bodies(nodes + 1, limits.bytesMax);
    this.boxes = new Boxes(users, Math.min(users, nodes));
    this.lastPacketId = new Uint16Array(users);
    this.nodes = new Nodes(nodes);
    this.aside = new Aside(this.nodes);
  }

  /** Memory of all messages, parked ones too. */
  get memoryBytes(): number {
    return this.arena.usedBytes + this.messages * MESSAGE_BYTES;
  }

  /** Where payloads lie. */
  get arena(): SlabArena {
    return this.bodies.arena;
  }

  /** A new user's mailbox is empty. */
  open(user: number): void {
    assert(this.boxes.of(user) === NONE, 'a mailbox is cleared before its user goes');
    this.slow.forget(user);
    // Not written when it is 0: pages of users who never got a message stay untouched.
    if (this.lastPacketId[user] !== 0) this.lastPacketId[user] = 0;
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
    kind: number = BODY.mail,
  ): number {
    const refusal = this.#refusal(user, end - start, kind === BODY.receipt);
    if (refusal < 0) return refusal;
    const { bodies } = this;
    const body = bodies.add(kind, payload, 0, 0, start, end, sender, hasProperties, expiresS);
    if (body < 0) return REFUSAL.bytes;
    this.#readClock();
    bodies.storedMs[body] = this.#nowMs[0]!;
    return this.#append(user, body, 0);
  }

  /**
   * A message for many mailboxes, under the topic in [topicStart, topicEnd): `putCopy` gives it to each, then
   * `bodies.release` lets go of it. Returns its body, or REFUSAL.bytes.
   */
  share(
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    sender: Readonly<SenderReference>,
    hasProperties: boolean,
    expiresS: number,
  ): number {
    const body = this.bodies.add(
      BODY.group,
      bytes,
      topicStart,
      topicEnd,
      start,
      end,
      sender,
      hasProperties,
      expiresS,
    );
    if (body < 0) return REFUSAL.bytes;
    this.#readClock();
    this.bodies.storedMs[body] = this.#nowMs[0]!;
    return body;
  }

  /** Stores a copy; returns its node or a REFUSAL. `isSilent`: nobody is told of its acceptance. */
  putCopy(user: number, body: number, isSilent: boolean): number {
    const refusal = this.#refusal(user, this.bodies.size[body]!, false);
    if (refusal < 0) return refusal;
    this.bodies.retain(body);
    return this.#append(user, body, isSilent ? NODE.silent : 0);
  }

  /**
   * Stores the `count` receipts in [start, end), with those that stand last in the queue where they fit; false,
   * and counted, when there is no room for them. They begin with a line feed, which the first go without, or
   * with properties of MQTT 5: then they stay alone.
   */
  putReceipts(
    user: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
    expiresS: number,
    hasProperties: boolean,
  ): boolean {
    const { bodies } = this;
    if (!hasProperties && this.#joinReceipts(user, bytes, start, end, count)) return true;
    const from = hasProperties ? start : start + 1;
    const node = this.put(user, bytes, from, end, NOBODY, hasProperties, expiresS, BODY.receipt);
    if (node < 0) this.receiptsDropped += count;
    else bodies.senderPacketId[this.nodes.body[node]!] = count;
    return node >= 0;
  }

  /**
   * The next message to send, now counted in the window, or -1 when all are sent or the window is full.
   * `withoutId`: what is for its mailbox goes to a QoS 0 subscription; `acceptWritten` will accept it.
   * `windowMax`: what this receiver allows, when that is less than the limit. `hasInbox`: false leaves what is
   * for its mailbox, and what stands behind it, where it is.
   */
  take(
    user: number,
    withoutId: boolean,
    windowMax = this.limits.windowMessagesMax,
    hasInbox = true,
  ): number {
    const { boxes } = this;
    const box = boxes.of(user);
    const node = box === NONE ? NONE : boxes.unsent[box]!;
    if (node === NONE) return NONE;
    const body = this.nodes.body[node]!;
    const isMail = this.bodies.kind(body) === BODY.mail;
    if (isMail && !hasInbox) return NONE;
    const size = this.bodies.size[body]!;
    const window = boxes.window[box]!;
    const { windowMessagesMax, windowBytesMax } = this.limits;
    if (window >= windowMessagesMax || window >= windowMax) return NONE;
    if (window > 0 && boxes.windowBytes[box]! + size > windowBytesMax) return NONE;
    if (this.nodes.packetId[node] === 0) this.nodes.packetId[node] = this.#nextPacketId(user, box);
    this.nodes.flags[node]! |= withoutId && isMail ? NODE.sent | NODE.withoutId : NODE.sent;
    boxes.window[box] = window + 1;
    this.#readClock();
    this.nodes.sentMs[node] = this.#nowMs[0]!;
    boxes.windowBytes[box]! += size;
    boxes.unsent[box] = this.nodes.next[node]!;
    return node;
  }

  /**
   * The receiver accepted the delivery with this packet id: the message is removed and, with its last copy,
   * its bytes are overwritten. True when there was one; its sender then stands in `accepted`.
   */
  accept(user: number, packetId: number): boolean {
    const box = this.boxes.of(user);
    let previous = NONE;
    let node = box === NONE ? NONE : this.boxes.head[box]!;
    // Also what was sent on an earlier connection and waits to be sent again: its PUBACK may have been on
    // its way when that connection was superseded.
    while (node !== NONE && this.nodes.packetId[node] !== 0) {
      if (
        this.nodes.packetId[node] === packetId &&
        (this.nodes.flags[node]! & NODE.withoutId) === 0
      ) {
        this.#remove(user, box, previous, node);
        return true;
      }
      previous = node;
      node = this.nodes.next[node]!;
    }
    return false;
  }

  /** The oldest delivery without packet id has been written and so is accepted; false when there is none. */
  acceptWritten(user: number): boolean {
    const { boxes } = this;
    const box = boxes.of(user);
    if (box === NONE) return false;
    let previous = NONE;
    let node = boxes.head[box]!;
    for (let left = boxes.window[box]!; left > 0; left--) {
      if ((this.nodes.flags[node]! & NODE.withoutId) !== 0) {
        this.#remove(user, box, previous, node);
        return true;
      }
      previous = node;
      node = this.nodes.next[node]!;
    }
    return false;
  }

  /**
   * The connection is gone: what was sent and not accepted is to be sent again, with DUP. `isLost`: it ended by
   * itself, which counts against the first of these; a client that logs in over itself says nothing of a
   * message. True when that one was parked; its sender then stands in `accepted`.
   */
  rewind(user: number, isLost = true): boolean {
    const { boxes } = this;
    const box = boxes.of(user);
    if (box === NONE) return false;
    const head = boxes.head[box]!;
    let node = head;
    let left = boxes.window[box]!;
    const wasSent = left > 0;
    for (; left > 0; left--, node = this.nodes.next[node]!) {
      this.nodes.flags[node] = NODE.dup | (this.nodes.flags[node]! & NODE.silent);
    }
    boxes.unsent[box] = head;
    boxes.window[box] = boxes.windowBytes[box] = 0;
    if (!wasSent || !isLost || ++this.nodes.left[head]! <= this.limits.redeliveriesMax)
      return false;
    this.#park(user, box, head);
    return true;
  }

  /** A turn is over: the clock is read anew when needed. True when removed messages are still to be freed. */
  endTurn(): boolean {
    this.#nowMs[0] = 0;
    this.#reap();
    this.#reapLeft = REAP_SLICE;
    return this.#doomed !== NONE;
  }

  /** Messages of one mailbox. */
  length(user: number): number {
    return this.boxes.length(user);
  }

  /** Messages that are sent and not accepted. */
  window(user: number): number {
    return this.boxes.sentMessages(user);
  }

  /** Removes every message, accepted or not; returns how many. Of very many the rest is freed turn by turn. */
  clear(user: number): number {
    this.slow.forget(user);
    const { boxes } = this;
    const box = boxes.of(user);
    if (box === NONE) return 0;
    const count = this.length(user);
    if (count > 0) {
      this.nodes.next[boxes.tail[box]!] = this.#doomed;
      this.#doomed = boxes.head[box]!;
      this.#reap();
    }
    boxes.flow[box * FLOW_WORDS + FLOW.dequeued]! += count;
    boxes.give(user);
    return count;
  }

  packetId(node: number): number {
    return this.nodes.packetId[node]!;
  }

  isDup(node: number): boolean {
    return (this.nodes.flags[node]! & NODE.dup) !== 0;
  }

  /** What it says. */
  body(node: number): number {
    return this.nodes.body[node]!;
  }

  /** Why a mailbox takes no more, 0 = it does. Receipts make room for messages. */
  #refusal(user: number, size: number, isReceipt: boolean): number {
    const { boxes, limits } = this;
    const receipts = boxes.receipts(user);
    const { mailboxMessagesMax, mailboxBytesMax } = limits;
    if (this.messages >= limits.messagesMax) return REFUSAL.messages;
    if (
      isReceipt &&
      receipts >=
        Math.min(RECEIPT_BOUNDS.nodesMax, Math.ceil(mailboxMessagesMax * RECEIPT_BOUNDS.share))
    ) {
      return REFUSAL.mailboxMessages;
    }
    for (;;) {
      const isLong = this.length(user) >= mailboxMessagesMax;
      if (!isLong && boxes.storedBytes(user) + size <= mailboxBytesMax) return 0;
      const makesRoom = !isReceipt && receipts > 0 && this.#dropReceipts(user);
      if (!makesRoom) return isLong ? REFUSAL.mailboxMessages : REFUSAL.mailboxBytes;
    }
  }

  /** Drops the oldest node with receipts that is not under way; false when there is none. */
  #dropReceipts(user: number): boolean {
    const { bodies } = this;
    const box = this.boxes.of(user);
    let previous = NONE;
    let node = box === NONE ? NONE : this.boxes.head[box]!;
    for (; node !== NONE; previous = node, node = this.nodes.next[node]!) {
      const isSent = (this.nodes.flags[node]! & NODE.sent) !== 0;
      if (isSent || bodies.kind(this.nodes.body[node]!) !== BODY.receipt) continue;
      this.receiptsDropped += bodies.senderPacketId[this.nodes.body[node]!]!;
      this.#remove(user, box, previous, node);
      this.#madeRoom++;
      return true;
    }
    return false;
  }

  /** Nodes with receipts that made room for messages since the last call. */
  takeMadeRoom(): number {
    const count = this.#madeRoom;
    this.#madeRoom = 0;
    return count;
  }

  /** Adds receipts to the last node of the mailbox, when that has receipts that were never sent. */
  #joinReceipts(
    user: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
  ): boolean {
    const { bodies, boxes } = this;
    const box = boxes.of(user);
    const last = box === NONE ? NONE : boxes.tail[box]!;
    if (last === NONE || this.nodes.packetId[last] !== 0) return false;
    const body = this.nodes.body[last]!;
    const total = bodies.senderPacketId[body]! + count;
    const isOpen = bodies.kind(body) === BODY.receipt && !bodies.hasProperties(body);
    const size = bodies.size[body]!;
    const hasRoom = boxes.bytes[box]! + end - start <= this.limits.mailboxBytesMax;
    if (!isOpen || total > RECEIPT_BOUNDS.countMax || !hasRoom) return false;
    if (!bodies.extend(body, bytes, start, end, RECEIPT_BOUNDS.bytesMax)) return false;
    bodies.senderPacketId[body] = total;
    boxes.bytes[box]! += bodies.size[body]! - size;
    return true;
  }

  /** A node for `body` at the end of the queue. */
  #append(user: number, body: number, flags: number): number {
    const node = this.nodes.take(body, flags);
    const { boxes } = this;
    const box = boxes.take(user);
    if (boxes.head[box] === NONE) boxes.head[box] = node;
    else this.nodes.next[boxes.tail[box]!] = node;
    boxes.tail[box] = node;
    if (boxes.unsent[box] === NONE) boxes.unsent[box] = node;
    boxes.bytes[box]! += this.bodies.size[body]!;
    if (this.bodies.kind(body) === BODY.receipt) boxes.receiptNodes[box]!++;
    const { flow } = boxes;
    const at = box * FLOW_WORDS;
    flow[at + FLOW.length]!++;
    this.messages++;
    if (!this.hasStatistics) return node;
    flow[at + FLOW.enqueued]!++;
    if (boxes.head[box] !== node) return node;
    this.#readClock();
    flow[at + FLOW.oldestS] = this.#nowMs[0]! / 1000;
    return node;
  }

  #remove(user: number, box: number, previous: number, node: number): void {
    const { boxes } = this;
    const next = this.nodes.next[node]!;
    if (previous === NONE) boxes.head[box] = next;
    else this.nodes.next[previous] = next;
    if (next === NONE) boxes.tail[box] = previous;
    const body = this.nodes.body[node]!;
    const size = this.bodies.size[body]!;
    if ((this.nodes.flags[node]! & NODE.sent) !== 0) {
      this.#noteAccepted(user, node);
      boxes.window[box]!--;
      boxes.windowBytes[box]! -= size;
    } else if (boxes.unsent[box] === node) boxes.unsent[box] = next;
    boxes.bytes[box]! -= size;
    if (this.bodies.kind(body) === BODY.receipt) boxes.receiptNodes[box]!--;
    this.#flowOut(user, box);
    this.#tell(node);
    this.#free(node);
  }

  /** Keeps in `accepted` whose message it was. */
  #tell(node: number): void {
    const { accepted, bodies } = this;
    const body = this.nodes.body[node]!;
    const isSilent = (this.nodes.flags[node]! & NODE.silent) !== 0;
    accepted.worker = bodies.senderWorker[body]!;
    accepted.row = isSilent ? NONE : bodies.senderRow[body]!;
    accepted.generation = bodies.senderGeneration[body]!;
    accepted.packetId = bodies.senderPacketId[body]!;
    this.acceptedKind = bodies.kind(body);
    this.#keepProperties(body);
  }

  /** A message has left; with the last one goes the box. */
  #flowOut(user: number, box: number): void {
    const { boxes } = this;
    const { flow } = boxes;
    const at = box * FLOW_WORDS;
    const head = boxes.head[box]!;
    flow[at + FLOW.length]!--;
    if (this.hasStatistics) {
      flow[at + FLOW.dequeued]!++;
      if (head !== NONE) {
        this.#readClock();
        flow[at + FLOW.oldestS] = (this.#nowMs[0]! - this.#age(head)) / 1000;
      }
    }
    if (head === NONE) boxes.give(user);
  }

  /** How long ago a message was stored, ms. */
  #age(node: number): number {
    return sinceMs(this.#nowMs[0]!, this.bodies.storedMs[this.nodes.body[node]!]!);
  }

  /** The receiver has accepted a message: how long it took. */
  #noteAccepted(user: number, node: number): void {
    if (!this.hasStatistics) return;
    this.#readClock();
    const nowMs = this.#nowMs[0]!;
    const responseMs = sinceMs(nowMs, this.nodes.sentMs[node]!);
    if (responseMs >= this.slow.thresholdMs) {
      this.slow.note(user, this.#age(node), responseMs, nowMs / 1000);
    }
  }

  /** Reads the clock, once a turn. It stands in an array: a number that is returned may be one on the heap. */
  #readClock(): void {
    if (this.#nowMs[0] === 0) this.#readWall(this.#nowMs);
  }

  #keepProperties(body: number): void {
    this.acceptedPropertiesLength = 0;
    const { bodies } = this;
    if (!bodies.hasProperties(body) || bodies.kind(body) !== BODY.mail) return;
    const { bytes } = bodies.arena;
    const start = bodies.contentStart(body);
    const length = variableLength(bytes, start) + readVariable(bytes, start, bodies.end(body));
    if (length > ACCEPTED_PROPERTIES_MAX) return;
    copyBytes(this.acceptedProperties, 0, bytes, start, start + length);
    this.acceptedPropertiesLength = length;
  }

  /** Puts the first message aside, and the oldest of those out of memory. Nothing is in the window. */
  #park(user: number, box: number, node: number): void {
    const { boxes } = this;
    const next = this.nodes.next[node]!;
    boxes.head[box] = boxes.unsent[box] = next;
    if (next === NONE) boxes.tail[box] = NONE;
    const body = this.nodes.body[node]!;
    boxes.bytes[box]! -= this.bodies.size[body]!;
    if (this.bodies.kind(body) === BODY.receipt) boxes.receiptNodes[box]!--;
    this.#flowOut(user, box);
    this.#tell(node);
    this.messages--;
    this.parked++;
    this.putAside(node);
  }

  /** Keeps a node that stands in no mailbox, and is no message any more. */
  putAside(node: number): void {
    const oldest = this.aside.add(node);
    if (oldest === NONE) return;
    this.messages++;
    this.#free(oldest);
  }

  /** Frees messages of mailboxes that were cleared: a slice a turn, however many mailboxes were cleared in it. */
  #reap(): void {
    for (; this.#reapLeft > 0 && this.#doomed !== NONE; this.#reapLeft--) {
      const node = this.#doomed;
      this.#doomed = this.nodes.next[node]!;
      this.#free(node);
    }
  }

  #free(node: number): void {
    this.bodies.release(this.nodes.body[node]!);
    this.nodes.give(node);
    this.messages--;
  }

  /** The next packet id that no message of the window carries [MQTT-2.3.1-2]. */
  #nextPacketId(user: number, box: number): number {
    let id = this.lastPacketId[user]!;
    do id = id === 0xffff || id === 0 ? MAILBOX_PACKET_ID_MIN : id + 1;
    while (this.#isPacketIdUsed(box, id));
    this.lastPacketId[user] = id;
    return id;
  }

  #isPacketIdUsed(box: number, id: number): boolean {
    let node = this.boxes.head[box]!;
    for (; node !== NONE && this.nodes.packetId[node] !== 0; node = this.nodes.next[node]!) {
      if (this.nodes.packetId[node] === id) return true;
    }
    assert(node !== NONE, 'the message that needs an id stands in the mailbox');
    return false;
  }
}

/** The clock of mailboxes whose ages nobody asks for. */
function standStill(into: Float64Array): void {
  into[0] = 1000;
}
