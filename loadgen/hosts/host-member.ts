// One agent of a load, as the controller knows it.
//
// Seconds are told by their end on the clock that all hosts share, and taken when every host has told: so a
// row of the whole load, and a step of a search, is made of the same second everywhere.

import type { AgentFigures } from '#loadgen/hosts/agent-message.ts';
import type { ClockExchange, ClockOffset } from '#loadgen/hosts/clock-offset.ts';
import type { Segment } from '#loadgen/hosts/segment.ts';
import type { Counts } from '#loadgen/worker-board.ts';

export interface ToldSecond {
  /** Its end, us. */
  atUs: number;
  counts: Counts;
  /** Encoded, by name. */
  histograms: Record<string, string>;
}

/** Seconds that may wait to be taken. */
const SECONDS_MAX = 16;
/** Ends of the same second lie no further apart. */
const SAME_SECOND_US = 500_000;

export class HostMember {
  readonly id: string;
  readonly segment: Segment;
  exchanges: ClockExchange[] = [];
  /** As it was told its plan with; undefined before. */
  offset: ClockOffset | undefined;
  /** All its users are in. */
  isReady = false;
  /** Nothing more is on its way there. */
  isDrained = false;
  /** It has told its end. */
  hasEnded = false;
  /** It is gone without having told. */
  isLost = false;
  /** Hash of its part of the plan. */
  planHash = 0;
  /** Whom the server refused his group there, see refused-members.ts. */
  outside = '';
  /** What it had counted at the end of the last second that was taken, or at its end. */
  counts: Counts | undefined;
  figures: AgentFigures | undefined;
  readonly #told: ToldSecond[] = [];
  #lastUs = Number.NaN;

  constructor(id: string, segment: Segment) {
    this.id = id;
    this.segment = segment;
  }

  /** Keeps a second until it is taken; returns the histograms of one that nobody took in time. */
  tell(second: ToldSecond): Record<string, string> {
    this.#lastUs = second.atUs;
    this.#told.push(second);
    return this.#told.length > SECONDS_MAX ? this.#told.shift()!.histograms : {};
  }

  /** Whether the second that ends then needs no more waiting for. */
  hasTold(untilUs: number): boolean {
    if (this.isLost || this.hasEnded || Number.isNaN(this.#lastUs)) return true;
    return this.#lastUs >= untilUs - SAME_SECOND_US;
  }

  /** Takes what was told up to the end of a second; the histograms of it. */
  take(untilUs: number): Record<string, string>[] {
    const taken: Record<string, string>[] = [];
    while (this.#told[0] !== undefined && this.#told[0].atUs < untilUs + SAME_SECOND_US) {
      const { counts, histograms } = this.#told.shift()!;
      this.counts = counts;
      taken.push(histograms);
    }
    return taken;
  }
}
