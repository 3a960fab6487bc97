// Sessions of users who come and go while an open plan runs: each says goodbye when his session is over, is
// away for a while, and logs in again. Lengths are log-normal with the mean that was asked for, times away
// exponential; both are draws of seed, user and session. A user's first session is the rest of one that
// began before the load did, so that goodbyes are spread from the start.
//
// Memory: 14 bytes a user, made only where there are sessions.

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

  constructor(plan: SessionPlan, users: UserTable, seed: number, nowUs: number) {
    this.#plan = plan;
    this.#users = users;
    this.#seed = seed;
    this.#ends = new TimerWheel(users.count, users.ms(nowUs), STEP_MS);
    this.#session = new Uint16Array(users.count);
  }

  /** A user is in: his session ends some time. */
  ready(user: number, nowUs: number): void {
    const { first } = this.#users;
    const session = this.#session[user]!++;
    const number = first + user;
    const part = session === 0 ? draw(this.#seed, number, LANE.phase) / TWO_32 : 1;
    const ms = sessionMsOf(this.#plan, this.#seed, number, session) * part;
    this.#ends.set(user, this.#users.ms(nowUs), Math.max(1, ms));
  }

  /** He was cut off, or leaves for good. */
  forget(user: number): void {
    this.#ends.clear(user);
  }

  awayMs(user: number): number {
    return awayMsOf(this.#plan, this.#seed, this.#users.first + user, this.#session[user]!);
  }

  /** Calls `leave` for those whose session is over; microseconds until the next. */
  turn(nowUs: number, leave: (user: number) => void): number {
    if (this.#ends.armed === 0) return Number.POSITIVE_INFINITY;
    const nowMs = this.#users.ms(nowUs);
    this.#ends.advance(nowMs, (user) => {
      if (this.#users.state[user] === USER.ready) leave(user);
    });
    return this.#ends.msUntilNext(nowMs) * 1000;
  }
}
