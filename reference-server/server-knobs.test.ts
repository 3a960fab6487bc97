// Every knob of a running server: each takes a value in all workers, gives it back, and stands in the manual; and that
// those of accepting, links and queues do what they say. Knobs of the loops: worker/gather.test.ts; injectors:
// worker/injectors.test.ts; window, mailbox and backlog: serve-command.test.ts; statistics: statistics/.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { KnobValue } from '#core/knob/knob.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { REACTOR_STAT } from '#core/socket/reactor.ts';
import { readOptions } from '#reference-server/serve-command.ts';
import { Server } from '#reference-server/server.ts';
import { SERVER_KNOBS, serverKnobs } from '#reference-server/server-knobs.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { ROOT } from '#scripts/source-tree.ts';
import { skipUnless } from '#test/foreign-part.ts';

interface Turned {
  server: Server;
  turn(name: string, value: KnobValue): Promise<void>;
  /** Of each worker's reactor. */
  of(stat: keyof typeof REACTOR_STAT): number[];
  stat(name: keyof typeof STAT): number;
  client(options: IClientOptions): Promise<MqttClient>;
}

async function start(t: TestContext, given: Record<string, unknown>): Promise<Turned> {
  const engine = chooseEngine('auto').engine;
  const base = { port: [0], host: '127.0.0.1', workers: 2, engine, connections: 1000 };
  const server = await Server.start(readOptions({ ...base, ...given }));
  t.after(() => server.stop());
  const knobs = serverKnobs(server);
  return {
    server,
    async turn(name, value) {
      const knob = knobs.find(({ def }) => def.name === name)!;
      await knob.apply(value);
      assert.equal(await knob.read(), value, name);
    },
    of: (stat) => server.figures.map(({ reactorStats }) => reactorStats[REACTOR_STAT[stat]]!),
    stat: (name) => server.figures.reduce((sum, { stats }) => sum + stats[STAT[name]]!, 0),
    async client(options) {
      const url = `mqtt://127.0.0.1:${server.ports[0]}`;
      const made = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
      t.after(() => void made.end(true));
      return made;
    },
  };
}

/** Opens so many connections at once; resolves when the server has taken them, with how many each worker took. */
async function crowd(t: TestContext, { server, of }: Turned, count: number): Promise<number[]> {
  const before = of('accepted');
  for (let i = 0; i < count; i++) {
    const socket = connect(server.ports[0]!, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => void socket.destroy());
  }
  for (;;) {
    const took = of('accepted').map((accepted, worker) => accepted - before[worker]!);
    if (took.reduce((sum, one) => sum + one, 0) === count) return took;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const isNet = chooseEngine('auto').engine === 'net';
const skip = skipUnless(isNet ? ['io_uring or epoll'] : [], 'see wsar doctor');

describe('knobs', { concurrency: true }, () => {
  test('every one takes another value in all workers, and stands in the manual', async (t) => {
    const { turn } = await start(t, {});
    const manual = readFileSync(join(ROOT, 'docs/tools/serve.md'), 'utf8');
    for (const { name, type, default: first } of SERVER_KNOBS) {
      const isEnum = type.kind === 'enum';
      const isText = type.kind === 'text';
      const other = isEnum
        ? type.values.find((value) => value !== first)!
        : isText
          ? 'other.example:1883'
          : type.min + 1;
      await turn(name, other);
      assert.ok(manual.includes(`\n| \`${name}\` |`), `${name} is in the table of knobs`);
    }
  });

  test('write.delay: answers wait for company, and leave together', async (t) => {
    const turned = await start(t, { workers: 1 });
    const ann = await turned.client({ clientId: 'ann' });
    await turned.turn('write.delay', 60_000);
    const sends = turned.of('sends')[0]!;
    const startMs = performance.now();
    await Promise.all(Array.from({ length: 50 }, () => ann.publishAsync('m/ann', 'x', { qos: 1 })));
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs >= 60, `50 answers after ${tookMs} ms`);
    // They were written one by one; each delay that passed meanwhile may have had a send.
    assert.ok(turned.of('sends')[0]! - sends <= Math.ceil(tookMs / 60));
    await turned.turn('write.delay', 0);
    const before = turned.of('sends')[0]!;
    for (let i = 0; i < 5; i++) await ann.publishAsync('m/ann', 'x', { qos: 1 });
    assert.ok(turned.of('sends')[0]! - before >= 5, 'each answer leaves with its turn again');
  });

  test('accept.workers: new connections go to the first workers only, and back to all', {
    skip,
  }, async (t) => {
    const turned = await start(t, {});
    const all = await crowd(t, turned, 60);
    assert.ok(
      all.every((took) => took > 0),
      `both took some: ${all}`,
    );
    await turned.turn('accept.workers', 1);
    assert.deepEqual(await crowd(t, turned, 60), [60, 0]);
    await turned.turn('accept.workers', 2);
    const random = await crowd(t, turned, 60);
    assert.ok(
      random.every((took) => took > 0),
      `both took some: ${random}`,
    );
    await turned.turn('accept.workers', 0);
    const again = await crowd(t, turned, 60);
    assert.ok(
      again.every((took) => took > 0),
      `both took some: ${again}`,
    );
  });

  test('accept.batch: a turn takes no more than that', { skip }, async (t) => {
    const turned = await start(t, { workers: 1 });
    await turned.turn('accept.batch', 1);
    const turns = turned.of('turns')[0]!;
    await crowd(t, turned, 80);
    const took = turned.of('turns')[0]! - turns;
    assert.ok(took >= 79, `80 connections, ${took} turns`);
    await turned.turn('accept.batch', 0);
    assert.deepEqual(await crowd(t, turned, 80), [80]);
  });

  test('link.wake: the same messages with fewer wake-ups, none lost', async (t) => {
    const turned = await start(t, {});
    const clients = await Promise.all(
      Array.from({ length: 16 }, (_, i) => turned.client({ clientId: `user-${i}` })),
    );
    await Promise.all(clients.map((one, i) => one.subscribeAsync(`m/user-${i}`, { qos: 1 })));
    /** Wake-ups for 16 times 20 messages, one after the other of each user. */
    const wakes = async (): Promise<number> => {
      const before = turned.of('wakes');
      await Promise.all(
        clients.map(async (one, i) => {
          for (let n = 1; n <= 20; n++) {
            await one.publishAsync(`m/user-${(i + n) % 16}`, 'x', { qos: 1 });
          }
        }),
      );
      return turned.of('wakes').reduce((sum, count, at) => sum + count - before[at]!, 0);
    };
    const atOnce = await wakes();
    await turned.turn('link.hold', 10_000);
    await turned.turn('link.wake', 65_536);
    const held = await wakes();
    t.diagnostic(`${atOnce} wake-ups, held ${held}`);
    assert.ok(held < atOnce, `${held} wake-ups, ${atOnce} without`);
    while (turned.stat('delivered') < 640) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(turned.stat('received'), 640);
  });

  test('queue.mailbox_bytes and queue.session: full at the new bound at once', async (t) => {
    const turned = await start(t, { profile: 'conformance' });
    const ann = await turned.client({ clientId: 'ann', protocolVersion: 5 });
    const say = (topic: string, text: string): Promise<unknown> =>
      ann.publishAsync(topic, text, { qos: 1 });
    await turned.turn('queue.mailbox_bytes', 1024);
    await say('m/away', 'x'.repeat(600));
    await assert.rejects(say('m/away', 'x'.repeat(600)), { code: 0x97 });
    await turned.turn('queue.mailbox_bytes', 2048);
    await say('m/away', 'x'.repeat(600));
    const bob = await turned.client({ clientId: 'bob', clean: false });
    await bob.subscribeAsync('news', { qos: 1 });
    await bob.endAsync();
    await turned.turn('queue.session', 3);
    for (let i = 0; i < 5; i++) await say('news', String(i));
    while (turned.stat('queueRefused') < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(turned.stat('queueRefused'), 2);
  });
});
