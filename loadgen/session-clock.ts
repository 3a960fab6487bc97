// Sessions of users who come and go while an open plan runs: each says goodbye when his session is over, is
// away for a while, and logs in again. Lengths are log-normal with the mean that was asked for, times away
// exponential; both are draws of seed, user and session. A user's first session is the rest of one that
// began before the load did, so that goodbyes are spread from the start.
//
// All of it counts from the start of the plan and not from when somebody is in: so who is in a session at an instant
// is arithmetic, and known of users of other hosts too (hosts/away-users.ts). Who is cut off, or late, comes into the
// session that is under way then.
//
// Who leaves is written to no more for the last second, or tenth, of his session: a phone that goes to the
// background stays connected for a moment (assumed), and nothing is lost by a goodbye alone.
//
// Memory: 13 bytes a user, made only where there are sessions.

import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
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
/**
 * So long before the end of the steady phase, or a tenth of it, nobody leaves any more, and who is away
 * comes back: all are in when they are counted.
 */
const GATHER_MS_MAX = 3000;
const GATHER_RATIO = 0.1;
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

/** How long before his goodbye somebody is written to no more, ms. */
export function lingerMsOf({ sessionMs }: SessionPlan): number {
  return Math.min(LINGER_MS_MAX, sessionMs * LINGER_RATIO_MAX);
}

/** How long before the end of a plan everybody gathers, ms. */
export function gatherMsOf(durationMs: number): number {
  return Math.min(GATHER_MS_MAX, durationMs * GATHER_RATIO);
}

/** Sessions of users by time. Cost: about 0.1 us, and as much for each session that is over. */
export class SessionCourse {
  /** Of the session that was looked for, ms after the start of the plan; -Infinity: it began before. */
  beginMs = 0;
  endMs = 0;
  readonly #plan: SessionPlan;
  readonly #seed: number;

  constructor(plan: SessionPlan, seed: number) {
    this.#plan = plan;
    this.#seed = seed;
  }

  /** Looks for the session of a user that is under way at `ms`, or comes next. */
  look(user: number, ms: number): void {
    this.beginMs = Number.NEGATIVE_INFINITY;
    this.endMs = restMsOf(this.#plan, this.#seed, user);
    for (let session = 1; this.endMs <= ms; session++) {
      this.beginMs = this.endMs + awayMsOf(this.#plan, this.#seed, user, session);
      this.endMs = this.beginMs + sessionMsOf(this.#plan, this.#seed, user, session);
    }
  }
}

export class SessionClock {
  readonly #course: SessionCourse;
  readonly #users: UserTable;
  readonly #schedule: Pick<PlanChanges, 'startUs'>;
  readonly #ends: TimerWheel;
  readonly #lingerMs: number;
  /** 1 for who is about to leave. */
  readonly #lingers: Uint8Array;

  constructor(
    plan: SessionPlan,
    users: UserTable,
    seed: number,
    schedule: Pick<PlanChanges, 'startUs'>,
    nowUs: number,
  ) {
    this.#course = new SessionCourse(plan, seed);
    this.#lingerMs = lingerMsOf(plan);
    this.#users = users;
    this.#schedule = schedule;
    this.#ends = new TimerWheel(users.count, users.ms(nowUs), STEP_MS);
    this.#lingers = new Uint8Array(users.count);
  }

  /** A user is in: his session ends some time. */
  ready(user: number, nowUs: number): void {
    const ms = this.#look(user, nowUs);
    this.#lingers[user] = 0;
    const leftMs = this.#course.endMs - this.#lingerMs - ms;
    this.#ends.set(user, this.#users.ms(nowUs), Math.max(1, leftMs));
  }

  /** He was cut off, or leaves for good. */
  forget(user: number): void {
    this.#ends.clear(user);
  }

  /** How long it is until the next session of somebody who has left; 0 when it should be under way. */
  awayMs(user: number, nowUs: number): number {
    const ms = this.#look(user, nowUs);
    return Math.max(0, this.#course.beginMs - ms);
  }

  /** Milliseconds since the start of the plan. */
  #look(user: number, nowUs: number): number {
    const ms = (nowUs - this.#schedule.startUs) / 1000;
    this.#course.look(this.#users.first + user, ms);
    return ms;
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
