// The metrics of one Node thread, by name, and how they follow from what its agent told.

import type { NodeKey, NodeReport } from '#collector/runtime/node-report.ts';
import { derivedRate, gauge } from '#collector/source/metric-shape.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

const MS_PER_S = 1000;
const NS_PER_S = 1e9;
const D = { decays: true };

interface NodeMetric {
  spec(label: string): MetricSpec;
  /** From the report; NaN: not known. */
  of(report: NodeReport): number;
}

const named = (name: string, label: string, more = ''): string =>
  `${name}{${label}${more === '' ? '' : `,${more}`}}`;

function told(key: NodeKey, scale: number, spec: (label: string) => MetricSpec): NodeMetric {
  return { spec, of: (report) => report.value(key) * scale };
}

/** Active, as a share of the time. */
export function utilizationOf(report: NodeReport): number {
  return report.value('loop_active_ms') / MS_PER_S;
}

/** Share of the time that the thread ran on a CPU. */
export function cpuOf(report: NodeReport): number {
  return report.value('run_ns') / NS_PER_S;
}

/** Share of the time that the loop was active while its thread was not on a CPU. */
export function stallOf(report: NodeReport): number {
  return Math.max(0, utilizationOf(report) - cpuOf(report));
}

/** Share of the time in which garbage was collected. */
export function gcShareOf(report: NodeReport): number {
  const kinds = ['gc_minor_ms', 'gc_major_ms', 'gc_incremental_ms', 'gc_weakcb_ms'] as const;
  return kinds.reduce((sum, kind) => sum + report.value(kind), 0) / MS_PER_S;
}

export function gcCountOf(report: NodeReport): number {
  const kinds = [
    'gc_minor_count',
    'gc_major_count',
    'gc_incremental_count',
    'gc_weakcb_count',
  ] as const;
  return kinds.reduce((sum, kind) => sum + report.value(kind), 0);
}

function share(name: string, short: string, help: string, of: NodeMetric['of']): NodeMetric {
  return { of, spec: (label) => derivedRate(named(name, label), short, '1', help, D) };
}

function delay(which: string, key: NodeKey, short: string, help: string): NodeMetric {
  return told(key, 1 / MS_PER_S, (label) =>
    gauge(named(`nodejs.eventloop.delay.${which}`, label), short, 's', help, D),
  );
}

function collections(kind: 'minor' | 'major' | 'incremental' | 'weakcb'): NodeMetric[] {
  const type = `v8js.gc.type=${kind}`;
  return [
    told(`gc_${kind}_count`, 1, (label) =>
      derivedRate(
        named('v8js.gc.count', label, type),
        'gc/s',
        '{collection}/s',
        `${kind} collections`,
        D,
      ),
    ),
    told(`gc_${kind}_ms`, 1 / MS_PER_S, (label) =>
      derivedRate(
        named('v8js.gc.duration', label, type),
        '%gc',
        '1',
        `share of the time in ${kind} collections`,
      ),
    ),
  ];
}

function bytes(name: string, key: NodeKey, short: string, help: string): NodeMetric {
  return told(key, 1, (label) => gauge(named(name, label), short, 'By', help));
}

/** In the order of their slots. */
export const NODE_METRICS: readonly NodeMetric[] = [
  share(
    'nodejs.eventloop.utilization',
    '%util',
    'share of the time that the loop was active',
    utilizationOf,
  ),
  share('nodejs.linux.cpu', '%cpu', 'share of the time that the thread ran on a CPU', cpuOf),
  share(
    'nodejs.linux.runqueue.wait',
    '%wait',
    'share of the time that it could run but had no CPU',
    (report) => report.value('wait_ns') / NS_PER_S,
  ),
  share(
    'nodejs.linux.stall',
    '%stall',
    'active but not on a CPU: waits for one, a lock, a disk, a child',
    stallOf,
  ),
  delay(
    'p50',
    'delay_p50_ms',
    'lag50',
    'how late the loop comes back to a timer, median of the period',
  ),
  delay('p90', 'delay_p90_ms', 'lag90', '90th of 100'),
  delay('p99', 'delay_p99_ms', 'lag99', '99th of 100'),
  delay('max', 'delay_max_ms', 'lagmx', 'the longest'),
  ...(['minor', 'major', 'incremental', 'weakcb'] as const).flatMap(collections),
  told('gc_pause_max_ms', 1 / MS_PER_S, (label) =>
    gauge(named('v8js.gc.pause.max', label), 'gcmax', 's', 'longest collection of the period', D),
  ),
  told('gc_long_count', 1, (label) =>
    derivedRate(
      named('v8js.gc.long.count', label),
      'long',
      '{collection}/s',
      'collections of 10 ms and more',
    ),
  ),
  told('gc_long_ms', 1, (label) =>
    derivedRate(
      named('v8js.gc.long.time', label),
      'longms',
      'ms/s',
      'time in collections of 10 ms and more',
    ),
  ),
  told('gc_collected_bytes', 1, (label) =>
    derivedRate(
      named('v8js.gc.collected', label),
      'gcB/s',
      'By/s',
      'memory that collections freed; above 50 collections a second estimated from some of the periods',
      D,
    ),
  ),
  bytes('v8js.memory.heap.used', 'heap_used_bytes', 'heap', 'heap in use'),
  bytes('v8js.memory.heap.total', 'heap_total_bytes', 'heapt', 'heap taken from the system'),
  bytes('v8js.memory.heap.limit', 'heap_limit_bytes', 'heapm', 'what the heap may grow to'),
  bytes(
    'nodejs.memory.external',
    'external_bytes',
    'ext',
    'memory outside the heap held by objects in it',
  ),
  bytes('nodejs.memory.rss', 'rss_bytes', 'rss', 'memory of the process; told by its first thread'),
];
