// Which users of a population one host has, and proof that all hosts together carry out the same plan as
// one would. Users are divided by whole numbers, and every draw of the plan is a function of seed and
// message, so nothing depends on how many hosts there are. Pure.

import {
  ArrivalCursor,
  type ArrivalPlan,
  groupOf,
  NO_STEP,
  receiverOf,
  senderOf,
  unitGap,
} from '#loadgen/arrivals.ts';
import { DAY_STEPS } from '#loadgen/country-map.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
import { sessionLength, thinkMsOf, thought, type UserModel } from '#loadgen/user-model.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

/** Users [first, first + count) of a population of `total`. */
export interface Segment {
  first: number;
  count: number;
  total: number;
}

/** Messages of the plan that are hashed: enough to tell, few enough to take 10 ms. */
export const HASHED_MESSAGES = 20_000;
/** Thoughts of one user that are hashed. */
const HASHED_THOUGHTS = 4;

/** The part of host `index` of `hosts`. */
export function segmentOf(total: number, hosts: number, index: number): Segment {
  return { ...shareOfUsers(total, hosts, index), total };
}

/**
 * Sum (XOR) over what a segment plans, of a hash of each: of messages when, who and to whom; of sessions when,
 * who and how many messages; of users who write in turns how long they think. The XOR of the segments of any
 * division is that of the whole.
 */
export function segmentHash(plan: ArrivalPlan, model: UserModel, segment: Segment): number {
  if (model.kind === 'closed') return thoughtHash(plan, model, segment);
  let sum = 0;
  let at = 0;
  for (let index = 0; index < HASHED_MESSAGES; index++) {
    at += unitGap(plan, index);
    // When is not known yet: every step of a day stands for itself.
    const step = plan.countries === undefined ? NO_STEP : index % DAY_STEPS;
    sum ^= arrivalHash(plan, model, segment, { index, step, at: Math.floor(at * 1000), copy: 0 });
  }
  return sum >>> 0;
}

/**
 * The same of the plan as it was turned, to its end: times are us after its start, receivers all that there were. What
 * is turned while the plan ends reaches one host before it has told, and another after; it changes nothing any more.
 */
export function turnedHash(
  plan: ArrivalPlan,
  model: UserModel,
  segment: Segment,
  changes: PlanChanges,
  durationMs: number,
): number {
  if (model.kind === 'closed') return thoughtHash(plan, model, segment);
  const cursor = new ArrivalCursor(plan, changes);
  let sum = 0;
  for (let count = 0; count < HASHED_MESSAGES; count++) {
    const afterUs = cursor.dueUs() - changes.startUs;
    // No plan yet: NaN.
    if (!(afterUs <= durationMs * 1000)) break;
    const us = Math.floor(afterUs);
    for (let copy = 0; copy < cursor.copies; copy++) {
      const { index, step } = cursor;
      sum ^= arrivalHash(plan, model, segment, { index, step, at: us, copy });
    }
    cursor.advance();
  }
  return sum >>> 0;
}

/** 0 for what another segment plans. */
function arrivalHash(
  plan: ArrivalPlan,
  model: UserModel,
  segment: Segment,
  { index, step, at, copy }: { index: number; step: number; at: number; copy: number },
): number {
  const sender = senderOf(plan, index, step);
  if (sender < segment.first || sender >= segment.first + segment.count) return 0;
  const isOpen = model.kind === 'open';
  const group = groupOf(plan, index, step);
  const whom = group < 0 ? receiverOf(plan, index, copy, sender) : group;
  const what = isOpen ? whom : sessionLength(model, plan.seed, index);
  let hash = mix((index + copy) ^ 0x9e3779b1);
  hash = mix(hash ^ sender);
  hash = mix(hash ^ what);
  return mix(hash ^ at);
}

function thoughtHash({ seed }: ArrivalPlan, model: UserModel, segment: Segment): number {
  const stride = Math.ceil((segment.total * HASHED_THOUGHTS) / HASHED_MESSAGES);
  let sum = 0;
  for (let user = 0; user < segment.first + segment.count; user += stride) {
    if (user < segment.first) continue;
    for (let message = 0; message < HASHED_THOUGHTS; message++) {
      const ms = thinkMsOf(model, seed, thought(user, message));
      sum ^= mix(mix(mix(user) ^ message) ^ Math.floor(ms * 1000));
    }
  }
  return sum >>> 0;
}

/** As people see it. */
export function hashText(hash: number): string {
  return hash.toString(16).padStart(8, '0');
}

/** A bijection of the 32-bit numbers (the finalizer of MurmurHash3). */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
