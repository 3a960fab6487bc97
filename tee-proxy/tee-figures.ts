// The figures of a tee: what each metric is called, what it means, and how it is read from the shared
// counters. All counters are cumulative since the start. For every shadow, at any time:
//   offered = sent + queued + shed        sampled = live + completed + shed connections

import type { MetricDef } from '#core/metric/row.ts';
import { SHED_REASONS } from '#tee-proxy/shed-reason.ts';
import { PLANE, PRODUCTION, SHADOW, type TeeMemory } from '#tee-proxy/tee-memory.ts';

/** What the process has used. */
export interface ProcessFigures {
  cpuUs: number;
  rssBytes: number;
}

export interface TeeMetric extends MetricDef {
  read(memory: TeeMemory, process: ProcessFigures): number;
}

/** One shadow in the summary. */
export interface ShadowFigures {
  sentBytes: number;
  shedBytes: number;
  discardedBytes: number;
  attempts: number;
  completed: number;
  breakerTrips: number;
  shedConnections: Record<string, number>;
}

const sumOf = (blocks: Float64Array[], index: number): number =>
  blocks.reduce((sum, block) => sum + block[index]!, 0);
const production =
  (index: number) =>
  (memory: TeeMemory): number =>
    sumOf(memory.production, index);
const shadow =
  (index: number) =>
  (memory: TeeMemory): number =>
    sumOf(memory.shadow, index);

/** Bytes that were chosen for copying, for all shadows together. */
function offeredBytes(memory: TeeMemory): number {
  return sumOf(memory.production, PRODUCTION.offeredBytes) * memory.shadow.length;
}

/** What waits in the rings counts once for each shadow. */
function queuedBytes(memory: TeeMemory): number {
  const offered = sumOf(memory.production, PRODUCTION.offeredBytes);
  const skipped = sumOf(memory.production, PRODUCTION.skippedBytes);
  const taken = memory.plane.subarray(PLANE.takenBytes).reduce((sum, bytes) => sum + bytes, 0);
  // The three are read one after the other while they move.
  const inRings = Math.max(0, offered - skipped - taken);
  return inRings * memory.shadow.length + memory.plane[PLANE.queuedBytes]!;
}

function sentBytes(memory: TeeMemory): number {
  const handed = sumOf(memory.shadow, SHADOW.handedBytes) - sumOf(memory.shadow, SHADOW.lostBytes);
  return Math.max(0, handed - memory.plane[PLANE.queuedBytes]!);
}

function shedBytes(memory: TeeMemory): number {
  const skipped = sumOf(memory.production, PRODUCTION.skippedBytes) * memory.shadow.length;
  return (
    skipped + sumOf(memory.shadow, SHADOW.droppedBytes) + sumOf(memory.shadow, SHADOW.lostBytes)
  );
}

/** Copies given up for the reason of this index: on the production side, and at the shadows. */
function shedFor(memory: TeeMemory, index: number): number {
  return (
    sumOf(memory.production, PRODUCTION.shed + index) + sumOf(memory.shadow, SHADOW.shed + index)
  );
}

function shedConnections(memory: TeeMemory): number {
  return SHED_REASONS.reduce((sum, _, index) => sum + shedFor(memory, index), 0);
}

const counter = (
  name: string,
  short: string,
  unit: string,
  help: string,
  read: TeeMetric['read'],
): TeeMetric => ({ name: `wsar.tee.${name}`, short, unit, kind: 'counter', help, read });
const gauge = (...args: Parameters<typeof counter>): TeeMetric => ({
  ...counter(...args),
  kind: 'gauge',
});

const CONN = '{connection}';

export const TEE_METRICS: TeeMetric[] = [
  gauge('connections', 'conn', CONN, 'client connections now', production(PRODUCTION.connections)),
  counter('accepted', 'acc', CONN, 'client connections taken', production(PRODUCTION.accepted)),
  counter(
    'refused_full',
    'full',
    CONN,
    'clients reset because the table of connections was full',
    production(PRODUCTION.refusedFull),
  ),
  counter(
    'upstream_failed',
    'upfail',
    CONN,
    'clients reset because the upstream could not be reached',
    production(PRODUCTION.upstreamFailed),
  ),
  counter(
    'rx_bytes',
    'rx',
    'By',
    'bytes of clients to the upstream',
    production(PRODUCTION.rxBytes),
  ),
  counter(
    'tx_bytes',
    'tx',
    'By',
    'bytes of the upstream to clients',
    production(PRODUCTION.txBytes),
  ),
  counter(
    'pauses.client',
    'pcli',
    '{pause}',
    'pauses of an upstream whose client reads too slowly',
    production(PRODUCTION.pausesForClient),
  ),
  counter(
    'pauses.upstream',
    'pups',
    '{pause}',
    'pauses of a client whose upstream reads too slowly',
    production(PRODUCTION.pausesForUpstream),
  ),
  counter(
    'output_overflows',
    'ovfl',
    CONN,
    'production connections cut against all bounds: always 0',
    production(PRODUCTION.outputOverflows),
  ),
  gauge('share', 'share', '1', 'share of connections that is copied', (memory) => memory.share[0]!),
  gauge('shadow.connections', 'sconn', CONN, 'shadow connections now', shadow(SHADOW.connections)),
  counter(
    'shadow.sampled',
    'smpl',
    CONN,
    'client connections chosen for copying',
    production(PRODUCTION.sampled),
  ),
  counter(
    'shadow.completed',
    'sdone',
    CONN,
    'copies that got everything and were finished by their shadow too',
    shadow(SHADOW.completed),
  ),
  counter('shadow.offered_bytes', 'soffr', 'By', 'bytes chosen for copying', offeredBytes),
  counter('shadow.sent_bytes', 'ssent', 'By', 'bytes that shadows took', sentBytes),
  counter(
    'shadow.shed_bytes',
    'sshed',
    'By',
    'bytes not copied because a copy was given up',
    shedBytes,
  ),
  gauge('shadow.queued_bytes', 'sque', 'By', 'bytes waiting for shadows', queuedBytes),
  counter(
    'shadow.discarded_bytes',
    'sansw',
    'By',
    'answers of shadows, read and thrown away',
    shadow(SHADOW.discardedBytes),
  ),
  gauge('shadow.breakers_open', 'sbrk', '1', 'shadows not tried now', shadow(SHADOW.breakerOpen)),
  counter(
    'shadow.breaker_trips',
    'strip',
    '1',
    'times a circuit breaker opened',
    shadow(SHADOW.breakerTripped),
  ),
  counter('shadow.shed_connections', 'shedc', CONN, 'copies given up', shedConnections),
  ...SHED_REASONS.map((reason, index) =>
    counter(
      `shadow.shed_connections.${reason}`,
      reason.slice(0, 6),
      CONN,
      `copies given up: ${reason}`,
      (memory) => shedFor(memory, index),
    ),
  ),
  counter('cpu_us', 'cpu', 'us', 'CPU of the process, user and system', (_, { cpuUs }) => cpuUs),
  counter(
    'production.cpu_us',
    'pcpu',
    'us',
    'CPU of the production threads',
    production(PRODUCTION.cpuUs),
  ),
  counter(
    'shadow.cpu_us',
    'scpu',
    'us',
    'CPU of the shadow thread',
    (memory) => memory.plane[PLANE.cpuUs]!,
  ),
  gauge('rss', 'rss', 'By', 'resident memory of the process', (_, { rssBytes }) => rssBytes),
];

/** All figures by metric name. */
export function readFigures(memory: TeeMemory, process: ProcessFigures): Record<string, number> {
  return Object.fromEntries(TEE_METRICS.map(({ name, read }) => [name, read(memory, process)]));
}

/** One shadow's figures at the end, when nothing waits any more. */
export function readShadow(memory: TeeMemory, index: number): ShadowFigures {
  const counters = memory.shadow[index]!;
  const skipped = sumOf(memory.production, PRODUCTION.skippedBytes);
  const shed = SHED_REASONS.map((reason, at) => {
    const before = sumOf(memory.production, PRODUCTION.shed + at) / memory.shadow.length;
    return [reason, before + counters[SHADOW.shed + at]!] as const;
  });
  return {
    sentBytes: counters[SHADOW.handedBytes]! - counters[SHADOW.lostBytes]!,
    shedBytes: skipped + counters[SHADOW.droppedBytes]! + counters[SHADOW.lostBytes]!,
    discardedBytes: counters[SHADOW.discardedBytes]!,
    attempts: counters[SHADOW.attempts]!,
    completed: counters[SHADOW.completed]!,
    breakerTrips: counters[SHADOW.breakerTripped]!,
    shedConnections: Object.fromEntries(shed.filter(([, count]) => count > 0)),
  };
}
