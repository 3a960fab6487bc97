// Keeps a dear group of counters within a budget: on all the time while events are few (the counts are then exact),
// in ten windows a second while they are many. The share follows the rate that was last seen, so that the cost stays
// below the budget however busy the host becomes; at 2.65 million system calls a second, wsar's own peak on 24
// processors, that is 45 % of the time.
//
// What is left while it is off: the tracepoint stays in the kernel, so a system call still takes its slow path. Here
// a call took 0.080 us without, 0.086 with a counter that is off, 0.105 with one that counts.
//
// Sampling itself takes 0.17 ms a window (two timers, two switches and a reading on each of two processors, in an
// engine without optimising compilers), 1.7 ms a second: below some 20,000 events a second it would not even pay.
//
// A window that ends late because the thread was busy is longer than meant; its own length is what counts.

import type { Clock } from '#core/clock/clock.ts';
import type { CountedGroup, PerfCounters } from '#core/host/perf/perf-counters.ts';
import { WindowEstimate } from '#core/host/perf/window-estimate.ts';

/** What counting one event costs at the most, us; 0.02 to 0.15 were measured. */
export const EVENT_COST_US = 0.1;
/** Share of all processor time that counting the events of one group may cost. */
const BUDGET_SHARE = 0.005;
/** Windows shorter than a few steps of the timers (1 ms) would not be what was meant. */
const SHARE_MIN = 0.02;
/** Above it windows would nearly touch. */
const SHARE_MAX = 0.9;
const WINDOWS_PER_S = 10;
/** Switching and reading on so many processors ten times a second would itself be felt. */
const TARGETS_MANY = 64;
const WINDOWS_PER_S_MANY = 4;
const NS_PER_S = 1e9;
const US_PER_S = 1e6;

export interface DutyCycleOptions {
  counters: PerfCounters;
  group: CountedGroup;
  clock: Clock;
  /** Processors of the host: the budget is a share of their time. */
  processors: number;
  /** Fixed share of the time; default: what the budget allows. */
  share?: number | undefined;
  seed?: number;
}

export class DutyCycle {
  readonly group: CountedGroup;
  /** Of the interval that `take` ended, by event: events a second, and one standard error as a share of it. */
  readonly rates: Float64Array;
  readonly errors: Float64Array;
  /** Share of the time that the counters are on; 1: always. */
  share: number;
  /** Of the interval that `take` ended, as it came out. */
  shareSeen = Number.NaN;
  readonly #options: DutyCycleOptions;
  readonly #estimate: WindowEstimate;
  #random: number;
  #cancel: () => void = () => {};
  #startUs = 0;
  #windowUs = 0;
  #isOn = false;

  constructor(options: DutyCycleOptions) {
    const { group, share = 1, seed = 1 } = options;
    this.#options = options;
    this.group = group;
    this.rates = new Float64Array(group.names.length).fill(Number.NaN);
    this.errors = new Float64Array(group.names.length).fill(Number.NaN);
    this.#estimate = new WindowEstimate(group.names.length);
    this.#random = seed;
    this.share = share;
  }

  start(): void {
    this.#begin();
  }

  /** Ends the interval: rates and errors stand; the next interval begins, with a share that fits what was seen. */
  take(): void {
    const { clock } = this.#options;
    const nowUs = clock.monoUs();
    const intervalS = (nowUs - this.#startUs) / US_PER_S;
    if (this.share === 1) this.#endWindow(nowUs);
    const estimate = this.#estimate;
    for (let event = 0; event < this.rates.length; event++) {
      this.rates[event] = estimate.rate(event);
      this.errors[event] = this.share === 1 ? 0 : estimate.error(event, intervalS);
    }
    this.shareSeen = this.share === 1 ? 1 : Math.min(1, estimate.totalS / intervalS);
    estimate.clear();
    this.#startUs = nowUs;
    this.#follow();
  }

  stop(): void {
    this.#cancel();
    this.#cancel = () => {};
    if (this.#isOn) this.#options.counters.disable(this.group);
    this.#isOn = false;
  }

  /** Takes the share that the rates just seen allow. */
  #follow(): void {
    const before = this.share;
    if (this.#options.share === undefined)
      this.share = affordableShare(this.rates, this.#options.processors);
    if (this.share === 1 && before === 1) this.#windowUs = this.#startUs;
    else if (this.share === 1 || before === 1) {
      this.stop();
      this.#begin();
    }
  }

  #begin(): void {
    // What a window that was cut short has counted belongs to none.
    this.#options.counters.read(this.group);
    this.#startUs = this.#options.clock.monoUs();
    if (this.share === 1) this.#open();
    else this.#plan(0);
  }

  /** Plans the window of the next part of the interval, which begins in `restMs`. */
  #plan(restMs: number): void {
    const { clock, counters } = this.#options;
    const partMs = 1000 / (counters.targets > TARGETS_MANY ? WINDOWS_PER_S_MANY : WINDOWS_PER_S);
    const lengthMs = partMs * this.share;
    const offsetMs = this.#nextRandom() * (partMs - lengthMs);
    this.#cancel = clock.after(restMs + offsetMs, () => {
      this.#open();
      this.#cancel = clock.after(lengthMs, () => {
        const endUs = clock.monoUs();
        counters.disable(this.group);
        this.#isOn = false;
        this.#endWindow(endUs);
        this.#plan(partMs - offsetMs - lengthMs);
      });
    });
  }

  #open(): void {
    const { clock, counters } = this.#options;
    this.#windowUs = clock.monoUs();
    counters.enable(this.group);
    this.#isOn = true;
  }

  /** Reads what the window counted. It is over, or the next one begins at once. */
  #endWindow(nowUs: number): void {
    const { counters } = this.#options;
    counters.read(this.group);
    const { counts, enabledNs, read } = this.group;
    // A processor's counter knows how long it was on; a thread's knows only how long the thread ran.
    const onS = counters.areProcessors
      ? enabledNs / read / NS_PER_S
      : (nowUs - this.#windowUs) / US_PER_S;
    this.#estimate.add(onS, counts);
  }

  /** xorshift32: where a window lies need not be secret, but repeatable. 0..1. */
  #nextRandom(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return (x >>> 0) / 2 ** 32;
  }
}

/** The share of the time that counting events of these rates may be on. */
export function affordableShare(rates: Float64Array, processors: number): number {
  let perS = 0;
  for (let i = 0; i < rates.length; i++) perS += Number.isNaN(rates[i]!) ? 0 : rates[i]!;
  const affordable = (BUDGET_SHARE * processors) / (perS * (EVENT_COST_US / US_PER_S));
  return affordable > SHARE_MAX ? 1 : Math.max(SHARE_MIN, affordable);
}
