// Which users of a population one host has, and proof that all hosts together carry out the same plan as
// one would. Users are divided by whole numbers, and every draw of the plan is a function of seed and
// message, so nothing depends on how many hosts there are. Pure.

import { type ArrivalPlan, receiverOf, senderOf, unitGap } from '#loadgen/arrivals.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

/** Users [first, first + count) of a population of `total`. */
export interface Segment {
  first: number;
  count: number;
  total: number;
}

/** Messages of the plan that are hashed: enough to tell, few enough to take 10 ms. */
export const HASHED_MESSAGES = 20_000;

/** The part of host `index` of `hosts`. */
export function segmentOf(total: number, hosts: number, index: number): Segment {
  return { ...shareOfUsers(total, hosts, index), total };
}

/**
 * Sum (XOR) over the messages that a segment sends, of a hash of each: when, who, to whom. The XOR of the
 * segments of any division is that of the whole.
 */
export function segmentHash(plan: ArrivalPlan, segment: Segment): number {
  let sum = 0;
  let at = 0;
  for (let index = 0; index < HASHED_MESSAGES; index++) {
    at += unitGap(plan, index);
    const sender = senderOf(plan, index);
    if (sender < segment.first || sender >= segment.first + segment.count) continue;
    let hash = mix(index ^ 0x9e3779b1);
    hash = mix(hash ^ sender);
    hash = mix(hash ^ receiverOf(plan, index));
    sum ^= mix(hash ^ Math.floor(at * 1000));
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
