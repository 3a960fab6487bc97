// What is told of one queue, from its length and what goes in and out: rates and fill rate over 1, 10 and 100 s, the
// wait of who joins now, the time until it is empty. The formulas of wsar's queue tool, with its rounding
// (core/metric/queue-drain.ts); NaN is not known, and a queue that does not shrink has no time of draining.

import { DecayBank } from '#core/metric/decay.ts';
import { queueDelayS, queueDrainS } from '#core/metric/queue-drain.ts';

export class QueueFigures {
  length = Number.NaN;
  enqueuedPerS = Number.NaN;
  dequeuedPerS = Number.NaN;
  /** Over the tick. */
  fillPerS = Number.NaN;
  /** The rates themselves keep their decays in the table. */
  readonly #fill = new DecayBank(1);

  /** A tick of `dtS` seconds. Of the two rates one or both may be unknown; the change of the length gives the other. */
  observe(length: number, enqueuedPerS: number, dequeuedPerS: number, dtS: number): void {
    const change = dtS > 0 ? (length - this.length) / dtS : Number.NaN;
    this.length = length;
    const isExact = !Number.isNaN(enqueuedPerS) && !Number.isNaN(dequeuedPerS);
    this.fillPerS = isExact ? enqueuedPerS - dequeuedPerS : change;
    this.enqueuedPerS = Number.isNaN(enqueuedPerS) ? dequeuedPerS + change : enqueuedPerS;
    this.dequeuedPerS = Number.isNaN(dequeuedPerS) ? enqueuedPerS - change : dequeuedPerS;
    this.#fill.observeRate(0, this.fillPerS, dtS);
  }

  /** Seconds that who joins now waits. */
  get delayS(): number {
    return queueDelayS(this.length, this.dequeuedPerS);
  }

  /** Seconds until it is empty at the fill rate of this tick. */
  get drainS(): number {
    return queueDrainS(this.length, this.fillPerS);
  }

  /** The same at the fill rate over 1, 10 or 100 s (horizon 0, 1, 2). */
  drainOverS(horizon: number): number {
    return queueDrainS(this.length, this.#fill.value(0, horizon));
  }
}
