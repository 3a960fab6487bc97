// What engine epoll knows of each connection: flags and a few numbers in typed arrays, 33 bytes with its place
// in the output slab. A number is given out last-in first-out, and free again when its end was told and it
// is in no list. An event carries the generation of its connection: one that comes late, in the batch in
// which the descriptor was closed, is dropped.

import { ConnectionNumbers, LIFE } from '#core/socket/connection-numbers.ts';

export const FLAG = {
  ...LIFE,
  /** An event told of the end of input or an error: it shows after the bytes before it. */
  hung: 1 << 10,
  /** The socket takes no more; an event tells when it does. */
  blocked: 1 << 11,
  /** A send failed; its errno is kept. */
  failed: 1 << 14,
  listedToTend: 1 << 24,
} as const;

export class EpollTable extends ConnectionNumbers {
  readonly fd: Int32Array;
  /** Next of those to tend, plus one. */
  readonly nextToTend: Int32Array;
  #firstToTend = 0;
  #lastToTend = 0;

  constructor(capacity: number) {
    super(capacity);
    this.fd = new Int32Array(capacity);
    this.nextToTend = new Int32Array(capacity);
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
}
