// The numbers of connections, for engines that keep their state in typed arrays: given out last-in first-out,
// with flags, the reason of the end, and a generation that changes when a number is free again. An event that
// carries an older generation is about a connection that is gone.

import { assert } from '#core/assert.ts';

/** Flags of a connection that all such engines know; each adds its own. */
export const LIFE = {
  /** Established and announced to the handler. */
  open: 1 << 0,
  /** A connect is under way: announced by `onConnect` when it ends. */
  connecting: 1 << 1,
  /** `close()` was called: output still leaves, nothing is delivered. */
  closing: 1 << 2,
  /** Its descriptor is closed, or is being closed; its end is still to be told. */
  releasing: 1 << 3,
  /** `pauseReceive()` holds. */
  paused: 1 << 4,
  /** Something is to be read that was not asked for yet, and no event may tell of it. */
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
  /** An event told of a reset, which shows after the bytes before it: reading goes on until then. */
  broken: 1 << 13,
  // Places in lists; from bit 16 on a flag keeps the number from being given back.
  listedToFlush: 1 << 23,
  listedStarved: 1 << 25,
} as const;
/** Flags that keep a number: something is in flight, or the connection is in a list. */
const BUSY = 0x03ff0000;

export class ConnectionNumbers {
  readonly capacity: number;
  readonly flags: Int32Array;
  readonly errno: Uint16Array;
  readonly reason: Uint8Array;
  readonly generation: Uint16Array;
  /** Next connection in the list of those to flush (or free), plus one; 0 ends it. */
  readonly nextToFlush: Int32Array;
  /** Connections in use. */
  used = 0;
  #free = 0;
  #fresh = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.flags = new Int32Array(capacity);
    this.errno = new Uint16Array(capacity);
    this.reason = new Uint8Array(capacity);
    this.generation = new Uint16Array(capacity);
    this.nextToFlush = new Int32Array(capacity);
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

  /** Gives the number back; from here on what carries its generation is stale. */
  give(conn: number): void {
    assert(!this.isBusy(conn), 'a connection is freed when nothing of it is in flight or listed');
    this.flags[conn] = 0;
    this.errno[conn] = 0;
    this.reason[conn] = 0;
    this.generation[conn]!++;
    this.nextToFlush[conn] = this.#free;
    this.#free = conn + 1;
    this.used--;
  }

  isBusy(conn: number): boolean {
    return (this.flags[conn]! & BUSY) !== 0;
  }

  /** One past the highest number that was ever in use. */
  get end(): number {
    return this.#fresh;
  }
}
