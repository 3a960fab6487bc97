// The rows of source `load`: which figures they hold, and a row made of the counts and histograms
// of one second.

import type { Tick } from '#core/clock/ticker.ts';
import type { MetricDef, MetricValue, Row } from '#core/metric/row.ts';
import { TIMING_NAMES, type TimingName, type Timings } from '#loadgen/interval-timings.ts';
import type { BoardField, Counts } from '#loadgen/worker-board.ts';

interface CountDef {
  field: BoardField;
  name: string;
  short: string;
  unit: string;
  kind: 'counter' | 'gauge';
  help: string;
}

const COUNT_DEFS: CountDef[] = [
  counter('attempted', 'connections.attempted', 'try', '{connection}', 'connect() calls'),
  counter('connected', 'connections.connected', 'conn', '{connection}', 'TCP connections made'),
  {
    ...counter('loggedIn', 'connections.logged_in', 'in', '{connection}', ''),
    kind: 'gauge',
    help: 'users logged in now, by CONNACK',
  },
  counter('failed', 'connections.failed', 'fail', '{connection}', 'logins that failed'),
  counter('lost', 'connections.lost', 'lost', '{connection}', 'logged-in users cut off'),
  counter('planned', 'messages.planned', 'plan', '{message}', 'messages whose time has come'),
  counter('sent', 'messages.sent', 'sent', '{message}', 'messages sent'),
  counter('acked', 'messages.acked', 'ack', '{message}', 'first check marks: PUBACKs'),
  counter('expected', 'messages.expected', 'due', '{message}', 'deliveries that these should make'),
  counter('received', 'messages.received', 'recv', '{message}', 'deliveries received, each once'),
  counter('receipts', 'messages.receipts', 'rcpt', '{message}', 'second check marks'),
  counter('errors', 'messages.errors', 'err', '{message}', 'planned messages not sent'),
  {
    ...counter('held', 'messages.held', 'held', '{message}', ''),
    kind: 'gauge',
    help: 'messages held back now by connections that take no more',
  },
];

const PERCENTILES: [label: string, percentile: number][] = [
  ['p50', 50],
  ['p99', 99],
  ['p999', 99.9],
  ['max', 100],
];

const TIMING_HELP: Record<TimingName, string> = {
  latency: 'from the intended send time to reception',
  service: 'from the actual send to reception',
  lateness: 'own delay: from the intended to the actual send',
};

const TARGET = 'wsar.load.connections.target';
const CPU = 'wsar.load.cpu_us';
const COVERAGE = 'wsar.load.coverage';

/** The schema of source `load`. */
export const LOAD_METRICS: MetricDef[] = [
  def(COVERAGE, 'cover', '1', 'gauge', 'part of the hosts of this load that are there'),
  def(TARGET, 'goal', '{connection}', 'gauge', 'users that shall be logged in'),
  ...COUNT_DEFS.map(({ name, short, unit, kind, help }) => def(name, short, unit, kind, help)),
  ...TIMING_NAMES.flatMap((timing) =>
    PERCENTILES.map(([label]) =>
      def(
        `wsar.load.${timing}_us.${label}`,
        `${timing.slice(0, 3)}${label}`,
        'us',
        'gauge',
        `${label} of this second: ${TIMING_HELP[timing]}`,
      ),
    ),
  ),
  def(CPU, 'cpu', 'us', 'counter', 'CPU time of the generator, user and system'),
];

/** What a row is made of, beside its tick. */
export interface LoadSecond {
  target: number;
  /** Part of the hosts that are there: 1 with one host. */
  coverage: number;
  counts: Counts;
  timings: Timings;
  cpuUs: number;
  intervalUs: number;
}

export function loadRow(tick: Tick, second: LoadSecond): Row {
  const values: Record<string, MetricValue> = {
    [TARGET]: second.target,
    [COVERAGE]: second.coverage,
  };
  for (const { name, field } of COUNT_DEFS) values[name] = second.counts[field];
  const histograms: Record<string, string> = {};
  for (const timing of TIMING_NAMES) {
    const histogram = second.timings[timing];
    for (const [label, percentile] of PERCENTILES) {
      const us = histogram.percentile(percentile);
      values[`wsar.load.${timing}_us.${label}`] = Number.isNaN(us) ? null : us;
    }
    if (histogram.count > 0) histograms[timing] = histogram.encode();
  }
  values[CPU] = second.cpuUs;
  const { index, missedTicks, wallMs } = tick;
  return { wallMs, tick: index, missedTicks, intervalUs: second.intervalUs, values, histograms };
}

function counter(
  field: BoardField,
  name: string,
  short: string,
  unit: string,
  help: string,
): CountDef {
  return { field, name: `wsar.load.${name}`, short, unit, kind: 'counter', help };
}

function def(
  name: string,
  short: string,
  unit: string,
  kind: 'counter' | 'gauge',
  help: string,
): MetricDef {
  return { name, short, unit, kind, help };
}
