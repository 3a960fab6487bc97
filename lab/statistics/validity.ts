// Is a block fit to be judged? Looked at before anybody sees an effect: a block in which the generator
// was late, the host was busy with something else or rows are missing measures that, and not the knob.
// A flawed block is kept in the record with its flaws, and its pair is run again (a bounded number of
// times); it is never dropped silently.

import type { Row } from '#core/metric/row.ts';
import { type BlockRows, mergedHistogram, rise } from '#lab/statistics/block-metric.ts';

export interface ValidityLimits {
  /** Generator lateness, 99th percentile of the block, ms. */
  latenessP99MsMax: number;
  /** CPU time the hypervisor gave to others, ratio of all CPU time. */
  stealRatioMax: number;
  /** CPU time taken by anything but server and generator, ratio of all CPU time. */
  othersRatioMax: number;
  /** How far a fixed calculation may be off its usual time, ratio. */
  spinOffRatioMax: number;
  /** Packets the kernel dropped between device and protocol. */
  softnetDropsMax: number;
  /** Sent messages that may miss against the plan, ratio. */
  sentShortRatioMax: number;
}

/** What one block looked like to the checks; null where the host or a part does not tell. */
export interface BlockCircumstances {
  missingRows: number;
  latenessP99Ms: number | null;
  stealRatio: number | null;
  othersRatio: number | null;
  spinOffRatio: number | null;
  softnetDrops: number | null;
  sentShortRatio: number | null;
  /** Knob turns by somebody else, or a knob that reads back another value than the block's. */
  foreignTurns: number;
  /** Users that were not logged in at the end of the block. */
  lostSessions: number;
}

/** One check: its name, its limit, and the value of one block. */
export interface Check {
  name: string;
  what: string;
  unit: string;
  limit: number;
  value: number | null;
}

/** All checks of one block. A value of null cannot be checked here and passes; the report says so. */
export function checksOf(at: BlockCircumstances, limits: ValidityLimits): Check[] {
  const check = (
    name: string,
    what: string,
    unit: string,
    limit: number,
    value: number | null,
  ) => ({
    name,
    what,
    unit,
    limit,
    value,
  });
  const { latenessP99MsMax, softnetDropsMax } = limits;
  const share = (name: string, what: string, limit: number, value: number | null) =>
    check(name, what, '%', limit * 100, value === null ? null : value * 100);
  return [
    check('rows', 'seconds without a row of server or generator', 's', 0, at.missingRows),
    check('lateness', 'generator late, p99', 'ms', latenessP99MsMax, at.latenessP99Ms),
    share('short', 'messages not sent as planned', limits.sentShortRatioMax, at.sentShortRatio),
    share('steal', 'CPU taken by the hypervisor', limits.stealRatioMax, at.stealRatio),
    share('others', 'CPU taken by other programs', limits.othersRatioMax, at.othersRatio),
    share('spin', 'fixed calculation off its usual time', limits.spinOffRatioMax, at.spinOffRatio),
    check('softnet', 'packets dropped by the kernel', '{packet}', softnetDropsMax, at.softnetDrops),
    check('knob', 'knob turned by somebody else', '1', 0, at.foreignTurns),
    check('sessions', 'users not logged in', '{user}', 0, at.lostSessions),
  ];
}

/** The checks that failed, as sentences; empty when the block is fit. */
export function flawsOf(checks: readonly Check[]): string[] {
  return checks
    .filter(({ value, limit }) => value !== null && value > limit)
    .map(({ what, value, limit, unit }) => {
      const mark = unit === '1' || unit.startsWith('{') ? '' : ` ${unit}`;
      return `${what}: ${tidy(value!)}${mark}, at most ${tidy(limit)}${mark}`;
    });
}

/** What the rows of a block tell about its circumstances. */
export function circumstancesFromRows(
  rows: BlockRows & { host: readonly Row[] },
  seconds: number,
  cpus: number,
): Omit<BlockCircumstances, 'spinOffRatio' | 'foreignTurns' | 'lostSessions'> {
  const missing = (list: readonly Row[]): number => Math.max(0, seconds + 1 - list.length);
  const lateness = mergedHistogram(rows.load, 'lateness');
  const planned = rise(rows.load, 'wsar.load.messages.planned');
  const sent = rise(rows.load, 'wsar.load.messages.sent');
  // The first row stands for the second before the block.
  const host = rows.host.slice(1);
  const drops = valuesOf(host, SOFTNET_DROPS);
  return {
    missingRows: Math.max(missing(rows.server), missing(rows.load)),
    latenessP99Ms: lateness.count === 0 ? null : lateness.percentile(99) / 1000,
    stealRatio: mean(valuesOf(host, STEAL)),
    othersRatio: othersRatio(rows, mean(valuesOf(host, BUSY)), seconds, cpus),
    softnetDrops: drops.length === 0 ? null : Math.round(sum(drops)),
    sentShortRatio:
      planned === null || sent === null || planned === 0 ? null : Math.max(0, 1 - sent / planned),
  };
}

/** Share of all CPU time that neither server nor generator used; the parts of the lab count as others. */
function othersRatio(
  { server, load }: BlockRows,
  busyRatio: number | null,
  seconds: number,
  cpus: number,
): number | null {
  const serverUs = rise(server, 'wsar.server.cpu_us');
  const loadUs = rise(load, 'wsar.load.cpu_us');
  if (busyRatio === null || serverUs === null || loadUs === null) return null;
  return Math.max(0, busyRatio - (serverUs + loadUs) / (seconds * 1e6 * cpus));
}

/** Metrics of the collector: shares of all CPU time, and packets a second. */
const BUSY = 'system.cpu.utilization';
const STEAL = 'system.cpu.utilization{cpu.mode=steal}';
const SOFTNET_DROPS = 'network.linux.softnet.dropped';
export const HOST_METRICS: readonly string[] = [BUSY, STEAL, SOFTNET_DROPS];

function valuesOf(rows: readonly Row[], name: string): number[] {
  return rows.flatMap(({ values }) => values[name] ?? []);
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function tidy(value: number): string {
  return String(Number(value.toPrecision(3)));
}
