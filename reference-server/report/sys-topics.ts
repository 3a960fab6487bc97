// The topics under $SYS/broker/: the names that mosquitto has, for its dashboards, and what it does not have: queues,
// the longest mailboxes and how each worker spends its time. Pure: figures in, texts out.
//
// A topic is left out while its figure is not known, and nothing here counts by itself: every text comes from the rows
// (report/server-metrics.ts), so it is right or missing, never stale.

import type { Row } from '#core/metric/row.ts';
import type { LoopShare } from '#reference-server/report/loop-shares.ts';
import type { SweepResult } from '#reference-server/statistics/mailbox-sweep.ts';
import type { SlowReport } from '#reference-server/statistics/slow-receivers.ts';

export interface SysFigures {
  values: Row['values'];
  sweep: SweepResult;
  slow: SlowReport;
  /** Alerts that are raised, and what they say. */
  alerts: ReadonlyMap<string, string>;
  nowS: number;
  loops: readonly LoopShare[];
  uptimeS: number;
  version: string;
  /** Most users that were logged in at a time, as far as rows saw it. */
  clientsMaximum: number;
}

/** Mosquitto's names, by the metric that they show. Its counts of messages are of packets; these of PUBLISH. */
const MOSQUITTO: readonly (readonly [string, string])[] = [
  ['clients/connected', 'sessions'],
  ['clients/active', 'sessions'],
  ['messages/received', 'messages.received'],
  ['messages/sent', 'messages.delivered'],
  ['messages/stored', 'queue.length'],
  ['store/messages/count', 'queue.length'],
  ['store/messages/bytes', 'queue.bytes'],
  ['publish/messages/received', 'messages.received'],
  ['publish/messages/sent', 'messages.delivered'],
  ['publish/messages/dropped', 'messages.dropped'],
  ['bytes/received', 'rx_bytes'],
  ['bytes/sent', 'tx_bytes'],
  ['subscriptions/count', 'broker.subscriptions'],
  ['retained messages/count', 'broker.retained'],
  ['heap/current', 'heap'],
];

/** What mosquitto has no name for. */
const OWN: readonly (readonly [string, string])[] = [
  ['connections/open', 'connections'],
  ['connections/accepted', 'accepted'],
  ['connections/malformed', 'malformed'],
  ['connections/throttled', 'throttled'],
  ['logins/accepted', 'logins'],
  ['logins/refused', 'logins.refused'],
  ['receivers/slow', 'receivers.slow'],
  ['receivers/stuck', 'receivers.stuck'],
  ['messages/withheld', 'messages.withheld'],
  ['messages/redelivered', 'messages.redelivered'],
  ['messages/expired', 'messages.expired'],
  ['messages/parked', 'messages.parked'],
  ['receipts', 'receipts'],
  ['queue/length', 'queue.length'],
  ['queue/bytes', 'queue.bytes'],
  ['queue/nonempty', 'queue.nonempty'],
  ['queue/longest', 'queue.longest'],
  ['queue/oldest', 'queue.oldest'],
  ['queue/delay', 'queue.delay'],
  ['queue/drain', 'queue.drain'],
  ['queue/enqueued', 'queue.enqueued'],
  ['queue/dequeued', 'queue.dequeued'],
  ['general/queue_bytes', 'broker.queue_bytes'],
  ['snapshot/age', 'snapshot.age'],
  ['snapshot/duration', 'snapshot.duration'],
  ['snapshot/bytes', 'snapshot.bytes'],
  ['snapshot/users', 'snapshot.users'],
  ['snapshot/messages', 'snapshot.messages'],
  ['snapshot/saves', 'snapshot.saves'],
  ['snapshot/failures', 'snapshot.failures'],
  ['snapshot/restored/users', 'snapshot.restored_users'],
  ['snapshot/restored/messages', 'snapshot.restored_messages'],
  ['snapshot/restored/refused', 'snapshot.restore_refused'],
  ['links/frames', 'link.frames'],
  ['links/refused', 'link.refused'],
  ['process/rss', 'rss'],
  ['process/cpu_us', 'cpu_us'],
  ['gc/count', 'gc.count'],
  ['gc/longest_us', 'gc.max_us'],
];

/** Every topic whose figure is known, with its text. */
export function sysTopics(figures: SysFigures): Map<string, string> {
  const { values, sweep, loops, slow, alerts, nowS } = figures;
  const topics = new Map<string, string>();
  const put = (name: string, text: string): void => void topics.set(`$SYS/broker/${name}`, text);
  put('version', `wsar version ${figures.version}`);
  put('uptime', `${Math.floor(figures.uptimeS)} seconds`);
  put('clients/maximum', String(figures.clientsMaximum));
  for (const [name, metric] of [...MOSQUITTO, ...OWN]) {
    const value = values[`wsar.server.${metric}`];
    if (typeof value === 'number') put(name, number(value));
  }
  loops.forEach((loop, worker) => {
    for (const [name, value] of Object.entries(loop) as [keyof LoopShare, number][]) {
      put(`workers/${worker}/${LOOP_NAMES[name]}`, number(value));
    }
  });
  sweep.top.forEach(({ worker, row, report }, rank) => {
    const { length, oldestAgeS, delayS, drainS } = report;
    const known = Object.entries({ worker, row, length, oldestAgeS, delayS, drainS }).filter(
      ([, value]) => Number.isFinite(value),
    );
    put(`mailboxes/longest/${rank}`, JSON.stringify(Object.fromEntries(known)));
  });
  slow.top.forEach((receiver, rank) => {
    const { worker, row, count } = receiver;
    const [wholeMs, internalMs, responseMs] = (
      ['wholeMs', 'internalMs', 'responseMs'] as const
    ).map((clock) => Math.round(receiver[clock]));
    const told = { worker, row, wholeMs, internalMs, responseMs, count };
    put(`receivers/slow/${rank}`, JSON.stringify(told));
  });
  sweep.stuckTop.forEach(({ worker, row, oldestS }, rank) => {
    const ageS = Math.max(0, nowS - oldestS);
    put(`receivers/stuck/${rank}`, JSON.stringify({ worker, row, ageS }));
  });
  for (const [name, text] of alerts) put(`alerts/${name}`, text);
  return topics;
}

/** Shares are per cent. */
const LOOP_NAMES: Record<keyof LoopShare, string> = {
  working: 'working',
  spinning: 'spinning',
  sleeping: 'sleeping',
  wakesPerS: 'wakes_per_s',
  turnsPerS: 'turns_per_s',
};

function number(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}
