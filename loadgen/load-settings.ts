// What a load was told to do, by its plan and by who turns its knobs, and from when. Rate, spike and fan-out
// are lists of changes that hold from one instant in every worker and on every host; the rest holds from the
// next look on. One object for each process that knows the load: whoever sends messages, and the controller
// of several hosts, which knows what all of them obey.

import { LiveSettings, type LiveValues } from '#loadgen/live-settings.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { CHANGES_MAX, type ChangeList, PlanChanges } from '#loadgen/plan-changes.ts';
import { isChanging, rateAt, rateSteps } from '#loadgen/rate-plan.ts';

/** What can be turned; all but the first three are fields of LiveSettings. */
export type TurnName = 'rate' | 'spike' | 'fanOut' | keyof LiveValues;

/** Turns of one load that somebody remembers. */
export const TURNS_MAX = 3 * CHANGES_MAX;

export interface Turn {
  name: TurnName;
  value: number;
  /** From when it holds, us of the clock that all hosts share; 0 = from the start of the plan. */
  atUs: number;
}

/** Whether a turn is an entry of a list that workers look ahead in; else it holds when it is made. */
export function isPlanned({ name }: Turn): boolean {
  return name === 'rate' || name === 'spike' || name === 'fanOut';
}

export class LoadSettings {
  readonly schedule = new PlanChanges();
  readonly live: LiveSettings;
  readonly #options: LoadOptions;
  /** As it was turned last, messages per second. */
  #ratePerS: number;
  #startUs = Number.NaN;
  /** Rates that were turned for a time after the start, before the start was known here. */
  #early: Turn[] = [];
  #isOver = false;

  constructor(options: LoadOptions) {
    const { slow, keepAliveMs, payloadBytes, mediaRatio } = options;
    this.#options = options;
    this.#ratePerS = options.ratePerS;
    this.live = new LiveSettings({
      slowPercent: slow.ratio * 100,
      slowBytesPerS: slow.bytesPerS,
      pingS: keepAliveMs / 1000,
      payloadBytes,
      mediaPercent: mediaRatio * 100,
      downBlock: 0,
    });
  }

  /** Start of the plan, us; NaN before it is known. */
  get startUs(): number {
    return this.#startUs;
  }

  /** Whether the plan has ended: what is turned now would be told as if it had been obeyed. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nothing is turned any more. */
  end(): void {
    this.#isOver = true;
  }

  /** Messages a second that are asked for at a time. */
  ratePerS(nowUs: number): number {
    const { ratePlan } = this.#options;
    if (!isChanging(ratePlan) || Number.isNaN(this.#startUs)) return this.#ratePerS;
    return rateAt(ratePlan, Math.max(0, (nowUs - this.#startUs) / 1000));
  }

  /** The plan begins. A rate that was turned before is flat; else the steps of the plan follow. */
  begin(startUs: number): void {
    if (!Number.isNaN(this.#startUs)) return;
    this.#startUs = startUs;
    const { ratePerS, ratePlan } = this.#options;
    const wasTurned = this.#ratePerS !== ratePerS;
    const steps = wasTurned ? [{ offsetMs: 0, ratePerS: this.#ratePerS }] : rateSteps(ratePlan);
    for (const step of steps) {
      this.schedule.rate.append(startUs + step.offsetMs * 1000, this.#arrivalsPerS(step.ratePerS));
    }
    for (const turn of this.#early.splice(0)) this.take(turn);
  }

  /** False when the plan is over or lies ahead already, or there were more turns than can be remembered. */
  take(turn: Turn): boolean {
    if (this.#isOver) return false;
    const { name, value, atUs } = turn;
    if (name === 'spike') return append(this.schedule.spike, atUs, value);
    if (name === 'fanOut') return append(this.schedule.fanOut, atUs, value);
    if (name !== 'rate') {
      this.live.set(name, value);
      return true;
    }
    // Steps of a plan lie ahead: nothing can be put between them.
    if (isChanging(this.#options.ratePlan)) return false;
    if (Number.isNaN(this.#startUs) && atUs > 0) {
      // The start of the plan is a change too.
      if (this.#early.length === CHANGES_MAX - 1) return false;
      this.#early.push(turn);
      return true;
    }
    const hasBegun = !Number.isNaN(this.#startUs);
    if (hasBegun && !append(this.schedule.rate, atUs, this.#arrivalsPerS(value))) return false;
    this.#ratePerS = value;
    return true;
  }

  /** What arrives by plan when so many messages shall be sent: messages, or sessions of some. */
  #arrivalsPerS(messagesPerS: number): number {
    const { kind, sessionMessages } = this.#options.model;
    return kind === 'partly-open' ? messagesPerS / sessionMessages : messagesPerS;
  }
}

/** A change must lie after the one before it. */
function append(list: ChangeList, atUs: number, value: number): boolean {
  const last = list.count === 0 ? 0 : list.startUs(list.count - 1);
  return list.append(Math.max(atUs, last + 1), value);
}
