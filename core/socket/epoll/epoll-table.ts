// What engine epoll knows of each connection: flags and a few numbers in typed arrays, 33 bytes with its place
// in the output slab. A number is given out last-in first-out, and free again when its end was told and it
// is in no list. An event carries the generation of its connection: one that comes late, in the batch in
// which the descriptor was closed, is dropped.

import { assert } from '#core/assert.ts';

export const FLAG = {
  /** Established and announced to the handler. */
  open: 1 << 0,
  /** A connect is under way: announced by `onConnect` when it ends. */
  connecting: 1 << 1,
  /** `close()` was called: output still leaves, nothing is delivered. */
  closing: 1 << 2,
  /** Its descriptor is closed; its end is to be told. */
  releasing: 1 << 3,
  /** `pauseReceive()` holds. */
  paused: 1 << 4,
  /** Bytes may wait that no event will tell of. */
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
  lingering: 1 << 10,
  /** An event told of the end of input or an error: it shows after the bytes before it. */
  hung: 1 << 11,
  /** An event told of a reset, whatever the reads say. */
  broken: 1 << 12,
  /** The socket takes no more; an event tells when it does. */
  blocked: 1 << 13,
  /** A send failed; its errno is kept. */
  failed: 1 << 14,

  // Places in lists of ours.
  listedToFlush: 1 << 16,
  listedToTend: 1 << 17,
  listedStarved: 1 << 18,
} as const;
const LISTED = FLAG.listedToFlush | FLAG.listedToTend | FLAG.listedStarved;

export class EpollTable {
  readonly capacity: number;
  readonly flags: Int32Array;
  readonly fd: Int32Array;
  readonly errno: Uint16Array;
  readonly reason: Uint8Array;
  readonly generation: Uint16Array;
  /** Next connection of those to flush (or free), plus one; 0 ends it. */
  readonly nextToFlush: Int32Array;
  /** Next of those to tend, plus one. */
  readonly nextToTend: Int32Array;
  /** Connections in use. */
  used = 0;
  #free = 0;
  #fresh = 0;
  #firstToTend = 0;
  #lastToTend = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Int32Array(capacity);
    this.fd = new Int32Array(capacity);
    this.errno = new Uint16Array(capacity);
    this.reason = new Uint8Array(capacity);
    this.generation = new Uint16Array(capacity);
    this.nextToFlush = new Int32Array(capacity);
    this.nextToTend = new Int32Array(capacity);
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

  give(conn: number): void {
    assert((this.flags[conn]! & LISTED) === 0, 'a connection is freed when it is in no list');
    this.flags[conn] = 0;
    this.errno[conn] = 0;
    this.reason[conn] = 0;
    this.generation[conn]!++;
    this.nextToFlush[conn] = this.#free;
    this.#free = conn + 1;
    this.used--;
  }

  /** Lists a connection that needs a look in the next turn: its end, a failure, a drain, more to read. */
  listToTend(conn: number): void {
    if ((this.flags[conn]! & FLAG.listedToTend) !== 0) return;
    this.flags[conn]! |= FLAG.listedToTend;
    this.nextToTend[conn] = 0;
    if (this.#lastToTend === 0) this.#firstToTend = conn + 1;
    else this.nextToTend[this.#lastToTend - 1] = conn + 1;
    this.#lastToTend = conn + 1;
  }

  get hasToTend(): boolean {
    return this.#firstToTend !== 0;
  }

  /** Calls `each` for all that are listed now, taken off the list. */
  tend(each: (conn: number) => void): void {
    let listed = this.#firstToTend;
    this.#firstToTend = 0;
    this.#lastToTend = 0;
    while (listed !== 0) {
      const conn = listed - 1;
      listed = this.nextToTend[conn]!;
      this.flags[conn]! &= ~FLAG.listedToTend;
      each(conn);
    }
  }

  /** One past the highest number that was ever in use. */
  get end(): number {
    return this.#fresh;
  }
}
