// Asks a reactor to say when a connection's output is empty. It says so only after it has refused a send,
// and nothing may be refused here that is still needed; so it is offered one that cannot fit.

import { assert } from '#core/assert.ts';
import type { Conn, Reactor } from '#core/socket/reactor.ts';

export class DrainRequest {
  readonly #filler: Uint8Array;

  /** `outputBytesMax` as given to the reactor. */
  constructor(outputBytesMax: number) {
    this.#filler = new Uint8Array(outputBytesMax);
  }

  /** `onDrain(conn)` follows, unless output was ended already. Output must wait now. */
  ask(reactor: Reactor, conn: Conn): void {
    const isTaken = reactor.send(conn, this.#filler, 0, this.#filler.length);
    assert(!isTaken, 'a full output takes nothing beside what waits already');
  }
}
