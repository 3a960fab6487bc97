// What engine ring knows of each connection: flags and a few numbers in typed arrays. A connection number
// is given out last-in first-out and is not tied to a slot: the kernel picks the slot.
//
// A number is free again only when no request of its connection is left in the kernel (no busy flag), so
// a completion can never meet a later connection. The generation, which travels in the user data, guards
// that rule: a completion that broke it would be dropped and counted, never delivered.
//
// User data of a completion, 64 bits:  low word: connection    high word: generation (16) | tag (8)

import { assert } from '#core/assert.ts';

/** Flags of a connection. */
export const FLAG = {
  /** Established and announced to the handler. */
  open: 1 << 0,
  /** A connect is under way: announced by `onConnect` when it ends. */
  connecting: 1 << 1,
  /** `close()` was called: output still leaves, nothing is delivered. */
  closing: 1 << 2,
  /** Its descriptor is being closed; only completions are awaited. */
  releasing: 1 << 3,
  /** `pauseReceive()` holds. */
  paused: 1 << 4,
  /** Something is to be read that was not asked for yet. */
  readable: 1 << 5,
  /** The peer's FIN was read. */
  ended: 1 << 6,
  /** `endOutput()` was called. */
  outputEnded: 1 << 7,
  /** Our FIN has left. */
  finSent: 1 << 8,
  /** A send was refused: `onDrain` is owed. */
  owesDrain: 1 << 9,
  /** `close()` has sent everything and waits for the peer's FIN. */
  lingering: 1 << 12,
  /** The cancellation of the multishot receive was asked for. */
  streamEnding: 1 << 10,
  /** It holds a slot of its lane's table. */
  hasSlot: 1 << 11,
  /** A poll told of an error, which shows after the bytes before it: reading goes on until then. */
  broken: 1 << 13,

  // Busy flags: a request in the kernel, or a place in a list of ours.
  polling: 1 << 16,
  streaming: 1 << 17,
  receiving: 1 << 18,
  sending: 1 << 19,
  shuttingDown: 1 << 20,
  connectStep: 1 << 21,
  closingSlot: 1 << 22,
  listedToFlush: 1 << 23,
  listedToReceive: 1 << 24,
  listedStarved: 1 << 25,
} as const;
const BUSY = 0x03ff0000;

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

export class ConnectionTable {
  readonly capacity: number;
  readonly flags: Int32Array;
  readonly lane: Uint16Array;
  readonly slot: Int32Array;
  readonly errno: Uint16Array;
  readonly reason: Uint8Array;
  /** Next connection in the list of those to flush (or free), plus one; 0 ends it. */
  readonly nextToFlush: Int32Array;
  /** Next in its lane's list of those to receive from, plus one. */
  readonly nextToReceive: Int32Array;
  /** Connections in use. */
  used = 0;
  readonly #generation: Uint16Array;
  #free = 0;
  #fresh = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Int32Array(capacity);
    this.lane = new Uint16Array(capacity);
    this.slot = new Int32Array(capacity);
    this.errno = new Uint16Array(capacity);
    this.reason = new Uint8Array(capacity);
    this.nextToFlush = new Int32Array(capacity);
    this.nextToReceive = new Int32Array(capacity);
    this.#generation = new Uint16Array(capacity);
  }

  /** A free connection number, or -1. */
  take(): number {
    if (this.used === this.capacity) return -1;
    this.used++;
    if (this.#free === 0) return this.#fresh++;
    const conn = this.#free - 1;
    this.#free = this.nextToFlush[conn]!;
    this.nextToFlush[conn] = 0;
    return conn;
  }

  /** Gives the number back; from here on completions that carry it are stale. */
  give(conn: number): void {
    assert(
      (this.flags[conn]! & BUSY) === 0,
      'a connection is freed when nothing of it is in flight',
    );
    this.flags[conn] = 0;
    this.errno[conn] = 0;
    this.reason[conn] = 0;
    this.#generation[conn]!++;
    this.nextToFlush[conn] = this.#free;
    this.#free = conn + 1;
    this.used--;
  }

  isBusy(conn: number): boolean {
    return (this.flags[conn]! & BUSY) !== 0;
  }

  /** The high word of user data for a request of `conn`. */
  dataHigh(conn: number, tag: number): number {
    return (this.#generation[conn]! << TAG_BITS) | tag;
  }

  /** True when a completion with this user data belongs to the connection that has the number now. */
  isCurrent(conn: number, dataHigh: number): boolean {
    return ((dataHigh >>> TAG_BITS) & GENERATION_MASK) === this.#generation[conn];
  }

  /** One past the highest number that was ever in use. */
  get end(): number {
    return this.#fresh;
  }
}

export function tagOf(dataHigh: number): number {
  return dataHigh & TAG_MASK;
}
