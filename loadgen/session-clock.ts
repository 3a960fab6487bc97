// Sessions of users who come and go while an open plan runs: each says goodbye when his session is over, is
// away for a while, and logs in again. Lengths are log-normal with the mean that was asked for, times away
// exponential; both are draws of seed, user and session. A user's first session is the rest of one that
// began before the load did, so that goodbyes are spread from the start.
//
// Who leaves is written to no more for the last second, or tenth, of his session: a phone that goes to the
// background stays connected for a moment (assumed), and nothing is lost by a goodbye alone.
//
// Memory: 15 bytes a user, made only where there are sessions.

import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import { draw, drawExponential, LANE } from '#loadgen/seeded-draw.ts';
import { USER, type UserTable } from '#loadgen/user-table.ts';

export interface SessionPlan {
  /** Mean length of a session, and of the time between two, ms. */
  sessionMs: number;
  awayMs: number;
}

/** How long a user is away unless said otherwise. */
export const USUAL_AWAY_MS = 2000;
/** Spread of the logarithm: half of the sessions are shorter than 0.61 of the mean (assumed). */
const SIGMA = 1;
const STEP_MS = 10;
const LINGER_MS_MAX = 1000;
const LINGER_RATIO_MAX = 0.1;
const TWO_32 = 2 ** 32;
/** Sessions of one user that have draws of their own. */
const SESSIONS_MAX = 4096;

/** Length of session `session` of a user, ms, at least 1. */
export function sessionMsOf(
  plan: SessionPlan,
  seed: number,
  user: number,
  session: number,
): number {
  const index = user * SESSIONS_MAX + (session % SESSIONS_MAX);
  const radius = Math.sqrt(2 * drawExponential(seed, index, LANE.session));
  const angle = (2 * Math.PI * draw(seed, index, LANE.angle)) / TWO_32;
  const normal = radius * Math.cos(angle);
  return Math.max(1, plan.sessionMs * Math.exp(SIGMA * normal - (SIGMA * SIGMA) / 2));
}

/**
 * What is left of the session that a user is in when the load begins, ms: long sessions are met more often
 * than short ones, by their length, and such a choice of log-normal lengths is log-normal again, e^(sigma^2)
 * times as long. So as many say goodbye in the first second as in any other.
 */
export function restMsOf(plan: SessionPlan, seed: number, user: number): number {
  const part = draw(seed, user, LANE.phase) / TWO_32;
  return Math.max(1, part * Math.exp(SIGMA * SIGMA) * sessionMsOf(plan, seed, user, 0));
}

/** How long he is away before his next session, ms, at least 1. */
export function awayMsOf(plan: SessionPlan, seed: number, user: number, session: number): number {
  const index = user * SESSIONS_MAX + (session % SESSIONS_MAX);
  return Math.max(1, plan.awayMs * drawExponential(seed, index, LANE.away));
}

export class SessionClock {
  readonly #plan: SessionPlan;
  readonly #users: UserTable;
  readonly #seed: number;
  readonly #ends: TimerWheel;
  /** Sessions of a user so far. */
  readonly #session: Uint16Array;
  readonly #lingerMs: number;
  /** 1 for who is about to leave. */
  readonly #lingers: Uint8Array;

  constructor(plan: SessionPlan, users: UserTable, seed: number, nowUs: number) {
    this.#plan = plan;
    this.#lingerMs = Math.min(LINGER_MS_MAX, plan.sessionMs * LINGER_RATIO_MAX);
    this.#users = users;
    this.#seed = seed;
    this.#ends = new TimerWheel(users.count, users.ms(nowUs), STEP_MS);
    this.#session = new Uint16Array(users.count);
    this.#lingers = new Uint8Array(users.count);
  }

  /** A user is in: his session ends some time. */
  ready(user: number, nowUs: number): void {
    const { first } = this.#users;
    const session = this.#session[user]!++;
    const number = first + user;
    const ms =
      session === 0
        ? restMsOf(this.#plan, this.#seed, number)
        : sessionMsOf(this.#plan, this.#seed, number, session);
    this.#lingers[user] = 0;
    this.#ends.set(user, this.#users.ms(nowUs), Math.max(1, ms - this.#lingerMs));
  }

  /** He was cut off, or leaves for good. */
  forget(user: number): void {
    this.#ends.clear(user);
  }

  awayMs(user: number): number {
    return awayMsOf(this.#plan, this.#seed, this.#users.first + user, this.#session[user]!);
  }

  /**
   * Calls `fade` for those whose session is about to end, `leave` when it is over; microseconds until
   * the next.
   */
  turn(nowUs: number, leave: (user: number) => void, fade: (user: number) => void): number {
    if (this.#ends.armed === 0) return Number.POSITIVE_INFINITY;
    const nowMs = this.#users.ms(nowUs);
    this.#ends.advance(nowMs, (user) => {
      if (this.#users.state[user] !== USER.ready) return;
      if (this.#lingers[user] === 1) {
        leave(user);
        return;
      }
      this.#lingers[user] = 1;
      fade(user);
      this.#ends.set(user, nowMs, this.#lingerMs);
    });
    return this.#ends.msUntilNext(nowMs) * 1000;
  }
}
