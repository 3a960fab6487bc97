// What is done to a step on purpose, and how it gets over it. Times count from the moment when everybody was in.
//
//   storm 10%@20s       a share of the users is cut off at once, and comes back as `return` says
//   spike 35%@20s/5s/10s  more messages for a while: share, start, rise, decay
//   freeze 3s@20s       the server's process stands still (SIGSTOP) for so long
//   freeze 3s@20s/worker  one of its workers does, and the others serve on (knob inject.freeze)
//
// Over it: for three seconds everybody is in, p99 is what it was before and the queue is short again. Pure.

import { parseDurationMs } from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';
import type { Row } from '#core/metric/row.ts';
import type { LadderRecovery } from '#dashboards/report/ladder-record.ts';
import { median } from '#lab/statistics/median.ts';
import { parseSpike } from '#loadgen/rate-plan.ts';
import { parseStorm } from '#loadgen/storm.ts';

/** As in the file; '' = not done. */
export interface Disturbance {
  storm: string;
  returnPolicy: string;
  spike: string;
  freeze: string;
}

export interface Freeze {
  atMs: number;
  forMs: number;
  of: 'process' | 'worker';
}

/** Everybody but the last few, who may be held up by anything. */
const BACK_RATIO = 0.99;
/** Beyond what it was before, and never below this. */
const LATENCY_RATIO = 3;
const LATENCY_US_MIN = 50_000;
/** Messages that a second brings, as a queue that is short. */
const QUEUE_S = 0.2;
const QUEUE_MIN = 10;
/** Rows in a row that must be as before. */
const CALM_ROWS = 3;
/** A server that stands still longer is a server that is gone. */
const FREEZE_MS_MAX = 30_000;

/** '3s@20s', '3s@20s/worker'. Throws WSAR_ERR_USAGE or WSAR_ERR_QUANTITY. */
export function parseFreeze(text: string): Freeze {
  const match = /^\s*([^@/]+)@([^@/]+?)(\/worker)?\s*$/.exec(text);
  if (match === null) {
    const hint = "write it like '3s@20s' or '3s@20s/worker'";
    throw new WsarError('WSAR_ERR_USAGE', `'${text}' is no freeze`, hint);
  }
  const [, forText, atText, worker] = match as unknown as [string, string, string, string?];
  const freeze: Freeze = {
    forMs: parseDurationMs(forText.trim()),
    atMs: parseDurationMs(atText.trim()),
    of: worker === undefined ? 'process' : 'worker',
  };
  if (freeze.forMs > 0 && freeze.forMs <= FREEZE_MS_MAX) return freeze;
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `the server cannot stand still for ${forText}`,
    'give up to 30s',
  );
}

/** When the first of them begins, ms; undefined when nothing is done. */
export function disturbedAtMs({ storm, spike, freeze }: Disturbance): number | undefined {
  const times = [
    ...(storm === '' ? [] : [parseStorm(storm).atMs]),
    ...(spike === '' ? [] : [parseSpike(spike).startMs]),
    ...(freeze === '' ? [] : [parseFreeze(freeze).atMs]),
  ];
  return times.length === 0 ? undefined : Math.min(...times);
}

/** `rows` of the hold; `atWallMs`: when it began. */
export function recoveryOf(
  rows: { server: readonly Row[]; load: readonly Row[] },
  atWallMs: number,
  users: number,
): LadderRecovery {
  const seconds = secondsOf(rows);
  const before = seconds.filter(({ wallMs }) => wallMs <= atWallMs);
  const after = seconds.filter(({ wallMs }) => wallMs > atWallMs);
  const most = (values: readonly (number | null)[]): number =>
    values.reduce<number>((high, value) => Math.max(high, value ?? 0), 0);
  const p99Before = median(before.flatMap(({ p99Us }) => p99Us ?? []));
  const queuedBefore = most(before.map(({ queued }) => queued));
  const perS = median(before.flatMap(({ sentPerS }) => sentPerS ?? []));
  const latencyMax = Math.max(LATENCY_US_MIN, LATENCY_RATIO * (p99Before ?? 0));
  const queueMax = Math.max(QUEUE_MIN, 2 * queuedBefore, QUEUE_S * (perS ?? 0));
  const isCalm = (index: number): boolean => {
    const calm = after.slice(index, index + CALM_ROWS);
    return (
      calm.length === CALM_ROWS &&
      calm.every(
        ({ loggedIn, queued, p99Us }) =>
          loggedIn >= users * BACK_RATIO && queued <= queueMax && (p99Us ?? 0) <= latencyMax,
      )
    );
  };
  const back = after.findIndex((_, index) => isCalm(index));
  return {
    p99UsBefore: p99Before,
    p99UsWorst: after.length === 0 ? null : most(after.map(({ p99Us }) => p99Us)),
    loggedInLeast: after.reduce((least, { loggedIn }) => Math.min(least, loggedIn), users),
    sentPerSMost: after.length === 0 ? null : most(after.map(({ sentPerS }) => sentPerS)),
    queuedBefore,
    queuedWorst: most(after.map(({ queued }) => queued)),
    recoveredS: back === -1 ? null : (after[back]!.wallMs - atWallMs) / 1000,
  };
}

interface Second {
  wallMs: number;
  loggedIn: number;
  queued: number;
  p99Us: number | null;
  sentPerS: number | null;
}

/** Seconds of which both tell; one in which the server stood still has no row of it, and shows in the next. */
function secondsOf({ server, load }: { server: readonly Row[]; load: readonly Row[] }): Second[] {
  const byTime = new Map(server.map((row) => [row.wallMs, row]));
  return load.flatMap((row, index) => {
    const told = byTime.get(row.wallMs);
    if (told === undefined) return [];
    const previous = load[index - 1];
    const sent = (of: Row): number => of.values['wsar.load.messages.sent'] ?? 0;
    return [
      {
        wallMs: row.wallMs,
        loggedIn: row.values['wsar.load.connections.logged_in'] ?? 0,
        queued: told.values['wsar.server.queue.length'] ?? 0,
        p99Us: row.values['wsar.load.latency_us.p99'] ?? null,
        sentPerS:
          previous === undefined
            ? null
            : ((sent(row) - sent(previous)) * 1000) / (row.wallMs - previous.wallMs),
      },
    ];
  });
}
