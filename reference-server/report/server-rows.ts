// Makes the rows of source `server`: once a second, from the shared memory of the workers. The workers
// notice nothing but one store (the longest turn is set back). What concerns the mailboxes comes from
// statistics/queue-watch.ts.

import { systemClock } from '#core/clock/clock.ts';
import type { Tick } from '#core/clock/ticker.ts';
import type { Row } from '#core/metric/row.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { LoopShares } from '#reference-server/report/loop-shares.ts';
import { SERVER_METRICS, type SpecialMetric } from '#reference-server/report/server-metrics.ts';
import type { Server, WorkerFigures } from '#reference-server/server.ts';
import { CLOSE_CAUSES, MALFORMED_COUNT } from '#reference-server/statistics/close-cause.ts';
import type { SweepResult } from '#reference-server/statistics/mailbox-sweep.ts';
import { type QueueFigures, QueueWatch } from '#reference-server/statistics/queue-watch.ts';
import type { AlertFigures } from '#reference-server/statistics/server-alerts.ts';
import type { SlowReport } from '#reference-server/statistics/slow-receivers.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';

export class ServerRows {
  readonly #server: Server;
  #lastUs: number;
  readonly #watch: QueueWatch;
  #queues: QueueFigures;
  /** How each worker spent the last interval. */
  readonly loops: LoopShares;
  /** Times that $SYS was due and left out; its publisher writes it. */
  sysShed = 0;
  /** Alerts that are raised now; who watches them writes it. */
  alertsRaised = 0;

  /** `startUs`: monotonic time at which the first interval begins. */
  constructor(server: Server, startUs: number) {
    this.#server = server;
    this.#lastUs = startUs;
    this.#watch = new QueueWatch(server.figures);
    const loops = server.figures.map(({ reactorStats }) => reactorStats);
    this.loops = new LoopShares(loops, startUs);
    this.#queues = this.#watch.observe(startUs, true);
  }

  /** The row of a tick. */
  row(tick: Tick): Row {
    const intervalUs = tick.monoUs - this.#lastUs;
    this.#lastUs = tick.monoUs;
    const { wallMs, index, missedTicks } = tick;
    return { wallMs, tick: index, missedTicks, intervalUs, values: this.values() };
  }

  /** What the last look at the mailboxes found. */
  get sweep(): SweepResult {
    return this.#queues.sweep;
  }

  get slow(): SlowReport {
    return this.#queues.slow;
  }

  /** What the alerts look at. */
  get alertFigures(): AlertFigures {
    const { total, sweep, slow } = this.#queues;
    const { messagesMax } = this.#server.limits;
    return {
      stuck: sweep.stuck,
      slow: slow.count,
      longestPercent: (100 * sweep.longest) / this.#server.settings.mailboxMessages,
      storedPercent: (100 * total.length) / messagesMax,
      drainS: total.drainS,
      queued: total.length,
    };
  }

  /** All metrics now. */
  values(): Record<string, number> {
    const nowUs = systemClock.monoUs();
    this.#queues = this.#watch.observe(nowUs, this.#server.settings.statistics === 'on');
    this.loops.observe(nowUs);
    const values: Record<string, number> = {};
    for (const { name, source } of SERVER_METRICS) {
      if ('stat' in source) values[name] = this.#sum(({ stats }) => stats[source.stat]!);
      else if ('reactor' in source) {
        values[name] = this.#sum(({ reactorStats }) => reactorStats[source.reactor]!);
      } else if ('snapshot' in source) values[name] = this.#server.saves[source.snapshot];
      else {
        // What is not known, or will never be, is left out.
        const value = this.#special(source.special);
        if (Number.isFinite(value)) values[name] = value;
      }
    }
    return values;
  }

  #special(metric: SpecialMetric): number {
    if (metric === 'connections') return this.#server.connections;
    if (metric === 'closed') return this.#closed(0, CLOSE_CAUSES.length);
    if (metric === 'malformed') return this.#closed(0, MALFORMED_COUNT);
    if (metric === 'refused') {
      return this.#sum(
        ({ stats, reactorStats }) =>
          stats[STAT.loginsRefused]! +
          stats[STAT.withheld]! +
          stats[STAT.acceptsHeld]! +
          reactorStats[REACTOR_STAT.acceptRefused]!,
      );
    }
    if (metric === 'busiest') return this.loops.busiest;
    if (metric === 'idlest') return this.loops.idlest;
    if (metric === 'sysShed') return this.sysShed;
    if (metric === 'alerts') return this.alertsRaised;
    const { total, sweep, slow } = this.#queues;
    if (metric === 'stuck') return sweep.stuck;
    if (metric === 'slow') return slow.count;
    if (metric === 'slowResponse') return slow.top[0]?.responseMs ?? 0;
    if (metric === 'slowRefused') return slow.refused;
    const { figures } = this.#server;
    if (metric === 'queueLength') return total.length;
    if (metric === 'queueLongest') return sweep.longest;
    if (metric === 'queueNonempty') return sweep.nonempty;
    if (metric === 'queueOldest') return total.oldestAgeS;
    if (metric === 'queueDelay') return total.delayS;
    if (metric === 'queueDrain') return total.drainS;
    if (metric === 'rss') return process.memoryUsage.rss();
    if (metric === 'memoryFree') return this.#server.memory.freeBytes;
    if (metric === 'memoryShort') return Number(this.#server.memory.isShort);
    if (metric === 'frontRefused') return this.#server.frontRefused;
    if (metric === 'workers') return this.#server.workers;
    if (metric === 'turnUsMax' || metric === 'turnCpuUsMax') {
      return takeLongest(
        figures.map(({ reactorStats }) => reactorStats),
        REACTOR_STAT[metric],
      );
    }
    if (metric === 'collectionUsMax') {
      return takeLongest(
        figures.map(({ stats }) => stats),
        STAT.collectionUsMax,
      );
    }
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

/** The largest of a figure that is a maximum since it was set back; sets it back. */
function takeLongest(all: readonly Float64Array[], index: number): number {
  let longest = 0;
  for (const stats of all) {
    longest = Math.max(longest, stats[index]!);
    stats[index] = 0;
  }
  return longest;
}
