// How each worker spent the last interval: working, spinning (it looked for work in vain), sleeping; how often it
// was woken by other workers. From the reactors' own counters, which rise at the end of a turn: what a turn that
// still runs has done is in the next interval. Pure but for reading them.

import { REACTOR_STAT } from '#core/socket/reactor.ts';

export interface LoopShare {
  /** Per cent of the interval, in turns that have ended. */
  working: number;
  spinning: number;
  sleeping: number;
  /** Wake-ups from other threads, and turns, a second. */
  wakesPerS: number;
  turnsPerS: number;
}

const COUNTERS = ['workUs', 'spinUs', 'sleepUs', 'wakes', 'turns'] as const;

export class LoopShares {
  readonly #stats: readonly Float64Array[];
  #last: number[][];
  #lastUs: number;
  shares: LoopShare[];

  constructor(stats: readonly Float64Array[], nowUs: number) {
    this.#stats = stats;
    this.#last = stats.map(read);
    this.#lastUs = nowUs;
    this.shares = stats.map(() => ({
      working: 0,
      spinning: 0,
      sleeping: 0,
      wakesPerS: 0,
      turnsPerS: 0,
    }));
  }

  /** Ends an interval. */
  observe(nowUs: number): void {
    const seconds = (nowUs - this.#lastUs) / 1e6;
    if (!(seconds > 0)) return;
    this.#lastUs = nowUs;
    const now = this.#stats.map(read);
    this.shares = now.map((counters, worker) => {
      const [work, spin, sleep, wakes, turns] = counters.map(
        (count, at) => count - this.#last[worker]![at]!,
      ) as [number, number, number, number, number];
      const share = (us: number): number => us / seconds / 1e4;
      return {
        working: share(work),
        spinning: share(spin),
        sleeping: share(sleep),
        wakesPerS: wakes / seconds,
        turnsPerS: turns / seconds,
      };
    });
    this.#last = now;
  }

  /** The largest and the smallest share of working. */
  get busiest(): number {
    return Math.max(...this.shares.map(({ working }) => working));
  }

  get idlest(): number {
    return Math.min(...this.shares.map(({ working }) => working));
  }
}

function read(stats: Float64Array): number[] {
  return COUNTERS.map((name) => stats[REACTOR_STAT[name]]!);
}
