// Collections are made while a worker is idle, when one is due, and not again before somebody spoke; and in a running
// server they take the place of those under load.

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import { REACTOR_STAT, REACTOR_STAT_COUNT } from '#core/socket/reactor.ts';
import { readOptions } from '#reference-server/serve-command.ts';
import { Server } from '#reference-server/server.ts';
import { createWorkerStats, STAT } from '#reference-server/statistics/worker-stats.ts';
import { IdleCollector } from '#reference-server/worker/idle-collector.ts';

test('a collection waits for 5 ms of silence and for its interval, and is made once', () => {
  const stats = createWorkerStats();
  const reactorStats = new Float64Array(REACTOR_STAT_COUNT);
  const made: string[] = [];
  const idle = new IdleCollector(stats, reactorStats, ({ type }) => void made.push(type));
  assert.equal(idle.onTurn(1), 0, 'off: nobody is woken');
  idle.set({ gcIdleMs: 100, gcIdleFullS: 1 });
  const speak = (): void => void reactorStats[REACTOR_STAT.rxBytes]!++;
  // The first is a full one: none was ever made.
  assert.equal(idle.onTurn(1_000_000), 5000);
  speak();
  assert.equal(idle.onTurn(1_004_000), 5000, 'somebody spoke: the silence begins anew');
  assert.equal(idle.onTurn(1_008_999), 1);
  assert.deepEqual(made, []);
  assert.equal(idle.onTurn(1_009_000), 0);
  assert.equal(idle.onTurn(1_500_000), 0);
  assert.deepEqual(made, ['major'], 'nobody spoke since: no garbage worth a collection');
  speak();
  assert.equal(idle.onTurn(1_600_000), 5000);
  assert.equal(idle.onTurn(1_605_000), 0);
  speak();
  assert.equal(idle.onTurn(1_620_000), 85_000, 'the interval of the young one');
  assert.equal(idle.onTurn(1_705_000), 0);
  speak();
  idle.onTurn(2_100_000);
  assert.equal(idle.onTurn(2_105_000), 0);
  assert.deepEqual(made, ['major', 'minor', 'minor', 'major']);
  assert.equal(stats[STAT.collectionsIdle], 4);
  idle.set({ gcIdleMs: 0, gcIdleFullS: 0 });
  speak();
  assert.equal(idle.onTurn(9e9), 0);
});

const BURSTS = 100;

interface Bursts {
  server: Server;
  /** Collections that the idle worker made. */
  idle(): number;
  /** Collections under load in BURSTS bursts of 640 KiB of garbage. */
  underLoad(waitsForIdle: boolean): Promise<number>;
}

async function bursts(t: TestContext, given: Record<string, unknown>): Promise<Bursts> {
  const place = { port: [0], host: '127.0.0.1', workers: 1, connections: 100 };
  const server = await Server.start(readOptions({ ...place, ...given }));
  t.after(() => server.stop());
  const { stats } = server.figures[0]!;
  const ann = await mqtt.connectAsync(`mqtt://127.0.0.1:${server.ports[0]}`, { clientId: 'ann' });
  t.after(() => void ann.end(true));
  (ann.stream as unknown as Socket).setNoDelay(true);
  await ann.subscribeAsync('m/ann', { qos: 1 });
  await server.change({ injectAllocBytes: 65_536 });
  const underLoad = (): number => stats[STAT.collections]! - stats[STAT.collectionsIdle]!;
  let delivered = 0;
  return {
    server,
    idle: () => stats[STAT.collectionsIdle]!,
    async underLoad(waitsForIdle) {
      const before = underLoad();
      for (let burst = 0; burst < BURSTS; burst++) {
        const idle = stats[STAT.collectionsIdle]!;
        delivered += 10;
        const messages = Array.from({ length: 10 }, () =>
          ann.publishAsync('m/ann', '', { qos: 1 }),
        );
        await Promise.all(messages);
        await until(() => stats[STAT.delivered]! >= delivered);
        if (waitsForIdle) await until(() => stats[STAT.collectionsIdle]! > idle);
      }
      await settled(() => stats[STAT.collections]!);
      return underLoad() - before;
    },
  };
}

/** Resolves when a worker has been told of all its collections, which it is when it is back in libuv. */
async function settled(count: () => number): Promise<void> {
  for (let seen = -1; seen !== count(); ) {
    seen = count();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test('gc.idle: collections are made between bursts, and hardly any are left under load', async (t) => {
  const { server, idle, underLoad } = await bursts(t, { young: 1 });
  const plain = await underLoad(false);
  assert.equal(idle(), 0);
  await server.change({ gcIdleMs: 1 });
  const left = await underLoad(true);
  t.diagnostic(`under load: ${plain} collections, ${left} with gc.idle and ${idle()} idle ones`);
  assert.ok(idle() >= BURSTS, `${idle()} idle ones`);
  assert.ok(left * 2 < plain, `${left} under load with gc.idle, ${plain} without`);
});

test('--young: a larger young generation is full more rarely', async (t) => {
  // One after the other: the flag is one for all threads that start.
  const small = await (await bursts(t, { young: 1 })).underLoad(false);
  const large = await (await bursts(t, { young: 32 })).underLoad(false);
  t.diagnostic(`collections of 62 MiB of garbage: ${small} with 1 MiB, ${large} with 32`);
  assert.ok(large * 2 < small, `${large} with 32 MiB, ${small} with 1`);
});
