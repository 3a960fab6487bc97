// The figures of a step from the rows of its time. Pure.

import type { Row } from '#core/metric/row.ts';
import type { LadderStep, LoginSlice } from '#dashboards/report/ladder-record.ts';
import { mergedHistogram, rise } from '#lab/statistics/block-metric.ts';

export interface StepRows {
  server: readonly Row[];
  load: readonly Row[];
  host: readonly Row[];
}

type LoginFigures = Pick<
  LadderStep,
  'loginsPerS' | 'loginSlices' | 'serverCpuUsPerLogin' | 'loadCpuUsPerLogin'
>;
type HoldFigures = Pick<
  LadderStep,
  | 'sentPerS'
  | 'deliveredPerS'
  | 'serverCpuUsPerMessage'
  | 'loadCpuUsPerMessage'
  | 'latencyUs'
  | 'latenessUsP99'
  | 'queueLengthMax'
>;

/** Seconds of logins below which their rate says nothing: rows come once a second. */
const LOGIN_SECONDS_MIN = 3;
export const SLICE_USERS = 100_000;

/** `rows`: from the start of the generator to the row in which everybody was in. */
export function loginFigures({ server, load }: StepRows, users: number): LoginFigures {
  const loggedIn = load.map(({ values }) => values['wsar.load.connections.logged_in'] ?? 0);
  // The first second may have begun in its middle, and the last one ends in its middle.
  const first = loggedIn.findIndex((count) => count > 0);
  const last = loggedIn.findLastIndex((count) => count < users);
  const seconds = first === -1 || last <= first ? 0 : spanS(load[first]!, load[last]!);
  const count = seconds === 0 ? 0 : loggedIn[last]! - loggedIn[first]!;
  // 0 is no measurement: they were in before a second row came.
  const perLogin = (us: number | null): number | null =>
    us === null || us === 0 ? null : us / users;
  return {
    loginsPerS: seconds < LOGIN_SECONDS_MIN ? null : count / seconds,
    loginSlices: loginSlices(
      load.map(({ wallMs }) => wallMs),
      loggedIn,
    ),
    serverCpuUsPerLogin: perLogin(rise(server, 'wsar.server.cpu_us')),
    loadCpuUsPerLogin: perLogin(rise(load, 'wsar.load.cpu_us')),
  };
}

/** `rows`: of the hold, its first row standing for the second before it. */
export function holdFigures({ server, load }: StepRows): HoldFigures {
  const delivered = rise(server, 'wsar.server.messages.delivered');
  const perMessage = (us: number | null): number | null =>
    us === null || delivered === null || delivered === 0 ? null : us / delivered;
  const sent = rise(load, 'wsar.load.messages.sent');
  const latency = mergedHistogram(load.slice(1), 'latency');
  const lateness = mergedHistogram(load.slice(1), 'lateness');
  const at = (percent: number): number | null =>
    latency.count === 0 ? null : latency.percentile(percent);
  const queued = server.map(({ values }) => values['wsar.server.queue.length'] ?? 0);
  return {
    sentPerS: perSecond(sent, load),
    deliveredPerS: perSecond(delivered, server),
    serverCpuUsPerMessage: perMessage(rise(server, 'wsar.server.cpu_us')),
    loadCpuUsPerMessage: perMessage(rise(load, 'wsar.load.cpu_us')),
    latencyUs: {
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      max: latency.count ? latency.max : null,
    },
    latenessUsP99: lateness.count === 0 ? null : lateness.percentile(99),
    queueLengthMax: queued.length === 0 ? null : queued.reduce((most, now) => Math.max(most, now)),
  };
}

/** How long every 100,000 logins took: between two rows they are taken to be spread evenly. */
function loginSlices(wallMs: readonly number[], loggedIn: readonly number[]): LoginSlice[] {
  const slices: LoginSlice[] = [];
  const first = loggedIn.findIndex((count) => count > 0);
  let beganMs = first > 0 ? wallMs[first - 1]! : Number.NaN;
  for (let row = Math.max(1, first); row < loggedIn.length; row++) {
    const [before, now] = [loggedIn[row - 1]!, loggedIn[row]!];
    for (;;) {
      const goal = (slices.length + 1) * SLICE_USERS;
      if (now < goal) break;
      const share = (goal - before) / (now - before);
      const atMs = wallMs[row - 1]! + share * (wallMs[row]! - wallMs[row - 1]!);
      slices.push({ users: goal, seconds: (atMs - beganMs) / 1000 });
      beganMs = atMs;
    }
  }
  return slices.filter(({ seconds }) => Number.isFinite(seconds));
}

function perSecond(count: number | null, rows: readonly Row[]): number | null {
  return count === null || rows.length < 2 ? null : count / spanS(rows[0]!, rows.at(-1)!);
}

function spanS(first: Row, last: Row): number {
  return (last.wallMs - first.wallMs) / 1000;
}
