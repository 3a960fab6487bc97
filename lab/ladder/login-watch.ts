// Whether a population that logs in will ever be in. A step has as long as its users need at a slow rate, which are
// minutes; nobody waits that long for what has stopped. Pure: times come in.

/** When the generator has all in, the server's count follows with its next rows or not at all. */
const AGREE_MS = 15_000;
/** Starting up takes a good part of this on a busy host, and between two logins of a broken server there is less. */
const STALL_MS = 60_000;

export class LoginWatch {
  readonly #users: number;
  #most = 0;
  #growthMs: number;
  #allInMs = Number.POSITIVE_INFINITY;

  constructor(users: number, startedMs: number) {
    this.#users = users;
    this.#growthMs = startedMs;
  }

  /** `generator`: users logged in by its count. True when the rest will not come, or the server has lost some. */
  isHopeless(generator: number | null, nowMs: number): boolean {
    if (generator !== null && generator > this.#most) {
      this.#most = generator;
      this.#growthMs = nowMs;
    }
    if (generator === this.#users) this.#allInMs = Math.min(this.#allInMs, nowMs);
    return nowMs > this.#allInMs + AGREE_MS || nowMs > this.#growthMs + STALL_MS;
  }
}
