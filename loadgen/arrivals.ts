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
// Cost: about 60 ns a message, no allocation.

import type { ChangeList, PlanChanges } from '#loadgen/plan-changes.ts';
import { draw, drawBelow, drawExponential, LANE } from '#loadgen/seeded-draw.ts';

export type ArrivalProcess = 'poisson' | 'constant' | 'bursts' | 'trace';

/** Messages of a conversation on average, and the mean gap within one. */
export const BURST_MESSAGES = 7;
export const BURST_GAP = 0.1;
/** Mean gap before the first message of a conversation, so that the mean of all is 1. */
export const BURST_START_GAP = BURST_MESSAGES - (BURST_MESSAGES - 1) * BURST_GAP;

export interface ArrivalPlan {
  seed: number;
  process: ArrivalProcess;
  /** Users of the whole population, all workers together. */
  users: number;
  /** Process `trace`: gaps by message, in mean gaps. */
  trace?: Float64Array<SharedArrayBuffer> | undefined;
}

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

/** Who sends message `index`. */
export function senderOf(plan: ArrivalPlan, index: number): number {
  return drawBelow(plan.seed, index, LANE.sender, plan.users);
}

/**
 * Who shall receive message `index`, of the `copy`-th receiver: anybody but the sender; -1 when there is
 * nobody else.
 */
export function receiverOf(plan: ArrivalPlan, index: number, copy = 0): number {
  if (plan.users < 2) return -1;
  const sender = senderOf(plan, index);
  const step = drawBelow(plan.seed, index + copy, LANE.receiver, plan.users - 1);
  return (sender + 1 + step) % plan.users;
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

export class ArrivalCursor {
  /** Index of the next message; one with several receivers takes as many numbers. */
  index = 0;
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

  constructor(plan: ArrivalPlan, changes: PlanChanges) {
    this.#plan = plan;
    this.#changes = changes;
    this.#from = { us: 0, rate: -1, spike: -1, perUs: 0, remaining: unitGap(plan, 0) };
    this.#next = { ...this.#from };
  }

  /** When message `index` is due, us of the host clock; Infinity while the rate is 0. */
  dueUs(): number {
    const known = this.#changes.rate.count + this.#changes.spike.count;
    if (known !== this.#known) {
      this.#find();
      this.#known = known;
    }
    return this.#dueUs;
  }

  /** Receivers of message `index`. */
  get copies(): number {
    const { fanOut } = this.#changes;
    const dueUs = this.dueUs();
    while (this.#fanOut + 1 < fanOut.count && fanOut.startUs(this.#fanOut + 1) <= dueUs) {
      this.#fanOut++;
    }
    return this.#fanOut === -1 ? 1 : fanOut.value(this.#fanOut);
  }

  /** Goes to the next message; the one at `dueUs()` is taken. */
  advance(): void {
    const copies = this.copies;
    const { rate, spike, perUs } = this.#next;
    this.index += copies;
    const from = this.#from;
    from.us = this.#dueUs;
    from.rate = rate;
    from.spike = spike;
    from.perUs = perUs;
    from.remaining = unitGap(this.#plan, this.index);
    this.#known = -1;
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
      if (rateUs === startUs) next.rate++;
      else next.spike++;
      const perS = next.rate === -1 ? 0 : rate.value(next.rate);
      next.perUs = (perS * (next.spike === -1 ? 1 : 1 + spike.value(next.spike) / 100)) / 1e6;
      this.#dueUs = untilDue(next);
    }
  }
}

function startOf(list: ChangeList, change: number): number {
  return change < list.count ? list.startUs(change) : Number.POSITIVE_INFINITY;
}

function untilDue({ us, remaining, perUs }: Place): number {
  return perUs === 0 ? Number.POSITIVE_INFINITY : us + remaining / perUs;
}
