// What the generator itself can do on this host: the highest rate that it keeps on time against a
// server that does nothing (null-server.ts), with the protocol, engine, payload, workers and lateness
// rule of the run to come, in messages from one to one. What that server does not speak is refused
// (ceiling-reach.ts): a ceiling of something else would mislead. A result of the run that comes near
// the ceiling says as much of the generator as of the target.
//
// The null server is a thread of this process, so that both share the cores as a target on this host
// would. Takes five to ten seconds.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import type { Clock } from '#core/clock/clock.ts';
import { parseIpv4 } from '#core/host/ipv4.ts';
import { wake } from '#core/socket/waker.ts';
import { whyNoCeiling } from '#loadgen/ceiling/ceiling-reach.ts';
import type { NullServerPlan, NullServerReady } from '#loadgen/ceiling/null-server-worker.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { planRoute } from '#loadgen/load-route.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import { RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';
import type { SearchResult } from '#loadgen/rate-search.ts';
import { SearchDriver } from '#loadgen/search-driver.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { parseThreshold } from '#loadgen/threshold.ts';

/** Users of the measurement: enough to spread, few enough to be in at once. */
const USERS_MAX = 1000;
const START_PER_S = 2000;
const TICK_MS = 250;
const SETTLE_TICKS = 1;
const STEP_TICKS = 2;
/** It is a mark to compare with, not a result. */
const RESOLUTION = 1.25;
/** The search ends by then with what it knows. */
const DURATION_MS = 30_000;
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
  const users = Math.max(2, Math.min(given.connections, USERS_MAX));
  const { engine, wire } = given;
  assert(
    whyNoCeiling(given) === undefined,
    'the server that does nothing speaks what the load does',
  );
  const over = new SharedArrayBuffer(4);
  const { receipts } = given;
  const echoes = wire.echo !== undefined;
  const plan: NullServerPlan = { connections: users + 64, receipts, echoes, engine, over };
  const worker = new Worker(new URL('./null-server-worker.ts', import.meta.url), {
    workerData: plan,
  });
  const ended = once(worker, 'exit');
  const [ready] = (await once(worker, 'message')) as [NullServerReady];
  try {
    const found = await search(given, users, ready.port, clock, signal);
    return { ...found, users, protocol: wire.text };
  } finally {
    Atomics.store(new Int32Array(over), 0, 1);
    wake(ready.waker);
    await ended;
  }
}

async function search(
  given: LoadOptions,
  users: number,
  port: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<{ ratePerS: number; limitedBy: SearchResult['limitedBy'] }> {
  const scheme = given.wire.echo === undefined ? 'mqtt' : 'tcp';
  const text = `${scheme}://127.0.0.1:${port}`;
  const target: ResolvedTarget = {
    ...{ text, scheme, host: '127.0.0.1', port, ports: [port], path: '' },
    ...{ address: parseIpv4('127.0.0.1'), isLoopback: true },
  };
  const options: LoadOptions = {
    ...given,
    target,
    segment: undefined,
    hosts: undefined,
    storms: [],
    people: undefined,
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
    latenessUsMax: given.latenessUsMax,
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
