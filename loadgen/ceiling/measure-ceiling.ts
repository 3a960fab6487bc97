// What the generator itself can do on this host: the highest rate that it keeps on time against a
// server that does nothing (null-server.ts, null-http.ts), with all that is spoken (null-server-worker.ts), and
// engine, payload, workers and lateness rule of the run to come, in messages from one to one. A result of the run
// that comes near the ceiling says as much of the generator as of the target. Clients of engine stack have their
// networks here too.
//
// At http:// targets it is what autocannon answers for in the best second of a closed loop with as many connections.
//
// The null server is a thread of this process, so that both share the cores as a target on this host
// would. Takes HTTP_S at http:// targets; else what the search needs, DURATION_MS at most: 14, 18, 25 and 34 s at load
// averages of 4 to 8 on two cores (every rate that does not hold is tried RETRIES_MAX times more).

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Clock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { parseIpv4 } from '#core/host/ipv4.ts';
import { wake } from '#core/socket/waker.ts';
import type { NullServerPlan, NullServerReady } from '#loadgen/ceiling/null-server-worker.ts';
import { HttpRun } from '#loadgen/http/http-run.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { planRoute } from '#loadgen/load-route.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import { RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';
import type { SearchResult } from '#loadgen/rate-search.ts';
import { SearchDriver } from '#loadgen/search-driver.ts';
import { NO_SLOW_READERS } from '#loadgen/slow-readers.ts';
import { isTls, type ResolvedTarget, type Target } from '#loadgen/target.ts';
import { parseThreshold } from '#loadgen/threshold.ts';

/** Users of the measurement: enough to spread, few enough to be in at once. */
const USERS_MAX = 1000;
const START_PER_S = 2000;
const TICK_MS = 250;
const SETTLE_TICKS = 1;
const STEP_TICKS = 2;
/** With a long --lateness-max a step would be over before anything counts as late. */
const PLANNED_RATIO_MIN = 0.5;
/** Half a second is short beside a stall of a busy machine. */
const RETRIES_MAX = 2;
/** It is a mark to compare with, not a result. */
const RESOLUTION = 1.25;
/** The search ends by then with what it knows. */
const DURATION_MS = 30_000;
/** Seconds of a closed loop of HTTP requests; the first one also compiles autocannon. */
const HTTP_S = 3;
/** A rate holds while messages come through at all; the lateness rule is judged with it. */
const RULE = 'latency.p50 < 1s';

export interface Ceiling {
  ratePerS: number;
  /** What was spoken. */
  protocol: string;
  limitedBy: SearchResult['limitedBy'];
  users: number;
}

export async function measureCeiling(
  given: LoadOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<Ceiling> {
  const { engine, wire, target } = given;
  const { isHttp } = wire;
  const users = isHttp ? given.connections : Math.max(2, Math.min(given.connections, USERS_MAX));
  const over = new SharedArrayBuffer(4);
  const plan: NullServerPlan = {
    connections: users + 64,
    receipts: given.receipts,
    speaks: {
      tls: isTls(target),
      webSocket: wire.webSocket !== undefined,
      echoes: wire.echo !== undefined,
      http: isHttp,
      level: wire.level,
    },
    // Clients without sockets are met by the kernel's.
    engine: engine === 'stack' ? 'auto' : engine,
    over,
  };
  const worker = new Worker(new URL('./null-server-worker.ts', import.meta.url), {
    workerData: plan,
  });
  const ended = once(worker, 'exit');
  const [ready] = (await once(worker, 'message')) as [NullServerReady];
  try {
    const here = targetAt(ready.port, target);
    const found = isHttp
      ? await closedLoop(given, here, clock, signal)
      : await search(ceilingOptions(given, users, here), here, clock, signal);
    return { ...found, users, protocol: wire.text };
  } finally {
    Atomics.store(new Int32Array(over), 0, 1);
    wake(ready.waker);
    await ended;
  }
}

type Found = Pick<Ceiling, 'ratePerS' | 'limitedBy'>;

/** The null server has a certificate of its own. */
function withAnyCertificate({ wire }: LoadOptions): LoadOptions['wire'] {
  const { tls } = wire;
  return tls === undefined ? wire : { ...wire, tls: { ...tls, ca: undefined, isInsecure: true } };
}

function targetAt(port: number, { scheme, path }: Target): ResolvedTarget {
  const host = '127.0.0.1';
  return {
    ...{ text: `${scheme}://${host}:${port}`, scheme, host, port, ports: [port], path },
    ...{ address: parseIpv4(host), isLoopback: true },
  };
}

/** The most answers that came in one second. */
async function closedLoop(
  given: LoadOptions,
  target: ResolvedTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<Found> {
  const options = { ...given, target, ratePerS: 0, durationMs: HTTP_S * 1000 };
  const run = new HttpRun({ clock, options, target, signal, onPhase: () => {} });
  let best = 0;
  let [received, atUs] = [0, clock.monoUs()];
  const stopTicks = startTicker(clock, 1000, ({ monoUs }) => {
    // Less than a second tells little: the first tick comes when the next second begins.
    if (monoUs - atUs < 500_000) return;
    const now = run.counts().received;
    best = Math.max(best, ((now - received) / (monoUs - atUs)) * 1e6);
    [received, atUs] = [now, monoUs];
  });
  try {
    await run.run();
  } finally {
    stopTicks();
  }
  return { ratePerS: Math.round(best), limitedBy: 'generator' };
}

/** The load of a measurement: what is of the population, and of slow people, is no matter of the generator. */
export function ceilingOptions(
  given: LoadOptions,
  users: number,
  target: ResolvedTarget,
): LoadOptions {
  return {
    ...given,
    target,
    wire: withAnyCertificate(given),
    segment: undefined,
    hosts: undefined,
    storms: [],
    people: undefined,
    // Theirs would be a bound of the readers.
    slow: NO_SLOW_READERS,
    sessions: undefined,
    connections: users,
    workers: Math.min(users, given.workers),
    ratePerS: START_PER_S,
    durationMs: DURATION_MS,
    ratePlan: {
      stages: [{ ms: DURATION_MS, fromPerS: START_PER_S, toPerS: START_PER_S }],
      dayMs: undefined,
      spikes: [],
    },
    rampPerS: Number.POSITIVE_INFINITY,
    drainMs: 1000,
  };
}

async function search(
  options: LoadOptions,
  target: ResolvedTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<Found> {
  const run = new LoadRun({
    ...{ clock, options, target, signal, run: randomBytes(4).readUInt32LE() },
    ...planRoute(options, target),
    onPhase: () => {},
  });
  const driver = new SearchDriver({
    rule: parseThreshold(RULE),
    startPerS: START_PER_S,
    rateMaxPerS: RATE_PER_S_MAX,
    settleTicks: SETTLE_TICKS,
    stepTicks: STEP_TICKS,
    resolution: RESOLUTION,
    latenessUsMax: options.latenessUsMax,
    plannedRatioMin: PLANNED_RATIO_MIN,
    retriesMax: RETRIES_MAX,
    setRate: (ratePerS) => run.setRate(ratePerS),
  });
  const done = run.run();
  let isRunning = true;
  const ended = done.finally(() => {
    isRunning = false;
  });
  ended.catch(() => {});
  while (isRunning) {
    await Promise.race([ended, new Promise<void>((resolve) => clock.after(TICK_MS, resolve))]);
    if (!isRunning) break;
    const timings = await run.takeSecond();
    if (run.phase === 'steady') driver.tick(run.counts(), timings, clock.monoUs());
    if (driver.isDone) run.finish();
  }
  await done;
  const { ratePerS, limitedBy } = driver.result();
  return { ratePerS, limitedBy };
}
