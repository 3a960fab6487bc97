// What the general lane promises, with one worker and with three (so that publishers, subscribers, groups and
// retained messages are in different threads), spoken with npm mqtt-packet. Clauses are those of MQTT 5.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONFORMANCE } from '#reference-server/access/access-rules.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const cluster = (workers: number, broker = {}): SimulatedCluster =>
  simulateCluster(
    workers,
    { ...SMALL_LIMITS, broker: { ...SMALL_LIMITS.broker, ...broker } },
    undefined,
    CONFORMANCE,
  );

function clients(all: SimulatedCluster, ...names: string[]): PacketClient[] {
  return names.map((name, index) => {
    const client = new PacketClient(all, index);
    assert.equal(client.connect(name)['reasonCode'], 0);
    return client;
  });
}

const will = (more: object = {}, properties: object = {}): object => ({
  will: {
    topic: 'gone',
    payload: Buffer.from('farewell'),
    qos: 1,
    retain: false,
    properties,
    ...more,
  },
});

for (const workers of [1, 3]) {
  describe(`${workers} worker(s)`, () => {
    test('QoS 0, 1 and 2 both ways, capped by the subscription, in order', () => {
      const all = cluster(workers);
      const [ann, bob] = clients(all, 'ann', 'bob') as [PacketClient, PacketClient];
      bob.subscribe('news/+/today', 2);
      ann.publish('news/a/today', 'zero', 0);
      ann.publish('news/a/today', 'one', 1);
      assert.equal(ann.take('puback')['reasonCode'], 0);
      ann.publish('news/a/today', 'two', 2);
      assert.equal(ann.take('pubrec')['reasonCode'], 0);
      // Sent again before PUBREL: the same message [MQTT-4.3.3-10].
      ann.publish('news/a/today', 'two', 2, { dup: true });
      ann.send({ cmd: 'pubrel', messageId: 7, reasonCode: 0 });
      ann.take('pubcomp');
      bob.settle();
      const got = bob.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
      assert.deepEqual(
        got.map(({ payload, qos }) => [String(payload), qos]),
        [
          ['zero', 0],
          ['one', 1],
          ['two', 2],
        ],
      );
      bob.send({ cmd: 'puback', messageId: got[1]!.messageId!, reasonCode: 0 });
      bob.send({ cmd: 'pubrec', messageId: got[2]!.messageId!, reasonCode: 0 });
      assert.equal(bob.take('pubrel').messageId, got[2]!.messageId);
      bob.send({ cmd: 'pubcomp', messageId: got[2]!.messageId!, reasonCode: 0 });
      assert.equal(
        all.workers.reduce((sum, { home }) => sum + home.broker.queues.length, 0),
        0,
      );
      ann.publish('$SYS/x', 'x', 1);
      assert.equal(ann.take('puback')['reasonCode'], 0x87);
      ann.publish('nobody/reads', 'x', 1);
      assert.equal(ann.take('puback')['reasonCode'], 0x10);
    });

    test('retained: kept, replaced, deleted, by retain handling, expired', () => {
      const all = cluster(workers);
      const [ann, bob] = clients(all, 'ann', 'bob') as [PacketClient, PacketClient];
      ann.publish('state/x', 'old', 1, { retain: true });
      ann.publish('state/x', 'new', 1, { retain: true });
      ann.publish('state/y', 'gone', 1, { retain: true });
      ann.publish('state/y', '', 1, { retain: true });
      ann.publish('state/z', 'soon', 0, {
        retain: true,
        properties: { messageExpiryInterval: 5 },
      });
      bob.subscribe('state/#', 1);
      const first = bob.heard.filter(({ cmd }) => cmd === 'publish');
      assert.deepEqual(first.map(({ payload }) => String(payload)).sort(), ['new', 'soon']);
      assert.ok(first.every(({ retain }) => retain === true));
      bob.heard.length = 0;
      bob.subscribe('state/#', 1, { rh: 1 });
      assert.deepEqual(bob.texts(), []);
      all.clock.advance(6_000);
      bob.subscribe('state/#', 1, { rh: 0 });
      assert.deepEqual(bob.texts(), ['new']);
      bob.subscribe('state/+', 1, { rh: 2 });
      assert.deepEqual(bob.texts(), []);
      // Live messages carry RETAIN only as published [MQTT-3.3.1-12, -13].
      bob.subscribe('live/a', 0, { rap: true });
      bob.subscribe('live/b', 0);
      ann.publish('live/a', 'a', 0, { retain: true });
      ann.publish('live/b', 'b', 0, { retain: true });
      assert.equal(bob.take('publish')['retain'], true);
      assert.equal(bob.take('publish')['retain'], false);
    });

    test('no local, identifiers of all matching subscriptions, user properties unaltered', () => {
      const all = cluster(workers);
      const [ann, bob] = clients(all, 'ann', 'bob') as [PacketClient, PacketClient];
      ann.subscribe('talk', 0, { nl: true });
      bob.subscribe('talk', 1, {}, { subscriptionIdentifier: 300 });
      bob.subscribe('+', 0, {}, { subscriptionIdentifier: 4 });
      const properties = {
        payloadFormatIndicator: true,
        responseTopic: 'answers',
        correlationData: Buffer.from('id'),
        userProperties: { b: ['2', '1'], a: '3' },
        contentType: 'text',
      };
      ann.publish('talk', 'hi', 1, { properties });
      const { properties: got, qos } = bob.take('publish');
      const { subscriptionIdentifier, ...rest } = got as Record<string, unknown>;
      assert.deepEqual((subscriptionIdentifier as number[]).sort(), [300, 4]);
      assert.deepEqual(JSON.stringify(rest), JSON.stringify(properties));
      assert.equal(qos, 1);
      assert.deepEqual(bob.texts(), []);
      assert.deepEqual(ann.texts(), []);
    });

    test('a session waits, expires; message expiry is counted down', () => {
      const all = cluster(workers);
      const [ann] = clients(all, 'ann') as [PacketClient];
      const session = { clean: false, properties: { sessionExpiryInterval: 100 } };
      const bob = new PacketClient(all, 1);
      bob.connect('bob', session);
      bob.subscribe('q/#', 1);
      bob.hangUp();
      ann.publish('q/1', 'stays', 1);
      ann.publish('q/2', 'short', 1, { properties: { messageExpiryInterval: 10 } });
      ann.publish('q/3', 'long', 1, { properties: { messageExpiryInterval: 50 } });
      all.clock.advance(20_000);
      const again = new PacketClient(all, 2);
      assert.equal(again.connect('bob', session)['sessionPresent'], true);
      again.settle();
      const got = again.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
      assert.deepEqual(
        got.map(({ payload, properties }) => [
          String(payload),
          (properties as { messageExpiryInterval?: number } | undefined)?.messageExpiryInterval,
        ]),
        [
          ['stays', undefined],
          ['long', 30],
        ],
      );
      again.hangUp();
      // What was not acknowledged comes again, marked.
      const third = new PacketClient(all, 0);
      third.connect('bob', session);
      third.settle();
      assert.deepEqual(
        third.heard.filter(({ cmd }) => cmd === 'publish').map(({ dup }) => dup),
        [true, true],
      );
      third.disconnect();
      all.clock.advance(101_000);
      third.settle();
      const last = new PacketClient(all, 0);
      assert.equal(last.connect('bob', session)['sessionPresent'], false);
      assert.deepEqual(last.texts(), []);
      const sum = (pick: (w: (typeof all.workers)[0]) => number): number =>
        all.workers.reduce((total, worker) => total + pick(worker), 0);
      assert.equal(
        sum(({ home }) => home.broker.queues.bytes),
        0,
      );
      assert.equal(
        sum(({ home }) => home.broker.subscriptions.count),
        0,
      );
    });

    test('wills: at once, delayed, dropped by DISCONNECT, by a new connection, sent at the end of a session', () => {
      const all = cluster(workers);
      const [bob] = clients(all, 'bob') as [PacketClient];
      bob.subscribe('gone', 1);
      const leave = (more: object, end: (client: PacketClient) => void): PacketClient => {
        const client = new PacketClient(all, 1);
        client.connect('ann', more as never);
        end(client);
        return client;
      };
      leave(will(), (ann) => ann.hangUp());
      assert.deepEqual(bob.texts(), ['farewell']);
      leave(will(), (ann) => ann.disconnect());
      assert.deepEqual(bob.texts(), []);
      leave(will(), (ann) => ann.disconnect(4));
      assert.deepEqual(bob.texts(), ['farewell']);
      const delayed = {
        ...will({}, { willDelayInterval: 10 }),
        clean: false,
        properties: { sessionExpiryInterval: 60 },
      };
      leave(delayed, (ann) => ann.hangUp());
      all.clock.advance(9_000);
      assert.deepEqual(bob.texts(), []);
      all.clock.advance(2_000);
      assert.deepEqual(bob.texts(), ['farewell']);
      leave(delayed, (ann) => ann.hangUp());
      // Back in time: nobody hears of it [MQTT-3.1.3-9].
      leave(delayed, (ann) => ann.disconnect());
      all.clock.advance(30_000);
      assert.deepEqual(bob.texts(), []);
      // The session ends before the delay does (5: 3.1.3.2.2).
      const short = { ...delayed, properties: { sessionExpiryInterval: 3 } };
      leave(short, (ann) => ann.hangUp());
      all.clock.advance(4_000);
      assert.deepEqual(bob.texts(), ['farewell']);
      // Taken over: the old connection said no goodbye.
      leave(will(), () => {});
      leave({}, () => {});
      assert.deepEqual(bob.texts(), ['farewell']);
    });

    test('taken over: 0x8E for the old connection, the session goes on', () => {
      const all = cluster(workers);
      const [old] = clients(all, 'ann') as [PacketClient];
      const next = new PacketClient(all, 1);
      next.connect('ann');
      old.settle();
      assert.equal(old.take('disconnect')['reasonCode'], 0x8e);
      assert.equal(old.isOpen, false);
      assert.equal(next.isOpen, true);
    });

    test('shared: each message to one member, wherever the members are; those who left get none', () => {
      const all = cluster(workers);
      const [ann, b, c, d] = clients(all, 'ann', 'bob', 'cid', 'dora') as PacketClient[];
      for (const member of [b!, c!, d!]) member.subscribe('$share/team/job/+', 1);
      const ack = (client: PacketClient): string[] => {
        client.settle();
        const got = client.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
        for (const { messageId } of got) {
          client.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0 });
        }
        return got.map(({ payload }) => String(payload));
      };
      for (let i = 0; i < 30; i++) ann!.publish(`job/${i}`, `${i}`, 1);
      const shares = [ack(b!), ack(c!), ack(d!)];
      assert.deepEqual(shares.flat().sort(), Array.from({ length: 30 }, (_, i) => `${i}`).sort());
      for (const share of shares) assert.equal(share.length, 10);
      d!.hangUp();
      c!.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['$share/team/job/+'] });
      for (let i = 0; i < 10; i++) ann!.publish(`job/${i}`, `${i}`, 1);
      assert.equal(ack(b!).length, 10);
      // What a member that ends has not accepted goes to the others.
      const e = new PacketClient(all, 2);
      e.connect('eve');
      e.subscribe('$share/team/job/+', 1);
      for (let i = 0; i < 4; i++) ann!.publish('job/x', `late ${i}`, 1);
      const mine = ack(b!);
      e.hangUp();
      assert.deepEqual([...mine, ...ack(b!)].sort(), ['late 0', 'late 1', 'late 2', 'late 3']);
    });

    test('receive maximum, maximum packet size and aliases of the client', () => {
      const all = cluster(workers);
      const [ann] = clients(all, 'ann') as [PacketClient];
      const bob = new PacketClient(all, 1);
      bob.connect('bob', {
        properties: { receiveMaximum: 2, maximumPacketSize: 60, topicAliasMaximum: 1 },
      });
      bob.subscribe('t/#', 1);
      for (let i = 0; i < 5; i++) ann.publish('t/a', `${i}`, 1);
      bob.settle();
      const got = bob.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
      assert.deepEqual(
        got.map(({ topic, payload }) => [topic, String(payload)]),
        [
          ['t/a', '0'],
          ['', '1'],
        ],
      );
      bob.send({ cmd: 'puback', messageId: got[0]!.messageId!, reasonCode: 0 });
      assert.equal(String(bob.take('publish').payload), '2');
      ann.publish('t/b', 'x'.repeat(100), 0);
      assert.deepEqual(bob.texts(), []);
    });
  });
}

test('topic aliases to the server: learned, used, refused above the maximum', () => {
  const all = cluster(1);
  const [ann, bob] = clients(all, 'ann', 'bob') as [PacketClient, PacketClient];
  bob.subscribe('long/name', 0);
  ann.publish('long/name', '1', 0, { properties: { topicAlias: 3 } });
  ann.publish('', '2', 0, { properties: { topicAlias: 3 } });
  assert.deepEqual(bob.texts(), ['1', '2']);
  ann.publish('x', '3', 0, { properties: { topicAlias: 11 } });
  assert.equal(ann.take('disconnect')['reasonCode'], 0x94);
});

test('enhanced authentication is refused with 0x8C, a packet too large with 0x95', () => {
  const all = cluster(1);
  const eve = new PacketClient(all, 0);
  const properties = { authenticationMethod: 'SCRAM' };
  assert.equal(eve.connect('eve', { properties } as never)['reasonCode'], 0x8c);
  const [ann] = clients(all, 'ann') as [PacketClient];
  ann.publish('t', 'x'.repeat(70_000));
  assert.equal(ann.take('disconnect')['reasonCode'], 0x95);
});

test('more QoS 2 messages unreleased than CONNACK allowed: 0x93', () => {
  const all = cluster(1);
  const [ann] = clients(all, 'ann') as [PacketClient];
  for (let id = 1; id <= 21; id++) ann.publish('t', 'x', 2, { messageId: id });
  assert.equal(ann.take('disconnect')['reasonCode'], 0x93);
});

test('a client without a name is given one; a long keep-alive is shortened', () => {
  const all = cluster(1);
  const client = new PacketClient(all, 0);
  const { properties } = client.connect('', { keepalive: 60_000 });
  const { assignedClientIdentifier, serverKeepAlive } = properties as Record<string, unknown>;
  assert.match(String(assignedClientIdentifier), /^auto-/);
  assert.equal(serverKeepAlive, 1200);
});

test('every bound refuses, counts, and says so where there is a word for it', () => {
  const all = cluster(1, {
    sessionSubscriptionsMax: 2,
    queueMessagesMax: 3,
    retainedMax: 1,
    levelsMax: 4,
  });
  const [ann, bob] = clients(all, 'ann', 'bob') as [PacketClient, PacketClient];
  const code = (topic: string): unknown => (bob.subscribe(topic)['granted'] as number[])[0];
  assert.equal(code('a'), 1);
  assert.equal(code('b'), 1);
  assert.equal(code('c'), 0x97);
  assert.equal(code('m/ann'), 0x87);
  assert.equal(code('1/2/3/4/5'), 0x8f);
  for (let i = 0; i < 5; i++) ann.publish('a', `${i}`, 1);
  assert.equal(all.stat(STAT.queueRefused), 2);
  ann.publish('kept', 'x', 0, { retain: true });
  ann.publish('refused', 'x', 0, { retain: true });
  all.turn();
  assert.equal(all.stat(STAT.retained), 1);
  assert.equal(all.stat(STAT.retainedRefused), 1);
});
