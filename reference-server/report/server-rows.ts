// Makes the rows of source `server`: once a second, from the shared memory of the workers. The workers
// notice nothing but one store (the longest turn is set back). A sweep over all mailboxes finds the
// longest one: 1 ns a user, outside the reactors.

import type { Tick } from '#core/clock/ticker.ts';
import type { Row } from '#core/metric/row.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { SERVER_METRICS, type SpecialMetric } from '#reference-server/report/server-metrics.ts';
import type { Server, WorkerFigures } from '#reference-server/server.ts';
import { CLOSE_CAUSES, MALFORMED_COUNT } from '#reference-server/stats/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/stats/worker-stats.ts';

export class ServerRows {
  readonly #server: Server;
  #lastUs: number;
  #queue = { length: 0, longest: 0, nonempty: 0 };

  /** `startUs`: monotonic time at which the first interval begins. */
  constructor(server: Server, startUs: number) {
    this.#server = server;
    this.#lastUs = startUs;
  }

  /** The row of a tick. */
  row(tick: Tick): Row {
    const intervalUs = tick.monoUs - this.#lastUs;
    this.#lastUs = tick.monoUs;
    const { wallMs, index, missedTicks } = tick;
    return { wallMs, tick: index, missedTicks, intervalUs, values: this.values() };
  }

  /** All metrics now. */
  values(): Record<string, number> {
    this.#queue = sweepMailboxes(this.#server.figures);
    const values: Record<string, number> = {};
    for (const { name, source } of SERVER_METRICS) {
      if ('stat' in source) values[name] = this.#sum(({ stats }) => stats[source.stat]!);
      else if ('reactor' in source) {
        values[name] = this.#sum(({ reactorStats }) => reactorStats[source.reactor]!);
      } else values[name] = this.#special(source.special);
    }
    return values;
  }

  #special(metric: SpecialMetric): number {
    if (metric === 'closed') return this.#closed(0, CLOSE_CAUSES.length);
    if (metric === 'malformed') return this.#closed(0, MALFORMED_COUNT);
    if (metric === 'refused') {
      return this.#sum(
        ({ stats, reactorStats }) =>
          stats[STAT.loginsRefused]! +
          stats[STAT.withheld]! +
          reactorStats[REACTOR_STAT.acceptRefused]!,
      );
    }
    if (metric === 'queueLength') return this.#queue.length;
    if (metric === 'queueLongest') return this.#queue.longest;
    if (metric === 'queueNonempty') return this.#queue.nonempty;
    if (metric === 'rss') return process.memoryUsage.rss();
    if (metric === 'frontRefused') return this.#server.frontRefused;
    if (metric === 'workers') return this.#server.workers;
    if (metric === 'turnUsMax') return takeTurnUsMax(this.#server.figures);
    const { user, system } = process.cpuUsage();
    return user + system;
  }

  #closed(from: number, to: number): number {
    return this.#sum(({ stats }) => {
      let count = 0;
      for (let cause = from; cause < to; cause++) count += stats[STAT_CLOSED + cause]!;
      return count;
    });
  }

  #sum(figure: (figures: WorkerFigures) => number): number {
    let sum = 0;
    for (const figures of this.#server.figures) sum += figure(figures);
    return sum;
  }
}

/** Looks at every mailbox of every worker. Reads race with the workers by a message or so. */
function sweepMailboxes(all: readonly WorkerFigures[]): {
  length: number;
  longest: number;
  nonempty: number;
} {
  let length = 0;
  let longest = 0;
  let nonempty = 0;
  for (const { stats, mailboxLengths } of all) {
    const rows = stats[STAT.rowsTouched]!;
    for (let row = 0; row < rows; row++) {
      const own = mailboxLengths[row]!;
      if (own === 0) continue;
      length += own;
      nonempty++;
      if (own > longest) longest = own;
    }
  }
  return { length, longest, nonempty };
}

/** The longest turn since the last call. */
function takeTurnUsMax(all: readonly WorkerFigures[]): number {
  let longest = 0;
  for (const { reactorStats } of all) {
    longest = Math.max(longest, reactorStats[REACTOR_STAT.turnUsMax]!);
    reactorStats[REACTOR_STAT.turnUsMax] = 0;
  }
  return longest;
}
