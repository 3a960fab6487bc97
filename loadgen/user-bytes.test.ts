// What a user costs in tables, counted and not measured: the arrays of a worker for 50,000 and for 100,000 users, with
// the default population, its sessions under way. Only a few of them log in; a table is as large as all.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createHostClock } from '#core/clock/host-clock.ts';
import { enterOwnNamespace, stackObstacle } from '#core/socket/stack/test/own-namespace.ts';
import { wake } from '#core/socket/waker.ts';
import { planRoute } from '#loadgen/load-route.ts';
import { LoadSettings } from '#loadgen/load-settings.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { PHASE, RunControl } from '#loadgen/run-control.ts';
import { fillIn } from '#loadgen/scenario/fill-in.ts';
import { scenario as oneToOne } from '#loadgen/scenario/one-to-one.ts';
import type { Scenario } from '#loadgen/scenario/scenario.ts';
import { scenario as whatsapp } from '#loadgen/scenario/whatsapp-2014.ts';
import { parseTarget, resolveTarget } from '#loadgen/target.ts';
import type { CountedTables } from '#loadgen/test/count-tables.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { BOARD } from '#loadgen/worker-board.ts';
import { planWorkers, type WorkerMessage } from '#loadgen/worker-plan.ts';

const noStack = stackObstacle();
if (noStack === false) enterOwnNamespace();

const USERS = 50_000;
/** A user of the default population, with either engine; and a plain one of engine stack. */
const BYTES_MAX = 128;
const PLAIN_BYTES_MAX = 96;
/** Borrowed while bytes are on their way, last given back first: memory for as many as ever were at once. */
const POOLS = /flights\.ts|sack-scoreboard\.ts|send-queue\.ts/;

/** Tables of a worker for so many users, by place. */
async function tablesOf(t: TestContext, engine: string, scenario: Scenario, users: number) {
  const broker = await startFakeBroker(t);
  const given = {
    ...{ target: [parseTarget(broker.url)], connections: users, duration: 60_000 },
    ...{ engine, workers: 1, ramp: 400 },
    ...(scenario.sessionMs === undefined ? {} : { sessionLength: 1000, away: 100 }),
  };
  const options = readOptions(fillIn(given, scenario));
  const target = await resolveTarget(options.target, options.isOwned);
  const control = new RunControl();
  const settings = new LoadSettings(options);
  const route = planRoute(options, target);
  const shared = {
    ...{ control: control.shared, schedule: settings.schedule.shared, live: settings.live.shared },
  };
  const [plan] = planWorkers({ options, target, ...route, run: 1 }, shared);
  const clock = createHostClock();
  settings.begin(clock.monoUs());
  control.endUs = clock.monoUs() + 60e6;
  control.phase = PHASE.steady;
  const worker = new Worker(new URL('./load-worker.ts', import.meta.url), {
    workerData: plan,
    execArgv: ['--import', new URL('./test/count-tables.ts', import.meta.url).href],
  });
  let tables: [string, number][] = [];
  const ended = once(worker, 'exit');
  const started = new Promise<() => void>((resolve, reject) => {
    worker.on('message', (message: WorkerMessage | CountedTables) => {
      if (message.kind === 'started') resolve(() => wake(message.waker));
      else if (message.kind === 'tables') tables = message.tables;
      else if (message.kind === 'failed') reject(new Error(message.message));
    });
    worker.on('error', reject);
  });
  const wakeUp = await started;
  const { board } = plan!;
  // Who has left waits for his return.
  const hasAll = (): boolean =>
    scenario.sessionMs === undefined ? board[BOARD.ready]! > 50 : board[BOARD.left]! > 20;
  while (!hasAll()) await new Promise<void>((resolve) => clock.after(20, resolve));
  control.phase = PHASE.logout;
  wakeUp();
  await ended;
  return new Map([...tables, ['present', plan!.present.byteLength]]);
}

/** Bytes that each further user costs. */
async function bytesPerUser(t: TestContext, engine: string, scenario: Scenario): Promise<number> {
  const some = await tablesOf(t, engine, scenario, USERS);
  const twice = await tablesOf(t, engine, scenario, 2 * USERS);
  const idle = [...twice].filter(([place]) => !POOLS.test(place));
  const parts = idle.map(([place, bytes]): [string, number] => [
    place,
    (bytes - (some.get(place) ?? 0)) / USERS,
  ]);
  for (const [place, bytes] of parts) if (bytes > 0) t.diagnostic(`${bytes} B: ${place}`);
  const sum = parts.reduce((total, [, bytes]) => total + bytes, 0);
  t.diagnostic(`${engine}, ${scenario.name}: ${sum} B a user`);
  return sum;
}

for (const engine of ['ring', 'stack'] as const) {
  const skip = engine === 'stack' ? noStack : false;
  test(`engine ${engine}: bytes of tables for a user of the default population`, {
    skip,
  }, async (t) => {
    const bytes = await bytesPerUser(t, engine, whatsapp);
    assert.ok(bytes > 80 && bytes <= BYTES_MAX, `${bytes}`);
  });
}

test('engine stack: bytes of tables for a plain user', { skip: noStack }, async (t) => {
  const bytes = await bytesPerUser(t, 'stack', oneToOne);
  assert.ok(bytes > 60 && bytes <= PLAIN_BYTES_MAX, `${bytes}`);
});
