// `wsar serve` as people and programs meet it: the real command, both engines, one worker and two.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import type { IPublishPacket } from 'mqtt';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { encodeConnect, encodePublish, encodeSubscribe } from '#core/wire/mqtt/encode.ts';
import {
  client,
  closed,
  debianClient,
  type Message,
  nextEvent,
  type RunningServer,
  rawConnection,
  startServer,
} from '#reference-server/test/running-server.ts';
import { needPrograms, skipUnless } from '#test/foreign-part.ts';

const noDebianClients = needPrograms('mosquitto_pub', 'mosquitto_sub');
const noRing =
  chooseEngine('auto').engine === 'ring' ? false : skipUnless(['io_uring'], 'allow it');

describe('wsar serve', { concurrency: true }, () => {
  for (const engine of ['ring', 'epoll', 'net']) {
    for (const workers of [1, 2]) {
      const skip = engine === 'ring' ? noRing : false;
      test(`engine ${engine}, ${workers} worker(s)`, { skip, concurrency: true }, async (t) => {
        const size = ['--workers', String(workers), '--mailbox', '300'];
        const server = await startServer(t, ['--engine', engine, ...size]);
        // Each part has users of its own, and counters that no other part moves.
        await Promise.all([
          t.test('Debian clients, online and offline', { skip: noDebianClients }, async (part) => {
            await talkWithDebianClients(part, server);
          }),
          t.test('npm mqtt: check marks, session, DUP, take-over', async (part) => {
            await talkWithNpmClients(part, server);
          }),
          t.test('thousands of messages, none lost, order kept', async (part) => {
            await exchangeAll(part, server, 12, 250);
          }),
          t.test('hostile input ends its own connection and nothing else', async (part) => {
            await attack(part, server);
          }),
          t.test('silence, a CONNECT that never ends, and a deaf reader', async (part) => {
            await waitOut(part, server);
          }),
          t.test('a full mailbox: the PUBACK stays out', async (part) => {
            await fillMailbox(part, server, 300);
          }),
        ]);
        await t.test('SIGTERM: closed, counted, gone, 143', async (part) => {
          await endByTerm(part, server);
        });
      });
    }
  }
});

async function talkWithDebianClients(t: TestContext, server: RunningServer): Promise<void> {
  const publish = async (topic: string, text: string): Promise<void> => {
    const args = ['-t', topic, '-q', '1', '-m', text];
    assert.equal(await debianClient(t, server, 'mosquitto_pub', args).exit(), 0);
  };
  const bob = ['-c', '-i', 'bob', '-t', 'm/bob', '-q', '1', '-F', '%t %q %p'];
  const online = debianClient(t, server, 'mosquitto_sub', [...bob, '-C', '2']);
  await publish('m/bob', 'one');
  await publish('m/bob', 'two');
  assert.equal(await online.exit(), 0);
  assert.equal(online.stdout(), 'm/bob 1 one\nm/bob 1 two\n');
  await publish('m/bob', 'three');
  await publish('m/bob', 'four');
  const offline = debianClient(t, server, 'mosquitto_sub', [...bob, '-C', '2']);
  assert.equal(await offline.exit(), 0);
  // mosquitto_sub closes with its last PUBACKs unsent now and then: those come again, the order stays.
  const lines = offline.stdout().trim().split('\n');
  const order = lines.map((line) => ['one', 'two', 'three', 'four'].indexOf(line.slice(8)));
  assert.ok(lines.length === 2 && order[0]! >= 0 && order[1] === order[0]! + 1, lines.join());
  // Nobody has ever seen this one; its QoS is 0.
  await publish('m/carol', 'early');
  const late = debianClient(t, server, 'mosquitto_sub', [
    ...['-c', '-i', 'carol', '-t', 'm/carol', '-C', '1'],
  ]);
  assert.equal(await late.exit(), 0);
  assert.equal(late.stdout(), 'early\n');
}

async function talkWithNpmClients(t: TestContext, server: RunningServer): Promise<void> {
  const receipts: Message[] = [];
  const keep = { clientId: 'ann', clean: false };
  const ann = await client(t, server, keep, (message) => receipts.push(message));
  await ann.subscribeAsync('r/ann');

  // Ben does not acknowledge before he is taken over.
  const ben = await client(t, server, { clientId: 'ben', clean: false });
  ben.handleMessage = () => {};
  await ben.subscribeAsync('m/ben', { qos: 1 });
  const arrived = nextEvent(ben, 'message');
  const gone = nextEvent(ben, 'close');
  const sent = (await ann.publishAsync('m/ben', 'hello', { qos: 1 })) as IPublishPacket;
  const [, text, packet] = (await arrived) as [string, Buffer, IPublishPacket];
  assert.deepEqual([String(text), packet.dup, packet.qos], ['hello', false, 1]);
  assert.deepEqual(receipts, []);

  const again: Message[] = [];
  const known = { clientId: 'ben', clean: false, resubscribe: false };
  await client(t, server, known, (message) => again.push(message));
  await gone;
  await server.values((value) => value('receipts') === 1);
  assert.deepEqual(again, [{ topic: 'm/ben', text: 'hello', dup: true, qos: 1 }]);
  const receipt = { topic: 'r/ann', text: `ben ${sent.messageId}`, dup: false, qos: 0 };
  assert.deepEqual(receipts, [receipt]);
  const values = await server.values((value) => value('closed.taken_over') > 0);
  assert.equal(values['wsar.server.closed.taken_over'], 1);
}

/** Every one of `users` sends `each` messages to random others; all must arrive in each sender's order. */
async function exchangeAll(
  t: TestContext,
  server: RunningServer,
  users: number,
  each: number,
): Promise<void> {
  const seen = Array.from({ length: users }, () => [] as string[]);
  const clients = await Promise.all(
    seen.map(async (texts, user) => {
      const options = { clientId: `user-${user}`, clean: false };
      const made = await client(t, server, options, ({ text }) => texts.push(text));
      await made.subscribeAsync(`m/user-${user}`, { qos: 1 });
      return made;
    }),
  );
  const expected = seen.map(() => [] as string[]);
  let draw = 12_345;
  const sending: Promise<unknown>[] = [];
  for (let serial = 0; serial < each; serial++) {
    for (const [user, sender] of clients.entries()) {
      draw = (Math.imul(draw, 1_103_515_245) + 12_345) >>> 0;
      const to = (draw >>> 8) % users;
      const text = `${user} ${serial}`;
      expected[to]!.push(text);
      sending.push(sender.publishAsync(`m/user-${to}`, text, { qos: 1 }));
    }
  }
  await Promise.all(sending);
  const counts = (): number => seen.reduce((sum, { length }) => sum + length, 0);
  while (counts() < users * each) await server.values(() => true, 'new');
  for (const [user, texts] of seen.entries()) {
    const bySender = (list: string[]): string[] =>
      list.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    // The sort is stable: what stays is the order of each sender.
    assert.deepEqual(bySender(texts), bySender(expected[user]!));
  }
}

async function attack(t: TestContext, server: RunningServer): Promise<void> {
  const bystander = await client(t, server, { clientId: 'bystander' });
  const login = scratch((out) =>
    encodeConnect(out, 0, { clientId: 'bad', keepAliveS: 0, cleanSession: true }),
  );
  const kinds: [string, Buffer][] = [
    ['connect_expected', Buffer.from([0xc0, 0])],
    ['first_byte', Buffer.from([0x01, 0x47, 0x45, 0x54])],
    ['length_overlong', Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['too_large', Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])],
    ['connect_twice', Buffer.concat([login, login])],
    ['qos', Buffer.concat([login, Buffer.from([0x36, 5, 0, 1, 97, 0, 1])])],
  ];
  for (const [, bytes] of kinds) {
    const socket = await rawConnection(t, server);
    socket.write(bytes);
    await closed(socket);
  }
  const values = await server.values((value) => value('malformed') === kinds.length);
  for (const [kind] of kinds) assert.equal(values[`wsar.server.closed.${kind}`], 1, kind);
  await bystander.publishAsync('m/bystander', 'still here', { qos: 1 });
}

async function waitOut(t: TestContext, server: RunningServer): Promise<void> {
  // Begins a CONNECT and sends no more: closed after five seconds.
  const slow = await rawConnection(t, server);
  slow.write(Buffer.from([0x10, 0x20, 0x00]));
  const mute = await rawConnection(t, server);
  mute.write(
    scratch((out) =>
      encodeConnect(out, 0, { clientId: 'mute', keepAliveS: 1, cleanSession: true }),
    ),
  );
  const deaf = await rawConnection(t, server);
  deaf.pause();
  deaf.write(
    scratch((out) => {
      const connect = { clientId: 'deaf', keepAliveS: 0, cleanSession: false };
      return encodeSubscribe(out, encodeConnect(out, 0, connect), 1, ['m/deaf'], 1);
    }),
  );
  // Much more than windows and the server's output hold: the rest stays in the mailbox.
  const sender = await client(t, server, { clientId: 'sender' });
  const text = 'x'.repeat(8 * 1024);
  for (let i = 0; i < 100; i++) await sender.publishAsync('m/deaf', text, { qos: 1 });
  const values = await server.values((value) => value('queue.longest') >= 100);
  assert.ok(values['wsar.server.output_bytes']! < 256 * 1024);
  await Promise.all([closed(mute), closed(slow)]);
  const ends = await server.values((value) => value('closed.login_timeout') === 1);
  assert.equal(ends['wsar.server.closed.keep_alive'], 1);
  assert.equal(sender.connected, true);
}

async function fillMailbox(t: TestContext, server: RunningServer, room: number): Promise<void> {
  const socket = await rawConnection(t, server);
  const answers: Buffer[] = [];
  socket.on('data', (bytes) => answers.push(bytes));
  const topic = Buffer.from('m/full');
  socket.write(
    scratch((out) => {
      const connect = { clientId: 'filler', keepAliveS: 0, cleanSession: true };
      let end = encodeConnect(out, 0, connect);
      for (let id = 1; id <= room + 2; id++) {
        end = encodePublish(out, end, topic, 6, 1, id, false, false, topic, 0, 6);
      }
      return end;
    }),
  );
  await server.values((value) => value('messages.withheld') === 2);
  const pubacks = Array.from({ length: room }, (_, i) => [0x40, 2, (i + 1) >> 8, (i + 1) & 0xff]);
  const expected = [0x20, 2, 0, 0, ...pubacks.flat()];
  // The row may be here before the answers are.
  while (Buffer.concat(answers).length < expected.length) await once(socket, 'data');
  assert.deepEqual([...Buffer.concat(answers)], expected);
}

async function endByTerm(t: TestContext, server: RunningServer): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => rawConnection(t, server)));
  await server.values((value) => value('connections') >= 20, 'new');
  assert.ok(isInUse(server.port));
  server.command.child.kill('SIGTERM');
  assert.equal(await server.command.exit(), 143);
  await Promise.all(sockets.map(closed));
  assert.match(server.command.stderr(), /wsar serve: [\d.]+ s, \d+ logins, .* still queued/);
  assert.equal(isInUse(server.port), false);
}

function scratch(write: (out: Uint8Array) => number): Buffer {
  const out = Buffer.alloc(10_000);
  return out.subarray(0, write(out));
}

/** Whether any socket of this host listens or is connected on the port, as the kernel lists them. */
function isInUse(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  // Local address, remote address, state: 06 is TIME_WAIT, which belongs to no process any more.
  const pattern = new RegExp(`^ *\\d+: [0-9A-F]+:${hex} [0-9A-F]+:[0-9A-F]+ (?!06)`, 'm');
  return pattern.test(readFileSync('/proc/net/tcp', 'utf8'));
}
