// The queues of a running server as the main thread sees them: the sum of all mailboxes once a tick, from the
// workers' own counters (no sweep), and a sweep over every mailbox that is not empty in the background, one slice at
// a time, with the loop of the main thread in between. Small tables are swept at once, so that their figures are of
// the tick.

import { systemClock } from '#core/clock/clock.ts';
import type { WorkerFigures } from '#reference-server/server.ts';
import {
  MailboxSweep,
  type SweepResult,
  TOP_COUNT,
} from '#reference-server/statistics/mailbox-sweep.ts';
import { QueueFlow, type QueueReport } from '#reference-server/statistics/queue-flow.ts';
import { readSlowReceivers, type SlowReport } from '#reference-server/statistics/slow-receivers.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';

/** Boxes that are swept within a tick: about 1 ms. */
const BOXES_AT_ONCE = 262_144;

export interface QueueFigures {
  total: QueueReport;
  sweep: SweepResult;
  slow: SlowReport;
}

export class QueueWatch {
  readonly #figures: readonly WorkerFigures[];
  readonly #sweep: MailboxSweep;
  readonly #total = new QueueFlow();
  #isSweeping = false;
  #lastUs = Number.NaN;

  constructor(figures: readonly WorkerFigures[]) {
    this.#figures = figures;
    const memory = figures.map(({ stats, mailboxFlow, userFlags }) => ({
      boxes: () => stats[STAT.boxesTouched]!,
      flow: mailboxFlow,
      flags: userFlags,
    }));
    this.#sweep = new MailboxSweep(memory, mailboxSecond);
  }

  /** Once a tick; nothing is swept when statistics are not on: `sweep` is the last one then. */
  observe(nowUs: number, isOn: boolean): QueueFigures {
    const sum = (stat: number): number =>
      this.#figures.reduce((total, { stats }) => total + stats[stat]!, 0);
    if (isOn && sum(STAT.boxesTouched) <= BOXES_AT_ONCE) this.#sweep.finish();
    else if (isOn) this.#sweepLater();
    const sweep = this.#sweep.result;
    const state = {
      length: sum(STAT.queued),
      enqueued: sum(STAT.enqueued),
      dequeued: sum(STAT.dequeued),
      oldestAgeS: sweep.oldestAgeS,
    };
    this.#total.observe(state, Number.isNaN(this.#lastUs) ? 0 : (nowUs - this.#lastUs) / 1e6);
    this.#lastUs = nowUs;
    const tables = isOn ? this.#figures.map(({ slowCells }) => slowCells) : [];
    const slow = readSlowReceivers(tables, mailboxSecond(), TOP_COUNT);
    return { total: this.#total.report, sweep, slow };
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const next = (): void => {
      if (this.#sweep.slice()) this.#isSweeping = false;
      else setImmediate(next);
    };
    setImmediate(next);
  }
}

/** The clock that mailboxes are stamped with: the same in every thread. */
export function mailboxSecond(): number {
  return Math.floor(systemClock.wallMs() / 1000);
}
