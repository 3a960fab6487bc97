// How many users say goodbye at a time. All at once, a million of them overrun the server's input: what is lost there
// comes again too late, the reset that ends the wait is lost too, and the server keeps users that nobody speaks for.
// A server that answers none of a whole crowd is not waited for: then everybody else leaves at once.

/** Users whose goodbye is not answered yet. */
export const GOODBYES_MAX = 4096;

export class Goodbyes {
  #waiting = 0;
  /** In a row, since the last answer. */
  #unanswered = 0;

  /** How many may leave now. */
  get room(): number {
    if (this.#unanswered >= GOODBYES_MAX) return Number.POSITIVE_INFINITY;
    return Math.max(0, GOODBYES_MAX - this.#waiting);
  }

  said(): void {
    this.#waiting++;
  }

  /** The server has closed its side. */
  answered(): void {
    this.#unanswered = 0;
  }

  /** The time for an answer has run out. */
  timedOut(): void {
    this.#unanswered++;
  }

  /** The connection is gone, answered or not. */
  over(): void {
    this.#waiting--;
  }
}
