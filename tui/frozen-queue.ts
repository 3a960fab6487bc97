// Messages that came while the picture was frozen, kept in order until it moves again; bounded, the
// oldest go first and are counted.

import type { Message } from '#tui/model/message.ts';

export interface Arrival {
  message: Message;
  /** Monotonic time, us. */
  arrivedUs: number;
}

/** A quarter of an hour of four sources. */
const ARRIVALS_MAX = 4096;

export class FrozenQueue {
  #arrivals: Arrival[] = [];
  dropped = 0;

  push(arrival: Arrival): void {
    if (this.#arrivals.length >= ARRIVALS_MAX) {
      this.#arrivals.shift();
      this.dropped++;
    }
    this.#arrivals.push(arrival);
  }

  /** Returns all that waited and forgets it. */
  drain(): Arrival[] {
    const all = this.#arrivals;
    this.#arrivals = [];
    return all;
  }
}
