// Decides whether sends leave with the call that sleeps, or before it. With it saves a call, but as a send might not
// leave at once, that sleep must be short: on a quiet server it is ended by its time, for nothing, and begun again.
// Such a wake-up costs far more than the call. So the sleeps that follow sends are watched, and sends leave first
// while most of them outlast the short one. A count, so that one silence in a busy time changes nothing.

const COUNT_MAX = 3;
const FIRST_MIN = 2;

export class SendPlan {
  readonly #shortUs: number;
  #longSleeps = 0;

  /** `shortUs`: the longest sleep that sends leave with. */
  constructor(shortUs: number) {
    this.#shortUs = shortUs;
  }

  /** Sends leave before the sleep. */
  get isFirst(): boolean {
    return this.#longSleeps >= FIRST_MIN;
  }

  /** A sleep that sends left with, or before, is over. */
  slept(us: number): void {
    if (us < this.#shortUs) this.#longSleeps = Math.max(0, this.#longSleeps - 1);
    else this.#longSleeps = Math.min(COUNT_MAX, this.#longSleeps + 1);
  }
}
