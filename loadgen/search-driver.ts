// Carries a RateSearch out on a running load: sets a rate, lets it settle, watches it for some seconds,
// judges the rule on the histograms of just those seconds, and goes on. It is told once a second what
// happened in that second, and turns the rate by itself.

import { BURST_DISPERSION } from '#loadgen/arrivals.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { RateSearch, type SearchResult, type StepVerdict } from '#loadgen/rate-search.ts';
import { judge, type Threshold } from '#loadgen/threshold.ts';
import type { Counts } from '#loadgen/worker-board.ts';

/** Longest pause after a step that broke the rule, ticks. */
const PAUSE_TICKS_MAX = 10;
/** A step in which fewer of its messages left than this could not be carried out. */
const SENT_RATIO_MIN = 0.95;
/** What may be missing of the planned by the draw alone: so many standard deviations of bursts. */
const PLANNED_NOISE = 3.4 * Math.sqrt(BURST_DISPERSION);

export interface SearchSettings {
  rule: Threshold;
  startPerS: number;
  rateMaxPerS: number;
  /** Ticks after a turn of the rate that are not judged. */
  settleTicks: number;
  /** Ticks that one step is judged by. */
  stepTicks: number;
  latenessUsMax: number;
  /** Of the rates that held and broke, at the end; default 1.08. */
  resolution?: number;
  /** A step that came to less than this of its rate is late, however late the few were; default: not asked. */
  plannedRatioMin?: number;
  /** So often a rate that did not hold is tried again before it counts: a stall of the host is no bound; default 0. */
  retriesMax?: number;
  /** Turns the rate of the load; false when it was turned too often. */
  setRate: (ratePerS: number) => boolean;
}

export class SearchDriver {
  readonly #settings: SearchSettings;
  readonly #search: RateSearch;
  #window = createTimings();
  #before: Counts | undefined;
  #sinceUs = 0;
  #ticks = 0;
  #pause = 0;
  #retries = 0;
  #isOver = false;

  constructor(settings: SearchSettings) {
    this.#settings = settings;
    this.#search = new RateSearch(settings.startPerS, settings.rateMaxPerS, settings.resolution);
  }

  get isDone(): boolean {
    return this.#isOver || this.#search.isDone;
  }

  get ratePerS(): number {
    return this.#search.ratePerS;
  }

  result(): SearchResult {
    return this.#search.result();
  }

  /** One interval of the steady phase has passed; `counts` were read at `nowUs`. */
  tick(counts: Counts, timings: Timings, nowUs: number): void {
    if (this.isDone) return;
    if (this.#pause > 0) {
      const hasSettled = counts.expected - counts.received - counts.overrun <= 0;
      if (--this.#pause === 0 || hasSettled) this.#begin();
      return;
    }
    this.#ticks++;
    if (this.#ticks <= this.#settings.settleTicks) {
      this.#before = counts;
      this.#sinceUs = nowUs;
      return;
    }
    for (const name of ['latency', 'service', 'lateness'] as const) {
      this.#window[name].merge(timings[name]);
    }
    const { settleTicks, stepTicks } = this.#settings;
    if (this.#ticks < settleTicks + stepTicks) return;
    const { verdict, value } = this.#verdict(counts, (nowUs - this.#sinceUs) / 1e6);
    if (verdict === 'held' || this.#retries === (this.#settings.retriesMax ?? 0)) {
      this.#retries = 0;
      this.#search.tell(verdict, value);
    } else this.#retries++;
    if (this.#search.isDone) return;
    if (verdict === 'held') this.#begin();
    else {
      this.#pause = PAUSE_TICKS_MAX;
      this.#turn(0);
    }
  }

  #begin(): void {
    this.#pause = 0;
    this.#ticks = 0;
    this.#window = createTimings();
    this.#turn(this.#search.ratePerS);
  }

  #turn(ratePerS: number): void {
    if (!this.#settings.setRate(ratePerS)) this.#isOver = true;
  }

  #verdict(counts: Counts, spentS: number): { verdict: StepVerdict; value: number | null } {
    const { rule, latenessUsMax } = this.#settings;
    const before = this.#before ?? counts;
    const since = (field: keyof Counts): number => counts[field] - before[field];
    const figures = {
      connections: { ...counts, target: counts.ready },
      messages: {
        planned: since('planned'),
        sent: since('sent'),
        acked: since('acked'),
        received: since('received'),
        receipts: since('receipts'),
        errors: since('errors'),
        unmatched: since('unmatched'),
        lost: Math.max(0, since('sent') - since('received')),
      },
      rateAchievedPerS: since('received') / spentS,
      cpuUsPerMessage: null,
    };
    const { value, isTrue } = judge(rule, figures, this.#window);
    const isLate =
      this.#window.lateness.percentile(99) > latenessUsMax ||
      since('sent') + since('held') < since('planned') * SENT_RATIO_MIN - 1 ||
      this.#isShort(since('planned'), spentS);
    if (isLate) return { verdict: 'late', value };
    // More leaves than arrives: whatever the few that arrived took, this rate does not hold.
    const isBehind = since('received') < since('sent') * SENT_RATIO_MIN - 1;
    return { verdict: isTrue === true && !isBehind ? 'held' : 'broken', value };
  }

  #isShort(planned: number, spentS: number): boolean {
    const { plannedRatioMin } = this.#settings;
    const due = this.#search.ratePerS * spentS;
    return planned < due * (plannedRatioMin ?? 0) - PLANNED_NOISE * Math.sqrt(due);
  }
}
