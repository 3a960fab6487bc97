// One connection of engine net: a node:net socket and what is queued for it. (Engine net keeps objects
// per connection, as node:net does; only engine ring is free of them.)

import type { Socket } from 'node:net';
import { CLOSE_REASON, type CloseReason, type Conn } from '#core/socket/reactor.ts';

export class NetConnection {
  readonly conn: Conn;
  readonly socket: Socket;
  /** False while a connect is in flight. */
  announced = false;
  /** `pauseReceive()` holds. */
  paused = false;
  /** `close()` was called: nothing more is delivered or taken. */
  closing = false;
  /** `endOutput()` was called: FIN follows the queued output. */
  outputEnded = false;
  /** `close()` has sent everything and waits for the peer's FIN. */
  lingering = false;
  /** The socket's writable side was ended. */
  finSent = false;
  /** A send was refused: `onDrain` is owed. */
  owesDrain = false;
  reason: CloseReason = CLOSE_REASON.orderly;
  errno = 0;
  /** Bytes handed to the socket and not yet confirmed: at most one write is in flight. */
  writingBytes = 0;
  queuedBytes = 0;
  #queued: Uint8Array[] = [];

  constructor(conn: Conn, socket: Socket) {
    this.conn = conn;
    this.socket = socket;
  }

  get outputBytes(): number {
    return this.queuedBytes + this.writingBytes;
  }

  /** Queues a copy. */
  queue(bytes: Uint8Array, start: number, end: number): void {
    // Of a Buffer, its own slice() would be a view.
    this.#queued.push(Uint8Array.prototype.slice.call(bytes, start, end));
    this.queuedBytes += end - start;
  }

  /** Takes everything queued as one piece. */
  takeQueued(): Uint8Array {
    const piece = this.#queued.length === 1 ? this.#queued[0]! : Buffer.concat(this.#queued);
    this.#queued = [];
    this.queuedBytes = 0;
    return piece;
  }

  dropQueued(): void {
    this.#queued = [];
    this.queuedBytes = 0;
  }
}
