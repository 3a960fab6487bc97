import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt from 'mqtt';
import { type Bus, type BusOptions, connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { publishSource } from '#core/bus/publish-source.ts';
import { topic } from '#core/bus/topic.ts';
import { WsarError } from '#core/errors.ts';
import { ROOT } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { freePort } from '#test/free-port.ts';
import { startMosquitto } from '#test/mosquitto.ts';

interface Broker {
  url: string;
  /** Gone as if killed. */
  stop(): Promise<void>;
}

async function embedded(t: TestContext): Promise<Broker> {
  const bus = await startEmbeddedBus();
  t.after(() => bus.close());
  return { url: bus.url, stop: bus.close };
}

async function mosquitto(t: TestContext): Promise<Broker> {
  const broker = await startMosquitto(t);
  return { url: broker.url, stop: broker.kill };
}

async function connect(t: TestContext, url: string, options?: Partial<BusOptions>): Promise<Bus> {
  const bus = await connectBus(url, { clientId: 'test', ...options });
  t.after(() => bus.close());
  return bus;
}

/** Messages of a filter as they come; `take` waits for so many. */
async function listen(bus: Bus, filter: string) {
  const got: [string, unknown][] = [];
  let wake = (): void => {};
  await bus.subscribe(filter, (name, value) => {
    got.push([name, value]);
    wake();
  });
  return {
    got,
    async take(count: number): Promise<[string, unknown][]> {
      while (got.length < count) await new Promise<void>((resolve) => (wake = resolve));
      return got.splice(0, count);
    },
  };
}

const BROKERS = [
  { name: 'embedded', start: embedded, skip: false as const },
  { name: 'mosquitto', start: mosquitto, skip: needPrograms('mosquitto') },
];

for (const { name, start, skip } of BROKERS) {
  describe(`bus on ${name}`, { skip }, () => {
    test('values reach every subscriber, in order, and nobody else', async (t) => {
      const { url } = await start(t);
      const [sender, one, two] = await Promise.all([
        connect(t, url),
        connect(t, url),
        connect(t, url),
      ]);
      const all = await listen(one, 'wsar/lab/+/+/row');
      const other = await listen(two, 'wsar/other/#');
      for (let index = 0; index < 100; index++) {
        sender.publish(topic.row('lab', 'h', 'host'), { index, text: 'é\n"' }, { qos: 1 });
      }
      const rows = await all.take(100);
      assert.deepEqual(
        rows.map(([, value]) => (value as { index: number }).index),
        Array.from({ length: 100 }, (_, index) => index),
      );
      assert.deepEqual(rows[0], ['wsar/lab/h/host/row', { index: 0, text: 'é\n"' }]);
      assert.equal(other.got.length, 0);
      assert.equal(sender.dropped, 0);
    });

    test('a retained value waits for late subscribers until it is cleared', async (t) => {
      const { url } = await start(t);
      const bus = await connect(t, url);
      const source = publishSource(bus, { lab: 'lab', host: 'h', source: 'host', metrics: [] });
      source.event({ wallMs: 1, kind: 'note', text: 'after the schema' });
      const late = await listen(await connect(t, url), 'wsar/lab/#');
      const [first] = await late.take(1);
      assert.deepEqual(first, [
        'wsar/lab/h/host/schema',
        { source: 'host', host: 'h', metrics: [] },
      ]);
      bus.publish(topic.schema('lab', 'h', 'host'), undefined, { retain: true, qos: 1 });
      bus.publish('wsar/lab/fence', 1, { qos: 1 });
      assert.deepEqual(await late.take(1), [['wsar/lab/fence', 1]]);
      const later = await listen(await connect(t, url), 'wsar/lab/#');
      bus.publish('wsar/lab/fence', 2, { qos: 1 });
      assert.deepEqual(await later.take(1), [['wsar/lab/fence', 2]]);
    });

    test('what is no JSON is counted and not delivered', async (t) => {
      const { url } = await start(t);
      const bus = await connect(t, url);
      const messages = await listen(bus, 'wsar/x');
      const foreign = await mqtt.connectAsync(url);
      t.after(() => foreign.endAsync());
      await foreign.publishAsync('wsar/x', 'no json {', { qos: 1 });
      await foreign.publishAsync('wsar/x', Buffer.from([0xff, 0, 1]), { qos: 1 });
      await foreign.publishAsync('wsar/x', '[1]', { qos: 1 });
      assert.deepEqual(await messages.take(1), [['wsar/x', [1]]]);
      assert.equal(bus.malformed, 2);
    });

    test('the will speaks for a killed process and not for one that closed', async (t) => {
      const { url } = await start(t);
      const gone = await listen(await connect(t, url), 'wsar/lab/agent/+/gone');
      const script = `
        import { connectBus } from '#core/bus/bus.ts';
        const [id, end] = process.argv.slice(-2);
        const will = { topic: 'wsar/lab/agent/' + id + '/gone', value: { id } };
        const bus = await connectBus(${JSON.stringify(url)}, { clientId: id, will });
        if (end === 'close') await bus.close();
        else process.kill(process.pid, 'SIGKILL');`;
      for (const [id, end] of [
        ['a', 'close'],
        ['b', 'kill'],
      ]) {
        const flags = ['--input-type=module', '-e', script, id!, end!];
        const child = spawn(process.execPath, flags, { cwd: ROOT, stdio: 'inherit' });
        t.after(() => void child.kill('SIGKILL'));
        await once(child, 'exit');
      }
      assert.deepEqual(await gone.take(1), [['wsar/lab/agent/b/gone', { id: 'b' }]]);
    });

    test('a broker that does not come back is lost, once, and publishing goes on counting', async (t) => {
      const broker = await start(t);
      const bus = await connect(t, broker.url, { timeoutMs: 300 });
      let losses = 0;
      const lost = new Promise<void>((resolve) => {
        bus.onLost(() => {
          losses++;
          resolve();
        });
      });
      await broker.stop();
      await lost;
      bus.publish('wsar/x', 1);
      bus.publish('wsar/x', 2, { qos: 1 });
      assert.equal(bus.dropped, 2);
      await bus.close();
      assert.equal(losses, 1);
      let told = false;
      bus.onLost(() => (told = true));
      await sleep(0);
      assert.equal(told, false, 'a closed bus loses nothing');
    });
  });
}

test('a broker that restarts without memory gets subscriptions, retained values and what waited', async (t) => {
  if (needPrograms('mosquitto')) return t.skip('mosquitto is missing');
  const broker = await startMosquitto(t);
  const sender = await connect(t, broker.url, { timeoutMs: 10_000 });
  const receiver = await connect(t, broker.url, { timeoutMs: 10_000 });
  const messages = await listen(receiver, 'wsar/#');
  sender.publish('wsar/schema', 'retained', { retain: true, qos: 1 });
  await messages.take(1);
  await broker.kill();
  sender.publish('wsar/row', 'while away', { qos: 1 });
  const second = await startMosquitto(t, broker.port);
  const late = await listen(await connect(t, second.url), 'wsar/schema');
  assert.deepEqual(await late.take(1), [['wsar/schema', 'retained']]);
  // The receiver comes back by itself; publish until it is there.
  while (!messages.got.some(([name]) => name === 'wsar/probe')) {
    sender.publish('wsar/probe', 1, { qos: 1 });
    await sleep(20);
  }
  assert.equal(sender.dropped, 0);
  assert.equal(receiver.dropped, 0);
});

test('what waits for a broker is bounded; what does not fit is counted', async (t) => {
  const broker = await startEmbeddedBus();
  const bus = await connect(t, broker.url, { timeoutMs: 60_000 });
  await broker.close();
  const count = 10_000;
  for (let index = 0; index < count; index++) bus.publish('wsar/x', index, { qos: 1 });
  assert.equal(bus.dropped, count - 4096);
  const large = 'x'.repeat(1024 * 1024);
  const second = await startEmbeddedBus();
  const other = await connect(t, second.url, { timeoutMs: 60_000 });
  await second.close();
  for (let index = 0; index < 20; index++) other.publish('wsar/x', large);
  assert.equal(other.dropped, 5, '16 MiB hold 15 of them');
});

test('a wrong or missing token is refused at once and named without showing it', async (t) => {
  const broker = await startEmbeddedBus();
  t.after(() => broker.close());
  const token = new URL(broker.url).password;
  assert.ok(token.length >= 32);
  for (const url of [
    broker.url.replace(token, 'wrong-token'),
    broker.url.replace('wsar:', 'root:'),
    `mqtt://127.0.0.1:${broker.port}`,
  ]) {
    await assert.rejects(connectBus(url, { clientId: 'x', timeoutMs: 60_000 }), (error) => {
      assert.ok(error instanceof WsarError);
      assert.equal(error.code, 'WSAR_ERR_UNREACHABLE');
      assert.match(error.message, /Bad username or password/);
      assert.doesNotMatch(error.message + error.hint, new RegExp(`${token}|wrong-token`));
      return true;
    });
  }
});

test('connecting ends in time: nobody there, a mute peer, a peer that speaks something else', async (t) => {
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  const web = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).write('HTTP/1.1 400 Bad Request\r\n\r\n');
  }).listen(0, '127.0.0.1');
  await Promise.all([once(mute, 'listening'), once(web, 'listening')]);
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
    web.close();
  });
  const ports = [mute, web].map((server) => (server.address() as { port: number }).port);
  for (const port of [await freePort(), ...ports]) {
    const url = `mqtt://me:secret@127.0.0.1:${port}`;
    await assert.rejects(connectBus(url, { clientId: 'x', timeoutMs: 200 }), (error) => {
      assert.ok(error instanceof WsarError);
      assert.equal(error.code, 'WSAR_ERR_UNREACHABLE');
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  await assert.rejects(connectBus('127.0.0.1:1883', { clientId: 'x' }), { code: 'WSAR_ERR_USAGE' });
});

test('closing does not hang on a broker that stopped reading', async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // CONNACK, and not another byte.
    socket.once('data', () => socket.write(Buffer.from([0x20, 2, 0, 0])));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const bus = await connectBus(`mqtt://127.0.0.1:${port}`, { clientId: 'x' });
  bus.publish('wsar/x', 'never acknowledged', { qos: 1 });
  await bus.close();
  await bus.close();
});

test('a taken port is told; a closed embedded bus frees its port', async () => {
  const first = await startEmbeddedBus();
  await assert.rejects(startEmbeddedBus({ port: first.port }), { code: 'WSAR_ERR_PORT_IN_USE' });
  const bus = await connectBus(first.url, { clientId: 'x' });
  await first.close();
  await first.close();
  const second = await startEmbeddedBus({ port: first.port });
  assert.notEqual(second.url, first.url, 'every broker has a token of its own');
  await second.close();
  await bus.close();
});

test('a subscriber that stops reading is cut off and holds up nobody for long', async (t) => {
  const broker = await startEmbeddedBus();
  t.after(() => broker.close());
  const watcher = await mqtt.connectAsync(broker.url);
  const stuck = await mqtt.connectAsync(broker.url, { clientId: 'stuck', reconnectPeriod: 0 });
  t.after(() => {
    watcher.end(true);
    stuck.end(true);
  });
  const isCut = new Promise<void>((resolve) => {
    watcher.on('message', (_, payload) => payload.toString() === 'stuck' && resolve());
  });
  await watcher.subscribeAsync('$SYS/+/disconnect/clients');
  await stuck.subscribeAsync('wsar/#');
  stuck.stream.pause();
  const sender = await connect(t, broker.url);
  const reader = await listen(await connect(t, broker.url), 'wsar/#');
  // More than the kernel keeps for a loopback connection, and more messages than the broker has under
  // way at once.
  const large = 'x'.repeat(128 * 1024);
  for (let index = 0; index < 150; index++) {
    sender.publish('wsar/x', large, { qos: 1 });
    await reader.take(1);
  }
  await isCut;
  assert.equal(sender.dropped, 0);
});
