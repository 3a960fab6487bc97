// How fast users may log in: at most so many per second, and at most so many under way at once. The
// second bound (the window) finds itself: it grows with every login that went well and halves when
// one failed or took so long that a SYN or its answer must have been dropped (Linux sends it again
// after one second). So a broker with a listen backlog of 100 is not flooded, and one with 4096 is
// not kept waiting.
//
// Pure: time comes in as an argument, us. No allocation.

/** Logins under way at the start, at least, and at most over all workers. */
const WINDOW_START = 64;
const WINDOW_MIN = 16;
export const WINDOW_MAX = 2048;

/** A login that takes this long lost a packet on its way. */
const SLOW_LOGIN_US = 900_000;
/** One trouble is often many at once; they count as one within this time. */
const TROUBLE_US = 1_000_000;
/** Logins that may start at once after a pause: 10 ms worth of the rate. */
const BURST_US = 10_000;

export class LoginPacer {
  /** Logins under way. */
  underWay = 0;
  /** Most of them at a time. */
  window: number;
  readonly #windowMax: number;
  readonly #gapUs: number;
  #nextStartUs = 0;
  #lastTroubleUs = Number.NEGATIVE_INFINITY;

  /** `ratePerS` Infinity = as fast as the window allows. */
  constructor(windowMax: number, ratePerS: number) {
    this.#windowMax = Math.max(1, windowMax);
    this.window = Math.min(WINDOW_START, this.#windowMax);
    this.#gapUs = 1e6 / ratePerS;
  }

  /** Microseconds until the next login may start: 0 = now, Infinity = not before one has ended. */
  waitUs(nowUs: number): number {
    if (this.underWay >= Math.floor(this.window)) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#nextStartUs - nowUs);
  }

  started(nowUs: number): void {
    this.underWay++;
    this.#nextStartUs = Math.max(this.#nextStartUs, nowUs - BURST_US) + this.#gapUs;
  }

  succeeded(nowUs: number, tookUs: number): void {
    this.underWay--;
    if (tookUs >= SLOW_LOGIN_US) this.#trouble(nowUs);
    else this.window = Math.min(this.#windowMax, this.window + 1);
  }

  failed(nowUs: number): void {
    this.underWay--;
    this.#trouble(nowUs);
  }

  #trouble(nowUs: number): void {
    if (nowUs - this.#lastTroubleUs < TROUBLE_US) return;
    this.#lastTroubleUs = nowUs;
    this.window = Math.max(Math.min(WINDOW_MIN, this.#windowMax), Math.floor(this.window / 2));
  }
}
