// Every queue of messages that anybody tells of, in one form. A queue is a metric `<what>.queue.length{...}`, of a
// plug-in or a runtime, with `<what>.queue.enqueued{...}` and `.dequeued{...}` beside it where there are such; and the
// mailboxes of a server or a runtime (mailbox.*). For each: length, rates in and out with their decays, fill rate,
// delay and time of draining; and for all together how many wait, the longest, and how many hold something. (Accept
// queues of the kernel hold connections and have metrics of their own, tcp.listen.queue.*; the table shows them beside
// these.)
//
// Sampled after those who tell. New queues are looked for when there are new metrics. Cost: under 1 us a queue.

import { QueueFigures } from '#collector/queue/queue-figures.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { derivedRate, gauge, instanceName } from '#collector/source/metric-shape.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';
import { NO_SLOT } from '#core/metric/registry.ts';

/** Queues with metrics of their own; the rest is counted. */
const QUEUES_MAX = 64;
const US_PER_S = 1e6;
const OWN = 'wsar.queue';
const ACCEPT = 'tcp.listen.';
const HORIZON_10S = 1;
const HORIZON_100S = 2;
const D = { decays: true };

/** Names of the metrics that tell of a queue. */
interface QueueNames {
  label: string;
  length: string;
  enqueued: string;
  dequeued: string;
  /** Where it is many queues: the longest, and how many hold something. */
  longest?: string;
  nonEmpty?: string;
}

interface Queue extends QueueNames {
  figures: QueueFigures;
  slots: Record<QueueMetric, number>;
}

type QueueMetric =
  | 'length'
  | 'enqueued'
  | 'dequeued'
  | 'fill'
  | 'delay'
  | 'drain'
  | 'drain10'
  | 'drain100';

const MAILBOXES: QueueNames = {
  label: 'mailboxes',
  length: 'mailbox.length{stat=sum}',
  enqueued: 'mailbox.enqueued',
  dequeued: 'mailbox.dequeued',
  longest: 'mailbox.length{stat=max}',
  nonEmpty: 'mailbox.nonempty',
};

export class QueueSource implements Source {
  readonly id = 'queue';
  readonly budgetUs = 20_000;
  /** Queues that found no place. */
  refused = 0;
  readonly #queues = new Map<string, Queue>();
  #metrics!: MetricScope;
  #totals: Record<'length' | 'longest' | 'nonEmpty' | 'count' | 'refused', number> | undefined;
  #candidates: QueueNames[] = [];
  #version = -1;
  #nowUs = Number.NaN;
  #dtS = Number.NaN;

  probe(): Capability {
    return { state: 'ok' };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
  }

  sample(table: SampleTable, nowUs: number): number {
    this.#dtS = (nowUs - this.#nowUs) / US_PER_S;
    this.#nowUs = nowUs;
    const { registry } = this.#metrics;
    if (this.#version !== registry.version) this.#look();
    // One that has never had a length is not there yet: a row shall not be full of nothing.
    for (const names of this.#candidates) {
      if (Number.isNaN(valueIn(table, names.length))) continue;
      this.#add(names);
    }
    if (this.#candidates.some(({ label }) => this.#queues.has(label))) {
      this.#candidates = this.#candidates.filter(({ label }) => !this.#queues.has(label));
    }
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    if (this.#totals === undefined) return;
    let [length, longest, nonEmpty, count] = [0, 0, 0, 0];
    for (const queue of this.#queues.values()) {
      this.#observe(table, queue);
      const { figures } = queue;
      if (Number.isNaN(figures.length)) continue;
      count++;
      length += figures.length;
      longest = Math.max(
        longest,
        queue.longest === undefined ? figures.length : known(table, queue.longest),
      );
      if (queue.nonEmpty !== undefined) nonEmpty += known(table, queue.nonEmpty);
      else if (figures.length > 0) nonEmpty++;
    }
    const isAny = count > 0;
    table.set(this.#totals.length, isAny ? length : Number.NaN);
    table.set(this.#totals.longest, isAny ? longest : Number.NaN);
    table.set(this.#totals.nonEmpty, isAny ? nonEmpty : Number.NaN);
    table.set(this.#totals.count, count);
    table.set(this.#totals.refused, this.refused);
  }

  /** Queues by name, the longest first. */
  labels(): string[] {
    const length = ({ figures }: Queue): number =>
      Number.isNaN(figures.length) ? -1 : figures.length;
    return [...this.#queues.values()]
      .sort((a, b) => length(b) - length(a))
      .map(({ label }) => label);
  }

  close(): void {}

  #look(): void {
    const { registry } = this.#metrics;
    this.#version = registry.version;
    this.#candidates = [];
    for (let slot = 0; slot < registry.slots; slot++) {
      const names = queueNamesOf(registry.spec(slot).name);
      if (names !== undefined && !this.#queues.has(names.label)) this.#candidates.push(names);
    }
  }

  #add(names: QueueNames): void {
    if (this.#queues.size >= QUEUES_MAX) {
      this.refused++;
      this.#candidates = this.#candidates.filter((candidate) => candidate !== names);
      return;
    }
    if (this.#totals === undefined) this.#declareTotals();
    const figures = new QueueFigures();
    this.#queues.set(names.label, { ...names, figures, slots: this.#declareQueue(names.label) });
    // Our own metrics are no reason to look again.
    this.#version = this.#metrics.registry.version;
  }

  #observe(table: SampleTable, { length, enqueued, dequeued, figures, slots }: Queue): void {
    figures.observe(
      valueIn(table, length),
      valueIn(table, enqueued),
      valueIn(table, dequeued),
      this.#dtS,
    );
    table.set(slots.length, figures.length);
    table.set(slots.enqueued, figures.enqueuedPerS);
    table.set(slots.dequeued, figures.dequeuedPerS);
    table.set(slots.fill, figures.fillPerS);
    table.set(slots.delay, figures.delayS);
    table.set(slots.drain, figures.drainS);
    table.set(slots.drain10, figures.drainOverS(HORIZON_10S));
    table.set(slots.drain100, figures.drainOverS(HORIZON_100S));
  }

  #declareQueue(label: string): Queue['slots'] {
    const named = (what: string): string => instanceName(`${OWN}.${what}`, 'queue', label);
    const rate = (what: string, short: string, help: string): number =>
      this.#metrics.declare(derivedRate(named(what), short, '{message}/s', `${help} ${label}`, D));
    const seconds = (name: string, short: string, help: string): number =>
      this.#metrics.declare(gauge(name, short, 's', `${help}, of ${label}`));
    const drain = named('drain_time');
    return {
      length: this.#metrics.declare(
        gauge(named('length'), 'Messages', '{message}', `what waits in ${label}`, D),
      ),
      enqueued: rate('enqueued', 'EnqRate', 'put into'),
      dequeued: rate('dequeued', 'DeqRate', 'taken out of'),
      fill: rate('fill_rate', 'QFillRate', 'put in minus taken out of'),
      delay: seconds(named('delay'), 'QDelay', 'wait of one that joins now: length / rate'),
      drain: seconds(drain, 'ETDrain', 'until empty at the fill rate of this tick'),
      drain10: seconds(instanceName(drain, 'decay', '10s'), 'ETDrain10', 'at that over 10 s'),
      drain100: seconds(instanceName(drain, 'decay', '100s'), 'ETDrain100', 'at that over 100 s'),
    };
  }

  #declareTotals(): void {
    const total = (what: string, short: string, unit: string, help: string): number =>
      this.#metrics.declare(gauge(`${OWN}.${what}`, short, `{${unit}}`, help, D));
    this.#totals = {
      length: total('total', 'tot', 'message', 'what waits in all queues'),
      longest: total('longest', 'max', 'message', 'length of the longest queue'),
      nonEmpty: total('nonempty', 'nonz', 'queue', 'queues that hold something'),
      count: total('count', 'queues', 'queue', 'queues that are told of; all mailboxes are one'),
      refused: total('refused', 'qrefu', 'queue', 'queues that found no place among 64'),
    };
  }
}

/** The metrics of a queue, if this is the name of its length. */
function queueNamesOf(name: string): QueueNames | undefined {
  if (name === MAILBOXES.length) return MAILBOXES;
  const match = /^((?:.*\.)?)queue\.length(\{.*\})?$/.exec(name);
  if (match === null || name.startsWith(`${OWN}.`) || name.startsWith(ACCEPT)) return undefined;
  const [, base = '', instance = ''] = match;
  const values = [...instance.matchAll(/=([^,}]*)/g)].map(([, value]) => value);
  const label = [base.replace(/^plugin\.|\.$/g, ''), ...values]
    .filter((part) => part !== '')
    .join(':');
  return {
    label: label === '' ? 'queue' : label,
    length: name,
    enqueued: `${base}queue.enqueued${instance}`,
    dequeued: `${base}queue.dequeued${instance}`,
  };
}

function valueIn(table: SampleTable, metric: string): number {
  const slot = table.registry.slotOf(metric);
  return slot === NO_SLOT ? Number.NaN : table.value(slot);
}

function known(table: SampleTable, metric: string): number {
  const value = valueIn(table, metric);
  return Number.isNaN(value) ? 0 : value;
}
