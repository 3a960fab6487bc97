// The messaging server under test, as it tells of itself on the bus (source `server`, one row a second):
// its queues, its messages and its event loop in wsar's terms. A pushed source: a row lies here with its
// own time until the tick takes it.
//
// Age is part of the value. The server's row of a second arrives just after the collector's tick of that
// second, so a row is about one second old when it is taken; one older than three of its periods is no
// value any more. (wsar itself printed the same queue figures twice, a minute apart.)
//
// Rates come from the server's cumulative counters over the server's own time.

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { queueDelayS, queueDrainS } from '#core/metric/queue-drain.ts';
import type { MetricSpec } from '#core/metric/registry.ts';
import type { Row } from '#core/metric/row.ts';

const AGE_PERIODS_MAX = 3;
const US_PER_S = 1e6;
/** A row's own time and its arrival may differ by this much before the row's time starts anew. */
const STAMP_SLACK_US = 1.5e6;
const HORIZON_10S = 1;
const HORIZON_100S = 2;

const D = { decays: true };
const HIDDEN = { isHidden: true };
const messages = (name: string, short: string, help: string) =>
  counter(name, short, '{message}/s', help, D);

/** Metric of the server's row -> ours. */
const WANTED: Record<string, MetricSpec> = {
  'queue.length': gauge('mailbox.length{stat=sum}', 'tot', '{message}', 'messages that wait', D),
  'queue.longest': gauge('mailbox.length{stat=max}', 'max', '{message}', 'longest queue', D),
  'queue.nonempty': gauge('mailbox.nonempty', 'nonz', '{queue}', 'queues that hold something', D),
  'queue.enqueued': messages('mailbox.enqueued', 'enq/s', 'messages put into a queue'),
  'queue.dequeued': messages('mailbox.dequeued', 'DeqRate', 'messages taken out of a queue'),
  'messages.received': messages(
    'wsar.runtime.messages{direction=in}',
    'msgin',
    'messages taken from senders',
  ),
  'messages.delivered': messages(
    'wsar.runtime.messages{direction=out}',
    'msgout',
    'messages accepted by receivers',
  ),
  receipts: messages('wsar.runtime.receipts', 'rcpt', 'receipts sent to senders'),
  accepted: counter('wsar.runtime.accepted', 'acc/s', '{connection}/s', 'connections accepted'),
  logins: counter('wsar.runtime.logins', 'login/s', '{login}/s', 'users logged in', D),
  connections: gauge('wsar.runtime.connections', 'conn', '{connection}', 'connections now', D),
  sessions: gauge('wsar.runtime.sessions', 'sess', '{session}', 'users logged in now'),
  cpu_us: counter('wsar.runtime.cpu_us', 'cpu', 'us/s', 'CPU time of the server', D),
  rss: gauge('wsar.runtime.rss', 'rss', 'By', 'memory of the server'),
  'loop.work_us': counter('wsar.runtime.loop.work_us', '', 'us/s', 'loops at work', HIDDEN),
  'loop.sleep_us': counter('wsar.runtime.loop.sleep_us', '', 'us/s', 'loops asleep', HIDDEN),
  'loop.turns': counter('wsar.runtime.loop.turns', 'turn/s', '{turn}/s', 'turns of the loops', D),
  'loop.enters': counter(
    'wsar.runtime.loop.enters',
    'entr/s',
    '{call}/s',
    'system calls by which the loops handed in work or slept',
  ),
  'loop.turn_max_us': gauge('wsar.runtime.loop.turn_max_us', 'turnmx', 'us', 'longest turn', D),
};

export class ServerRowSource implements Source {
  readonly id = 'server';
  readonly budgetUs = 20_000;
  readonly #keys = Object.keys(WANTED);
  readonly #isCounter = Object.values(WANTED).map((spec) => spec.counter !== undefined);
  readonly #slots: number[] = [];
  #derived!: Record<'fill' | 'delay' | 'drain' | 'drain10' | 'drain100' | 'busy' | 'age', number>;
  #row: Row | undefined;
  #stampUs = 0;
  #isTaken = false;
  #ageUs = Number.NaN;

  probe(): Capability {
    return { state: 'absent', reason: 'no server reports here; in a lab it does over the bus' };
  }

  declare(metrics: MetricScope): void {
    for (const spec of Object.values(WANTED)) this.#slots.push(metrics.declare(spec));
    const rate = (name: string, short: string, unit: string, help: string) =>
      metrics.declare(derivedRate(name, short, unit, help, D));
    const seconds = (name: string, short: string, help: string) =>
      metrics.declare(gauge(name, short, 's', help));
    this.#derived = {
      fill: rate('mailbox.fill_rate', 'QFill', '{message}/s', 'put in minus taken out'),
      delay: seconds('mailbox.delay', 'QDelay', 'wait of a message that joins now: length / rate'),
      drain: seconds('mailbox.drain_time', 'Drain', 'until empty at the fill rate of this tick'),
      drain10: seconds('mailbox.drain_time{decay=10s}', 'Drain10', 'at the fill rate over 10 s'),
      drain100: seconds('mailbox.drain_time{decay=100s}', 'Drain100', 'at that over 100 s'),
      busy: rate('wsar.runtime.loop.utilization', '%loop', '1', 'share of the time at work'),
      age: seconds('wsar.runtime.age', 'age', 'age of the server row when it was taken'),
    };
  }

  /** A row came; `nowUs` is the monotonic time of its arrival. */
  push(row: Row, nowUs: number): void {
    // Its own clock is steadier than the arrival, as long as they agree roughly.
    const ownUs = this.#stampUs + row.intervalUs;
    const isNext = this.#row !== undefined && row.tick === this.#row.tick + 1 + row.missedTicks;
    const isNear = Math.abs(nowUs - ownUs) < STAMP_SLACK_US && ownUs > this.#stampUs;
    this.#stampUs = isNext && isNear ? ownUs : nowUs;
    this.#row = row;
    this.#isTaken = false;
  }

  sample(table: SampleTable, nowUs: number): number {
    if (this.#row === undefined) return Freshness.stale;
    this.#ageUs = nowUs - this.#stampUs;
    if (this.#ageUs > AGE_PERIODS_MAX * this.#row.intervalUs) return Freshness.stale;
    if (this.#isTaken) {
      table.set(this.#derived.age, this.#ageUs / US_PER_S);
      return Freshness.unchanged;
    }
    this.#isTaken = true;
    const { values } = this.#row;
    for (let i = 0; i < this.#keys.length; i++) {
      const value = values[`wsar.server.${this.#keys[i]}`];
      if (typeof value !== 'number' || !(value >= 0)) continue;
      if (this.#isCounter[i]) table.counterNumber(this.#slots[i]!, value);
      else table.gauge(this.#slots[i]!, value);
    }
    return this.#stampUs;
  }

  derive(table: SampleTable): void {
    const slot = (key: string): number => this.#slots[this.#keys.indexOf(key)]!;
    const { fill, delay, drain, drain10, drain100, busy, age } = this.#derived;
    const [enqueued, dequeued] = [slot('queue.enqueued'), slot('queue.dequeued')];
    const length = table.value(slot('queue.length'));
    const fillRate = table.value(enqueued) - table.value(dequeued);
    table.set(fill, fillRate);
    table.set(delay, queueDelayS(length, table.value(dequeued)));
    table.set(drain, queueDrainS(length, fillRate));
    // The decay of a difference is the difference of the decays.
    const fillOver = (horizon: number): number =>
      table.decays.value(enqueued, horizon) - table.decays.value(dequeued, horizon);
    table.set(drain10, queueDrainS(length, fillOver(HORIZON_10S)));
    table.set(drain100, queueDrainS(length, fillOver(HORIZON_100S)));
    const work = table.delta(slot('loop.work_us'));
    table.set(busy, work / (work + table.delta(slot('loop.sleep_us'))));
    table.set(age, this.#ageUs / US_PER_S);
  }

  close(): void {}
}
