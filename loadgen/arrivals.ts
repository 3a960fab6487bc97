// The plan of an open loop: when each message is due, who sends it and to whom, all fixed by the
// seed before anything happens. A cursor walks it; time never waits for the target, and a message
// that could not leave in time keeps its planned time (no coordinated omission).
//
// Message i follows message i - 1 by a gap of mean 1 divided by the rate of that moment:
//
//   constant  exactly 1
//   poisson   exponential
//   bursts    conversations: one message in BURST_MESSAGES begins one (people write about seven messages
//             a conversation: MSN, 7e9 messages in 1e9 a day), gaps within are BURST_GAP of the mean,
//             exponential as those between
//   trace     as in a file, see arrival-trace.ts
//
// When the rate turns in the middle of a gap, what is left of the gap is stretched or shrunk, so the
// process has the right rate from the very instant of the turn.
//
// Cost: 0.12 us of a shared core for a message, 0.7 us with conversations, groups and countries, where a chain of
// about six draws leads back to the first message: the cursor follows it once. No allocation.

import type { CountryMap } from '#loadgen/country-map.ts';
import type { GroupMap } from '#loadgen/group-map.ts';
import type { ChangeList, PlanChanges } from '#loadgen/plan-changes.ts';
import type { PlanPace } from '#loadgen/plan-pace.ts';
import { draw, drawBelow, drawExponential, LANE } from '#loadgen/seeded-draw.ts';

export type ArrivalProcess = 'poisson' | 'constant' | 'bursts' | 'trace';

/** Messages of a conversation on average, and the mean gap within one. */
export const BURST_MESSAGES = 7;
export const BURST_GAP = 0.1;
/** Mean gap before the first message of a conversation, so that the mean of all is 1. */
export const BURST_START_GAP = BURST_MESSAGES - (BURST_MESSAGES - 1) * BURST_GAP;
/** How much more the count of a long time varies than a Poisson process's: the variance of the gaps, 10.7. */
export const BURST_DISPERSION =
  (2 * (BURST_START_GAP ** 2 + (BURST_MESSAGES - 1) * BURST_GAP ** 2)) / BURST_MESSAGES - 1;

export interface ArrivalPlan {
  seed: number;
  process: ArrivalProcess;
  /** Users of the whole population, all workers together. */
  users: number;
  /** Process `trace`: gaps by message, in mean gaps. */
  trace?: Float64Array<SharedArrayBuffer> | undefined;
  /** Some messages go to groups. */
  groups?: GroupMap | undefined;
  /** Each hour has its countries. */
  countries?: CountryMap | undefined;
  /** Some messages answer others. */
  conversations?: Conversations | undefined;
}

/**
 * Conversations in a stream of messages: each answers an earlier one with a probability, the other way, or is
 * the first of a conversation. So conversations begin as a Poisson process where messages are one, and each
 * is a cascade (Hawkes, 1971) with a mean of 1 / (1 - answerRatio) messages and exponential times to answer;
 * the stream of all of them together stays what it is.
 */
export interface Conversations {
  answerRatio: number;
  /** Mean time to an answer, by the rate that was planned for that moment. */
  answerS: number;
  pace: PlanPace;
}

/** Longest chain of answers that is followed back to its first message: one in 50,000 is longer. */
const ANSWERS_MAX = 70;

/** No hour is meant: anybody, as in a plan without countries. */
export const NO_STEP = -1;

/** The gap before message `index`, in units of the mean gap. */
export function unitGap(plan: ArrivalPlan, index: number): number {
  const { process, seed, trace } = plan;
  if (process === 'constant') return 1;
  if (process === 'trace') return trace![index % trace!.length]!;
  const gap = drawExponential(seed, index, LANE.gap);
  if (process === 'poisson') return gap;
  const isFirst = draw(seed, index, LANE.burst) * BURST_MESSAGES < 2 ** 32;
  return gap * (isFirst ? BURST_START_GAP : BURST_GAP);
}

/**
 * The first message of the conversation that message `index` is of, times two, and one more when the other of
 * the two writes it.
 */
export function conversationOf({ seed, conversations }: ArrivalPlan, index: number): number {
  if (conversations === undefined) return 2 * index;
  const { answerRatio, answerS, pace } = conversations;
  let at = index;
  let answers = 0;
  while (answers < ANSWERS_MAX && draw(seed, at, LANE.answer) < answerRatio * 2 ** 32) {
    const s = answerS * drawExponential(seed, at, LANE.answerGap);
    const answered = Math.min(at - 1, Math.floor(pace.back(at, s)));
    // It answers one that was written before the plan begins.
    if (answered < 0) break;
    at = answered;
    answers++;
  }
  return 2 * at + (answers % 2);
}

/** The group that message `index` goes to, -1 = one user; `step` of the day. */
export function groupOf(plan: ArrivalPlan, index: number, step = NO_STEP): number {
  return plan.groups === undefined ? -1 : groupIn(plan, conversationOf(plan, index), step);
}

/** Who sends message `index`. */
export function senderOf(plan: ArrivalPlan, index: number, step = NO_STEP): number {
  const conversation = conversationOf(plan, index);
  return senderIn(plan, index, step, conversation, groupIn(plan, conversation, step));
}

function groupIn(plan: ArrivalPlan, conversation: number, step: number): number {
  if (plan.groups === undefined) return -1;
  const first = Math.floor(conversation / 2);
  return plan.groups.groupOfMessage(first, countryOf(plan, first, step));
}

function senderIn(
  plan: ArrivalPlan,
  index: number,
  step: number,
  conversation: number,
  group: number,
): number {
  if (group >= 0) return plan.groups!.writerOf(index, group);
  const first = Math.floor(conversation / 2);
  const writer = firstWriterOf(plan, first, step);
  return conversation % 2 === 0 ? writer : otherThan(plan, first, writer);
}

function firstWriterOf(plan: ArrivalPlan, index: number, step: number): number {
  const country = countryOf(plan, index, step);
  if (country < 0) return drawBelow(plan.seed, index, LANE.sender, plan.users);
  const { first, count } = plan.countries!.region(country);
  return first + drawBelow(plan.seed, index, LANE.sender, count);
}

function countryOf({ countries, seed }: ArrivalPlan, index: number, step: number): number {
  if (countries === undefined || step < 0) return -1;
  return countries.countryAt(step, draw(seed, index, LANE.country));
}

/**
 * Who shall receive message `index`, of the `copy`-th receiver: anybody but the sender; -1 when there is
 * nobody else.
 */
export function receiverOf(
  plan: ArrivalPlan,
  index: number,
  copy = 0,
  sender = senderOf(plan, index),
): number {
  if (plan.users < 2) return -1;
  if (copy > 0) return otherThan(plan, index + copy, sender);
  return receiverIn(plan, conversationOf(plan, index), sender);
}

function receiverIn(plan: ArrivalPlan, conversation: number, sender: number): number {
  const first = Math.floor(conversation / 2);
  return conversation % 2 === 0
    ? otherThan(plan, first, sender)
    : firstWriterOf(plan, first, NO_STEP);
}

/** Anybody but `user`, drawn for message `index`. */
function otherThan({ seed, users }: ArrivalPlan, index: number, user: number): number {
  return (user + 1 + drawBelow(seed, index, LANE.receiver, users - 1)) % users;
}

/** A place between two messages: what holds there, and what is left of the gap. */
interface Place {
  us: number;
  /** The changes of rate and spike that hold; -1 before the first. */
  rate: number;
  spike: number;
  perUs: number;
  /** What is left of the gap before the next message, in mean gaps. */
  remaining: number;
}

/** Messages that are left out in one turn: 0.5 ms, 3 ms with groups and countries. */
export const SKIPS_PER_TURN = 4096;
/** What is drawn of a message when it is asked for first. */
const NOT_DRAWN = -2;

export class ArrivalCursor {
  /** Index of the next message; one with several receivers takes as many numbers. */
  index = 0;
  /** Copies to members of groups so far, without the first of each message. */
  #groupCopies = 0;
  readonly #plan: ArrivalPlan;
  readonly #changes: PlanChanges;
  /** The last message, or the start: nothing before it can change any more. */
  readonly #from: Place;
  /** The next message, as far as changes are known. */
  readonly #next: Place;
  /** How many changes were known when `#next` was found; -1 = it was not. */
  #known = -1;
  #dueUs = Number.POSITIVE_INFINITY;
  #fanOut = -1;
  /** Of message `index`; a conversation is the chain of draws that costs most. */
  #conversation = NOT_DRAWN;
  /** Likewise; as long as `#known` holds, since an hour has its countries. */
  #group = NOT_DRAWN;
  #sender = NOT_DRAWN;
  #copies = NOT_DRAWN;

  constructor(plan: ArrivalPlan, changes: PlanChanges) {
    this.#plan = plan;
    this.#changes = changes;
    this.#from = { us: 0, rate: -1, spike: -1, perUs: 0, remaining: unitGap(plan, 0) };
    this.#next = { ...this.#from };
  }

  /** When message `index` is due, us of the host clock; Infinity while the rate is 0. */
  dueUs(): number {
    const { rate, spike, fanOut } = this.#changes;
    const known = rate.count + spike.count + fanOut.count;
    if (known !== this.#known) {
      this.#find();
      // Behind advance() nothing has been drawn yet.
      if (this.#known !== -1) this.#forget();
      this.#known = known;
    }
    return this.#dueUs;
  }

  /** Number of the first delivery of message `index`: that of a group has one for each member but its writer. */
  get flight(): number {
    return this.index + this.#groupCopies;
  }

  /** The step of the day in which message `index` is due. */
  get step(): number {
    const { countries } = this.#plan;
    return countries === undefined
      ? NO_STEP
      : countries.stepAt(this.dueUs() - this.#changes.startUs);
  }

  /** The group that message `index` goes to, -1 = one user. */
  get group(): number {
    if (this.#plan.groups === undefined) return -1;
    const { step } = this;
    if (this.#group === NOT_DRAWN) this.#group = groupIn(this.#plan, this.#drawn(), step);
    return this.#group;
  }

  /** Who sends message `index`. */
  get sender(): number {
    const { step, group } = this;
    if (this.#sender === NOT_DRAWN) {
      this.#sender = senderIn(this.#plan, this.index, step, this.#drawn(), group);
    }
    return this.#sender;
  }

  /** Who shall receive it, as `receiverOf`. */
  receiver(copy: number): number {
    const plan = this.#plan;
    if (copy > 0 || plan.users < 2) return receiverOf(plan, this.index, copy, this.sender);
    return receiverIn(plan, this.#drawn(), this.sender);
  }

  #drawn(): number {
    if (this.#conversation === NOT_DRAWN) {
      this.#conversation = conversationOf(this.#plan, this.index);
    }
    return this.#conversation;
  }

  /** Receivers of message `index` when it goes to no group. */
  get copies(): number {
    const dueUs = this.dueUs();
    if (this.#copies === NOT_DRAWN) this.#copies = this.group >= 0 ? 1 : this.#fanOutAt(dueUs);
    return this.#copies;
  }

  #fanOutAt(dueUs: number): number {
    const { fanOut } = this.#changes;
    while (this.#fanOut + 1 < fanOut.count && fanOut.startUs(this.#fanOut + 1) <= dueUs) {
      this.#fanOut++;
    }
    return this.#fanOut === -1 ? 1 : fanOut.value(this.#fanOut);
  }

  /** Goes to the next message; the one at `dueUs()` is taken, as it was when it was last asked for. */
  advance(): void {
    const copies = this.#copies === NOT_DRAWN ? this.copies : this.#copies;
    const group = this.#group === NOT_DRAWN ? this.group : this.#group;
    if (group >= 0) this.#groupCopies += this.#plan.groups!.sizeOf(group) - 2;
    const { rate, spike, perUs } = this.#next;
    this.index += copies;
    const from = this.#from;
    from.us = this.#dueUs;
    from.rate = rate;
    from.spike = spike;
    from.perUs = perUs;
    from.remaining = unitGap(this.#plan, this.index);
    this.#known = -1;
    this.#conversation = NOT_DRAWN;
    this.#forget();
  }

  #forget(): void {
    this.#group = NOT_DRAWN;
    this.#sender = NOT_DRAWN;
    this.#copies = NOT_DRAWN;
  }

  /** Leaves out what is due before `untilUs`, SKIPS_PER_TURN at the most; false while there are more. */
  skip(untilUs: number): boolean {
    for (let count = 0; this.dueUs() < untilUs; count++) {
      if (count === SKIPS_PER_TURN) return false;
      this.advance();
    }
    return true;
  }

  /** About how many messages are due from the one at the cursor on until `untilUs`: by the rates, nothing is drawn. */
  expectedUntil(untilUs: number): number {
    let us = this.dueUs();
    if (us > untilUs) return 0;
    const { rate, spike } = this.#changes;
    const at = { ...this.#next };
    let expected = 1;
    while (us < untilUs) {
      const startUs = Math.min(startOf(rate, at.rate + 1), startOf(spike, at.spike + 1), untilUs);
      expected += (startUs - us) * at.perUs;
      us = startUs;
      if (us < untilUs) turnAt(at, this.#changes, us);
    }
    return Math.round(expected);
  }

  /** Walks from the last message over the changes that come before the next one is due. */
  #find(): void {
    const { rate, spike } = this.#changes;
    const next = this.#next;
    next.us = this.#from.us;
    next.rate = this.#from.rate;
    next.spike = this.#from.spike;
    next.perUs = this.#from.perUs;
    next.remaining = this.#from.remaining;
    this.#dueUs = untilDue(next);
    for (;;) {
      const rateUs = startOf(rate, next.rate + 1);
      const spikeUs = startOf(spike, next.spike + 1);
      const startUs = Math.min(rateUs, spikeUs);
      if (startUs > this.#dueUs || startUs === Number.POSITIVE_INFINITY) return;
      next.remaining -= (startUs - next.us) * next.perUs;
      next.us = startUs;
      turnAt(next, this.#changes, startUs);
      this.#dueUs = untilDue(next);
    }
  }
}

function startOf(list: ChangeList, change: number): number {
  return change < list.count ? list.startUs(change) : Number.POSITIVE_INFINITY;
}

/** The next change begins: what holds from then on. */
function turnAt(place: Place, { rate, spike }: PlanChanges, startUs: number): void {
  if (startOf(rate, place.rate + 1) === startUs) place.rate++;
  else place.spike++;
  const perS = place.rate === -1 ? 0 : rate.value(place.rate);
  place.perUs = (perS * (place.spike === -1 ? 1 : 1 + spike.value(place.spike) / 100)) / 1e6;
}

function untilDue({ us, remaining, perUs }: Place): number {
  return perUs === 0 ? Number.POSITIVE_INFINITY : us + remaining / perUs;
}
