// What must not lose a message: a storm of take-overs, and a server that stands still for seconds under load.
// Every message that was acknowledged arrives, what arrives twice is marked, and the order of each sender is kept.

import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { describe, test } from 'node:test';
import mqtt, { type MqttClient, type OnMessageCallback } from 'mqtt';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { startServer } from '#reference-server/test/running-server.ts';
import { startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const RECEIVERS = 12;
const TAKE_OVERS = 15;
const FROZEN_MS = 5000;

/** What one receiver got, over all of its connections. */
interface Received {
  number: number;
  /** Of which login of its receiver. */
  login: number;
  isDup: boolean;
}

/** `onMessage` is there before the first packet is. */
async function connect(
  url: string,
  clientId: string,
  clean: boolean,
  onMessage: OnMessageCallback = () => {},
): Promise<MqttClient> {
  const client = mqtt.connect(url, { clientId, clean, reconnectPeriod: 0, keepalive: 0 });
  client.on('message', onMessage).on('error', () => {});
  await once(client as unknown as EventEmitter, 'connect');
  return client;
}

describe('storms', { concurrency: 2 }, () => {
  test(`${RECEIVERS} users log in ${TAKE_OVERS} times over themselves while they are written to`, async (t) => {
    const { engine } = chooseEngine('auto');
    const { url } = await startServer(t, ['--lab', '--workers', '2', '--engine', engine]);
    const received = Array.from({ length: RECEIVERS }, () => [] as Received[]);
    const clients: MqttClient[] = [];
    t.after(() => {
      for (const client of clients) client.end(true);
    });
    const login = async (index: number, login: number): Promise<void> => {
      const client = await connect(url, `storm-${index}`, false, (_topic, payload, packet) => {
        received[index]!.push({ number: Number(payload.toString()), login, isDup: packet.dup });
      });
      clients.push(client);
    };
    for (let index = 0; index < RECEIVERS; index++) {
      await login(index, 0);
      await clients.at(-1)!.subscribeAsync(`m/storm-${index}`, { qos: 1 });
    }
    const sender = await connect(url, 'storm-sender', true);
    clients.push(sender);
    const acknowledged = new Array<number>(RECEIVERS).fill(0);
    let isOver = false;
    // One after the other to each receiver, so that the order of the acknowledged ones is known.
    const writing = Array.from({ length: RECEIVERS }, async (_, index) => {
      for (let number = 1; !isOver; number++) {
        await sender.publishAsync(`m/storm-${index}`, String(number), { qos: 1 });
        acknowledged[index] = number;
      }
    });
    for (let round = 1; round <= TAKE_OVERS; round++) {
      await Promise.all(received.map((_, index) => login(index, round)));
    }
    isOver = true;
    await Promise.all(writing);
    const isWhole = (index: number): boolean =>
      new Set(received[index]!.map(({ number }) => number)).size === acknowledged[index];
    const startMs = performance.now();
    while (!acknowledged.every((_, index) => isWhole(index))) {
      assert.ok(performance.now() - startMs < 20_000, 'everything arrives');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    for (const [index, all] of received.entries()) assertHonest(all, acknowledged[index]!);
    const again = received.flat().filter(({ isDup }) => isDup).length;
    const sent = acknowledged.reduce((sum, count) => sum + count, 0);
    t.diagnostic(
      `${sent} messages, ${RECEIVERS * TAKE_OVERS} take-overs, ${again} marked as sent again, all there ` +
        `${(performance.now() - startMs).toFixed(0)} ms after the storm`,
    );
  });

  test(`a server that stands still for ${FROZEN_MS} ms under load loses nothing and recovers`, async (t) => {
    const { engine } = chooseEngine('auto');
    const server = await startServer(t, ['--lab', '--workers', '2', '--engine', engine]);
    const load = startLoad(t, server.url, [
      ...UNHURRIED,
      ...['--drain', '30s'],
      ...['--connections', '300', '--rate', '300/s', '--duration', '8s', '--engine', engine],
    ]);
    await server.values((value) => value('messages.delivered') > 300);
    const { pid } = server.command.child;
    process.kill(pid!, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, FROZEN_MS));
    process.kill(pid!, 'SIGCONT');
    assert.equal(await load.exit(), 0, load.stderr());
    const { connections, messages, latencyUs } = summaryOf(load);
    assert.deepEqual([connections.failed, connections.lost], [0, 0]);
    assert.deepEqual(
      [messages.sent, messages.acked, messages.received, messages.lost],
      [...Array(3).fill(messages.planned), 0],
    );
    assert.ok(latencyUs.max >= FROZEN_MS * 700, 'the stand-still is in the latencies');
    const values = await server.values((value) => value('sessions') === 0, 'new');
    assert.equal(values['wsar.server.queue.length'], 0);
    t.diagnostic(
      `${messages.planned} messages, none lost; longest ${(latencyUs.max / 1e6).toFixed(2)} s of ` +
        `${FROZEN_MS / 1000} s standing still`,
    );
  });
});

/**
 * All of 1..count came; the first copies in order; every further copy marked. In the order of logins: what was
 * sent on an old connection may be read after what was sent on the new one.
 */
function assertHonest(received: Received[], count: number): void {
  const all = received.toSorted((a, b) => a.login - b.login);
  const seen = new Set<number>();
  let highest = 0;
  for (const { number, isDup } of all) {
    if (seen.has(number)) assert.ok(isDup, `${number} came twice and is not marked`);
    else {
      assert.equal(number, highest + 1, 'in order');
      highest = number;
    }
    seen.add(number);
  }
  assert.equal(highest, count);
}
