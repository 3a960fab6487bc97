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
// When the rate turns in the middle of a gap, what is left of
// the gap is stretched or shrunk, so the process has the right rate from the very instant of the
// turn.
//
// Cost: about 60 ns a message, no allocation.

import type { RateSchedule } from '#loadgen/rate-schedule.ts';
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

/** Who shall receive message `index`: anybody but the sender; -1 when there is nobody else. */
export function receiverOf(plan: ArrivalPlan, index: number): number {
  if (plan.users < 2) return -1;
  const sender = senderOf(plan, index);
  return (sender + 1 + drawBelow(plan.seed, index, LANE.receiver, plan.users - 1)) % plan.users;
}

export class ArrivalCursor {
  /** Index of the next message. */
  index = 0;
  readonly #plan: ArrivalPlan;
  readonly #schedule: RateSchedule;
  /** The change of the rate that holds at `#fromUs`; -1 before the first. */
  #change = -1;
  #fromUs = 0;
  #ratePerUs = 0;
  /** What is left of the gap before the next message at `#fromUs`, in mean gaps. */
  #remaining: number;

  constructor(plan: ArrivalPlan, schedule: RateSchedule) {
    this.#plan = plan;
    this.#schedule = schedule;
    this.#remaining = unitGap(plan, 0);
  }

  /** When message `index` is due, us of the host clock; Infinity while the rate is 0. */
  dueUs(): number {
    let dueUs = this.#untilDue();
    // A turn of the rate before the message is due moves it.
    while (
      this.#change + 1 < this.#schedule.count &&
      this.#schedule.startUs(this.#change + 1) <= dueUs
    ) {
      const startUs = this.#schedule.startUs(this.#change + 1);
      if (this.#change >= 0) this.#remaining -= (startUs - this.#fromUs) * this.#ratePerUs;
      this.#change++;
      this.#fromUs = startUs;
      this.#ratePerUs = this.#schedule.ratePerS(this.#change) / 1e6;
      dueUs = this.#untilDue();
    }
    return dueUs;
  }

  /** Goes to the next message; the one at `dueUs()` is taken. */
  advance(): void {
    this.#fromUs = this.dueUs();
    this.index++;
    this.#remaining = unitGap(this.#plan, this.index);
  }

  #untilDue(): number {
    return this.#ratePerUs === 0
      ? Number.POSITIVE_INFINITY
      : this.#fromUs + this.#remaining / this.#ratePerUs;
  }
}
