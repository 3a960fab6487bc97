// Which users of other hosts are away at an instant: by the plan of sessions, since nobody tells. Sender and receiver
// ask for the same instant, the one that a message carries as its time of departure; so both agree on who was
// expected to have it, whatever became of him.
//
// Somebody is there from GRACE_MS after the planned begin of his session on, so that he can log in, until he is
// written to no more (session-clock.ts). In the last part of the plan nobody leaves, and who is away comes back.
//
// Cost: about 0.1 us, and as much for each session since the start of the plan; no allocation.

import type { Region } from '#loadgen/group-map.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
import { gatherMsOf, lingerMsOf, SessionCourse, type SessionPlan } from '#loadgen/session-clock.ts';

/** A login takes less, unless the target is slow: what is sent to somebody who is late is lost. */
const GRACE_MS = 1000;
/** Of a short session. */
const GRACE_RATIO_MAX = 0.25;

export class AwayUsers {
  readonly #here: Region;
  readonly #course: SessionCourse;
  readonly #schedule: Pick<PlanChanges, 'startUs'>;
  readonly #graceMs: number;
  readonly #lingerMs: number;
  /** Nobody leaves from then on; everybody comes back by then. */
  readonly #gatherMs: number;
  readonly #backMs: number;

  constructor(
    plan: SessionPlan,
    seed: number,
    here: Region,
    schedule: Pick<PlanChanges, 'startUs'>,
    durationMs: number,
  ) {
    this.#here = here;
    this.#course = new SessionCourse(plan, seed);
    this.#schedule = schedule;
    this.#graceMs = Math.min(GRACE_MS, plan.sessionMs * GRACE_RATIO_MAX);
    this.#lingerMs = lingerMsOf(plan);
    this.#gatherMs = durationMs - gatherMsOf(durationMs);
    this.#backMs = durationMs - gatherMsOf(durationMs) / 2;
  }

  /** Of these it is known who is there. */
  isHere(user: number): boolean {
    return user >= this.#here.first && user < this.#here.first + this.#here.count;
  }

  /** A user of another host, to be written to at `us`. */
  isAway(user: number, us: number): boolean {
    return !this.isHere(user) && this.isAwayByPlan(user, us);
  }

  isAwayByPlan(user: number, us: number): boolean {
    const ms = (us - this.#schedule.startUs) / 1000;
    const course = this.#course;
    const lookMs = Math.min(ms, this.#gatherMs);
    course.look(user, lookMs);
    if (course.endMs - this.#lingerMs <= lookMs) return true;
    const isLast = course.beginMs > this.#gatherMs;
    const beginMs = isLast ? Math.min(course.beginMs, this.#backMs) : course.beginMs;
    return ms < beginMs + this.#graceMs;
  }
}
