// The state of those mailboxes that hold something. Nearly all are empty nearly all the time, so a user has four
// bytes that name its box, and the box is borrowed with the first message and given back with the last. A box is
// never wanted in vain: whoever has one has a message, and of messages there are at most as many.
//
// Cost: 4 bytes a user, 39 bytes a box. Boxes are reused last-in first-out, so their memory is what the most
// mailboxes needed at a time. Nothing is allocated.

import { FLOW, FLOW_WORDS } from '#reference-server/mailbox/mailbox-limits.ts';

const NONE = -1;

export class Boxes {
  /** Figures of each box, in shared memory, where other threads sweep them: FLOW_WORDS words, see FLOW. */
  readonly flow: Uint32Array<SharedArrayBuffer>;
  /** Oldest and newest node of the queue, and the first that was not sent; -1 = none. */
  readonly head: Int32Array;
  readonly tail: Int32Array;
  readonly unsent: Int32Array;
  /** Bytes of all messages, and of those that are sent and not accepted, which `window` counts. */
  readonly bytes: Uint32Array;
  readonly windowBytes: Uint32Array;
  readonly window: Uint16Array;
  /** Nodes with receipts. */
  readonly receiptNodes: Uint8Array;
  /** Boxes that were ever in use are below this. */
  touched = 0;
  /** One more than the box of each user, 0 = none. */
  readonly #boxOf: Int32Array;
  #freeHead = NONE;

  constructor(users: number, boxesMax: number) {
    const flowBytes = boxesMax * FLOW_WORDS * Uint32Array.BYTES_PER_ELEMENT;
    this.flow = new Uint32Array(new SharedArrayBuffer(flowBytes));
    this.head = new Int32Array(boxesMax);
    this.tail = new Int32Array(boxesMax);
    this.unsent = new Int32Array(boxesMax);
    this.bytes = new Uint32Array(boxesMax);
    this.windowBytes = new Uint32Array(boxesMax);
    this.window = new Uint16Array(boxesMax);
    this.receiptNodes = new Uint8Array(boxesMax);
    this.#boxOf = new Int32Array(users);
  }

  /** The user's box, -1 = its mailbox is empty. */
  of(user: number): number {
    return this.#boxOf[user]! - 1;
  }

  /** The user's box, borrowed when it has none. Its counters go on from whoever had it before. */
  take(user: number): number {
    const own = this.#boxOf[user]! - 1;
    if (own !== NONE) return own;
    const box = this.#freeHead === NONE ? this.touched++ : this.#freeHead;
    if (box === this.#freeHead) this.#freeHead = this.head[box]!;
    this.#boxOf[user] = box + 1;
    this.head[box] = this.tail[box] = this.unsent[box] = NONE;
    this.bytes[box] = this.windowBytes[box] = 0;
    this.window[box] = this.receiptNodes[box] = 0;
    this.flow[box * FLOW_WORDS + FLOW.user] = user;
    return box;
  }

  /** The user's mailbox is empty: its box is free for another. */
  give(user: number): void {
    const box = this.#boxOf[user]! - 1;
    if (box === NONE) return;
    this.flow[box * FLOW_WORDS + FLOW.length] = 0;
    this.flow[box * FLOW_WORDS + FLOW.oldestS] = 0;
    this.#boxOf[user] = 0;
    this.head[box] = this.#freeHead;
    this.#freeHead = box;
  }

  /** Messages of one mailbox. */
  length(user: number): number {
    const box = this.#boxOf[user]! - 1;
    return box === NONE ? 0 : this.flow[box * FLOW_WORDS + FLOW.length]!;
  }

  /** Of them, those that are sent and not accepted. */
  sentMessages(user: number): number {
    const box = this.#boxOf[user]! - 1;
    return box === NONE ? 0 : this.window[box]!;
  }

  /** Bytes of one mailbox, and its nodes with receipts. */
  storedBytes(user: number): number {
    const box = this.#boxOf[user]! - 1;
    return box === NONE ? 0 : this.bytes[box]!;
  }

  receipts(user: number): number {
    const box = this.#boxOf[user]! - 1;
    return box === NONE ? 0 : this.receiptNodes[box]!;
  }
}
