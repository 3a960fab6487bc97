// What engine ring knows of each connection: flags and a few numbers in typed arrays. A connection number
// is given out last-in first-out and is not tied to a slot: the kernel picks the slot.
//
// A number is free again only when no request of its connection is left in the kernel (no busy flag), so
// a completion can never meet a later connection. The generation, which travels in the user data, guards
// that rule: a completion that broke it would be dropped and counted, never delivered.
//
// User data of a completion, 64 bits:  low word: connection    high word: generation (16) | tag (8)

import { ConnectionNumbers, LIFE } from '#core/socket/connection-numbers.ts';

/** Flags of a connection. */
export const FLAG = {
  ...LIFE,
  /** The cancellation of the multishot receive was asked for. */
  streamEnding: 1 << 10,
  /** It holds a slot of its lane's table. */
  hasSlot: 1 << 11,

  // Busy flags: a request in the kernel, or a place in a list of ours.
  polling: 1 << 16,
  streaming: 1 << 17,
  receiving: 1 << 18,
  sending: 1 << 19,
  shuttingDown: 1 << 20,
  connectStep: 1 << 21,
  closingSlot: 1 << 22,
  listedToReceive: 1 << 24,
} as const;

const GENERATION_MASK = 0xffff;
const TAG_BITS = 8;
const TAG_MASK = 0xff;

/** What a completion is about; the low byte of the high word of user data. */
export const TAG = {
  poll: 1,
  stream: 2,
  receive: 3,
  send: 4,
  shutdown: 5,
  socket: 6,
  /** An option or the bind of a connect's chain; only a failure is told. */
  prepare: 7,
  connect: 8,
  closeSlot: 9,
  accept: 10,
  wake: 11,
  /** Resets and other requests whose result changes nothing. */
  silent: 12,
  /** Added to the tag of the request that is to be cancelled; told only when it was not found. */
  cancelOf: 0x80,
} as const;

export class ConnectionTable extends ConnectionNumbers {
  readonly lane: Uint16Array;
  readonly slot: Int32Array;
  /** Next in its lane's list of those to receive from, plus one. */
  readonly nextToReceive: Int32Array;

  constructor(capacity: number) {
    super(capacity);
    this.lane = new Uint16Array(capacity);
    this.slot = new Int32Array(capacity);
    this.nextToReceive = new Int32Array(capacity);
  }

  /** The high word of user data for a request of `conn`. */
  dataHigh(conn: number, tag: number): number {
    return (this.generation[conn]! << TAG_BITS) | tag;
  }

  /** True when a completion with this user data belongs to the connection that has the number now. */
  isCurrent(conn: number, dataHigh: number): boolean {
    return ((dataHigh >>> TAG_BITS) & GENERATION_MASK) === this.generation[conn];
  }
}

export function tagOf(dataHigh: number): number {
  return dataHigh & TAG_MASK;
}
