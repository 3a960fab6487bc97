// Bounds that answer in the protocol, one at a time: rate of publishing, memory, receipts that clients make. And what
// must stay true under them: nothing of an accepted message is left in memory, no take-over loses one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memoryLimits } from '#reference-server/limits.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 0xffff_ffff } };
const MIB = 1024 * 1024;

function person(all: SimulatedCluster, name: string, worker: number, version: 4 | 5 = 5) {
  const client = new PacketClient(all, worker, version);
  client.connect(name, version === 5 ? KEPT : { clean: false });
  client.subscribe(`m/${name}`, 1);
  client.subscribe(`r/${name}`, 0);
  return client;
}

/** Takes and acknowledges what has come. */
function accept(client: PacketClient): { text: string; dup: boolean }[] {
  client.settle();
  const got = client.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
  for (const { messageId, qos } of got) {
    if (qos === 1) client.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0 });
  }
  return got.map(({ payload, dup }) => ({ text: String(payload), dup: dup === true }));
}

const texts = (client: PacketClient): string[] => accept(client).map(({ text }) => text);

for (const workers of [1, 3]) {
  describe(`${workers} worker(s)`, () => {
    test('who publishes faster than allowed is told 0x97, five seconds worth are a burst', () => {
      const all = simulateCluster(workers, { ...SMALL_LIMITS, publishPerS: 4 });
      const ann = person(all, 'ann', 0);
      person(all, 'bob', 1).hangUp();
      const codes = (count: number): number[] =>
        Array.from({ length: count }, () => {
          ann.publish('m/bob', 'x', 1);
          return ann.take('puback')['reasonCode'] as number;
        });
      const burst = codes(23);
      assert.deepEqual(burst, [...Array<number>(20).fill(0), 0x97, 0x97, 0x97]);
      all.clock.advance(1000);
      all.turn();
      assert.deepEqual(codes(6), [0, 0, 0, 0, 0x97, 0x97]);
      assert.equal(all.stat(STAT.rateRefused), 5);
      // Another one is not held up by it, and MQTT 3 hears nothing and is disconnected.
      const old = person(all, 'old', 2, 4);
      for (let i = 0; i < 21; i++) old.publish('m/bob', 'x', 1);
      assert.equal(old.heard.filter(({ cmd }) => cmd === 'puback').length, 20);
      all.clock.advance(10_001);
      old.settle();
      assert.ok(!old.isOpen);
      assert.ok(ann.isOpen);
    });

    test('at 60 % of its memory the server takes no message, drains, and takes them again at 50 %', () => {
      const limits = memoryLimits({ ...SMALL_LIMITS, mailboxBytesMax: 64 * MIB }, 6 * MIB);
      const all = simulateCluster(workers, { ...limits, memoryBytesMax: (6 * MIB) / workers });
      const ann = person(all, 'ann', 0);
      ann.subscribe('p/eve', 0);
      person(all, 'bob', 1).hangUp();
      const text = 'x'.repeat(16_000);
      let stored = 0;
      for (;;) {
        ann.publish('m/bob', text, 1);
        if (ann.take('puback')['reasonCode'] !== 0) break;
        stored++;
      }
      // A block of 16 KiB and 47 bytes each, of one worker's share.
      const share = (6 * MIB) / workers;
      assert.equal(stored, Math.ceil((share * 0.6) / (16_384 + 47)));
      all.turn();
      assert.ok(all.stat(STAT.memoryRefused) > 0);
      // Accepting goes on, and logging in.
      const bob = new PacketClient(all, 2);
      bob.connect('bob', KEPT);
      const half = Math.floor((share * 0.5) / (16_384 + 47));
      let accepted = 0;
      let isTaken = false;
      while (!isTaken) {
        bob.settle();
        const [next] = bob.heard.filter(({ cmd }) => cmd === 'publish');
        bob.heard.splice(bob.heard.indexOf(next!), 1);
        bob.send({ cmd: 'puback', messageId: next!.messageId!, reasonCode: 0 });
        accepted++;
        ann.publish('m/bob', 'y', 1);
        isTaken = ann.take('puback')['reasonCode'] === 0;
      }
      assert.ok(Math.abs(stored - accepted - half) <= 1, `${stored} - ${accepted}, ${half}`);
    });

    test('receipts that clients make: to r/<sender>, at its QoS, and none by the server', () => {
      const receipts = { ...SMALL_LIMITS.receipts, mode: 'client' as const };
      const all = simulateCluster(workers, { ...SMALL_LIMITS, receipts });
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      ann.publish('m/bob', 'hello', 1);
      assert.deepEqual(texts(bob), ['hello']);
      bob.publish('r/ann', 'got it', 0);
      bob.publish('r/ann', 'really', 1);
      assert.equal(bob.take('puback')['reasonCode'], 0);
      assert.deepEqual(texts(ann), ['got it', 'really']);
      ann.subscribe('r/ann', 1);
      ann.hangUp();
      bob.publish('r/ann', 'later', 1);
      const back = new PacketClient(all, 2);
      back.connect('ann', KEPT);
      assert.deepEqual(texts(back), ['later']);
      all.turn();
      assert.equal(all.stat(STAT.queued), 0);
      // A server that makes them lets nobody else.
      const own = simulateCluster(workers);
      const eve = person(own, 'eve', 0);
      eve.publish('r/bob', 'bob 1', 1);
      assert.equal(eve.take('puback')['reasonCode'], 0x87);
    });

    test('nothing that was accepted, thrown away or expired is in memory any more', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      for (const member of [ann, bob]) member.subscribe('g/x', 1, { nl: true });
      const secret = 'the gold is under the old oak';
      const isSomewhere = (): boolean =>
        all.workers.some(({ home, edge }) =>
          [home.mailboxes.arena.bytes, edge.partials.bytes].some((bytes) =>
            Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(secret),
          ),
        );
      const properties = { responseTopic: 'r/ann', correlationData: Buffer.from('1') };
      const everyWay = (): void => {
        ann.publish('m/bob', secret, 1, { properties });
        ann.publish('g/x', `${secret} ${'.'.repeat(3000)}`, 1);
        ann.publish('m/bob', secret, 1, { properties: { messageExpiryInterval: 1 } });
      };
      everyWay();
      assert.ok(isSomewhere(), 'the test sees what waits');
      accept(bob);
      assert.ok(!isSomewhere(), 'accepted');
      bob.hangUp();
      everyWay();
      all.clock.advance(3000);
      const back = new PacketClient(all, 2);
      back.connect('bob', KEPT);
      assert.equal(accept(back).length, 2);
      assert.ok(!isSomewhere(), 'accepted after a reconnect, and expired');
      back.hangUp();
      everyWay();
      assert.ok(isSomewhere());
      const clean = new PacketClient(all, 0);
      clean.connect('bob', { clean: true });
      assert.ok(!isSomewhere(), 'thrown away with the session');
    });
  });
}

test('10,000 take-overs with traffic, three workers: none lost, order kept, what comes twice is marked', (t) => {
  const all = simulateCluster(3, { ...SMALL_LIMITS, connectionsMax: 2000, redeliveriesMax: 5 });
  const people = 12;
  const readers = Array.from({ length: people }, (_, at) => person(all, `user-${at}`, at));
  const sender = person(all, 'sender', 0);
  const sent = new Array<number>(people).fill(0);
  const seen = new Array<number>(people).fill(0);
  let again = 0;
  let seed = 12_345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const read = (at: number): void => {
    for (const { text, dup } of accept(readers[at]!)) {
      const number = Number(text);
      if (number <= seen[at]!) {
        again++;
        assert.ok(dup, `${number} of user ${at} came twice without DUP`);
      } else {
        assert.equal(number, seen[at]! + 1, 'in order, none left out');
        seen[at] = number;
      }
    }
  };
  for (let round = 0; round < 10_000; round++) {
    const at = random(people);
    for (let i = random(3); i > 0; i--) {
      sender.publish(`m/user-${at}`, String(++sent[at]!), 1);
      assert.equal(sender.take('puback')['reasonCode'], 0);
    }
    // Now and then everything is read first; else what was under way is lost with its connection.
    if (random(4) === 0) read(at);
    const next = new PacketClient(all, random(3));
    next.connect(`user-${at}`, KEPT);
    readers[at] = next;
  }
  for (let round = 0; round < 80; round++) for (let at = 0; at < people; at++) read(at);
  assert.deepEqual(seen, sent);
  all.turn();
  assert.equal(all.stat(STAT.parked), 0);
  assert.equal(all.stat(STAT.queued), 0);
  t.diagnostic(`${sent.reduce((a, b) => a + b)} messages, ${again} came again, marked`);
});

test('before login: largest CONNECT, time for it, logins in a second, longest keep-alive', () => {
  const limits = { ...SMALL_LIMITS, connectBytesMax: 64, loginTimeoutMs: 500, keepAliveMaxS: 30 };
  const all = simulateCluster(2, limits);
  const told = new PacketClient(all, 0).connect('told', { keepalive: 600 });
  assert.equal((told['properties'] as { serverKeepAlive: number }).serverKeepAlive, 30);
  const large = new PacketClient(all, 0);
  assert.throws(() => large.connect('x'.repeat(64)), /no connack/);
  assert.equal(all.stat(STAT_CLOSED + CLOSE_CAUSE.tooLarge), 1);
  const slow = new PacketClient(all, 1);
  all.clock.advance(499);
  slow.settle();
  assert.equal(slow.isOpen, true);
  all.clock.advance(1);
  slow.settle();
  assert.equal(slow.isOpen, false);
  // A worker's share of eight a second is four.
  limits.loginsPerS = 8;
  all.clock.advance(5000);
  const codes = Array.from(
    { length: 6 },
    (_, i) => new PacketClient(all, 0).connect(`many-${i}`)['reasonCode'],
  );
  assert.deepEqual(codes, [0, 0, 0, 0, 0x9f, 0x9f]);
  assert.equal(new PacketClient(all, 1, 4).connect('other')['returnCode'], 0);
  all.clock.advance(500);
  assert.equal(new PacketClient(all, 0).connect('again')['reasonCode'], 0);
  assert.equal(all.stat(STAT_CLOSED + CLOSE_CAUSE.loginRate), 2);
});

test('properties of a message: so many of the user, so many bytes', () => {
  const all = simulateCluster(1, { ...SMALL_LIMITS, userPropertiesMax: 2, propertyBytesMax: 64 });
  const ann = person(all, 'ann', 0);
  const answer = (userProperties: Record<string, string>): unknown => {
    ann.publish('m/ann', 'x', 1, { properties: { userProperties } });
    return ann.take('puback')['reasonCode'];
  };
  assert.equal(answer({ a: '1', b: '2' }), 0);
  assert.equal(answer({ a: '1', b: '2', c: '3' }), 0x97);
  assert.equal(answer({ a: 'x'.repeat(70) }), 0x97);
  assert.equal(all.stat(STAT.propertiesRefused), 2);
  ann.publish('m/ann', 'y', 0, { properties: { userProperties: { a: 'x'.repeat(70) } } });
  assert.deepEqual(texts(ann), [], 'QoS 0 goes nowhere');
});
