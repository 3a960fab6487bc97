// Messaging in MQTT 5 beside MQTT 3.1.1: properties through the mailbox, receipts with Correlation Data, quota
// said at admission, refusals, poison. One worker and three.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 0xffff_ffff } };

function person(
  all: SimulatedCluster,
  name: string,
  worker: number,
  version: 4 | 5 = 5,
): PacketClient {
  const client = new PacketClient(all, worker, version);
  client.connect(name, version === 5 ? KEPT : { clean: false });
  client.subscribe(`m/${name}`, 1);
  client.subscribe(`r/${name}`, 0);
  return client;
}

for (const workers of [1, 3]) {
  describe(`${workers} worker(s)`, () => {
    test('a will goes to a mailbox; presence, receipts and groups are not its to speak for', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      ann.subscribe('p/bob', 1);
      ann.texts();
      for (const [at, topic] of ['p/bob', 'r/ann', 'm/ann', 'g/7'].entries()) {
        const client = new PacketClient(all, at);
        const payload = Buffer.from(`last word to ${topic}`);
        client.connect(`gone-${at}`, { will: { topic, payload, qos: 1, retain: at === 0 } });
        client.hangUp();
      }
      assert.deepEqual(ann.texts(), ['last word to m/ann']);
      const foreign = all.workers.reduce((sum, { stats }) => sum + stats[STAT.foreign]!, 0);
      assert.equal(foreign, 3);
      const late = new PacketClient(all, 1);
      late.connect('late');
      late.subscribe('p/bob', 1);
      assert.deepEqual(late.texts(), ['offline']);
    });

    test('properties reach a receiver of MQTT 5 as they came, and one of 3.1.1 not at all', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      const old = person(all, 'old', 2, 4);
      const properties = {
        messageExpiryInterval: 60,
        contentType: 'text',
        userProperties: { a: ['1', '2'] },
      };
      ann.publish('m/bob', 'hi', 1, { properties });
      assert.equal(ann.take('puback')['reasonCode'], 0);
      const got = bob.take('publish');
      assert.equal(
        JSON.stringify(got.properties),
        JSON.stringify({
          contentType: 'text',
          userProperties: { a: ['1', '2'] },
          messageExpiryInterval: 60,
        }),
      );
      assert.equal(String(got.payload), 'hi');
      ann.publish('m/old', 'hi', 1, { properties });
      assert.equal(String(old.take('publish').payload), 'hi');
      old.publish('m/bob', 'plain', 1);
      assert.deepEqual(bob.take('publish').properties, undefined);
    });

    test('receipts: coalesced, with the Correlation Data of each, only for the own Response Topic', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      const eve = person(all, 'eve', 2);
      const send = (id: number, responseTopic: string): void =>
        ann.publish('m/bob', `${id}`, 1, {
          messageId: id,
          properties: { responseTopic, correlationData: Buffer.from(`id ${id}`) },
        });
      for (const id of [1, 2, 3]) send(id, 'r/ann');
      assert.deepEqual(bob.acceptAll(), ['1', '2', '3']);
      assert.deepEqual(ann.texts(), [], 'they gather first');
      all.clock.advance(6);
      const line = (id: number): string =>
        `bob ${id} ${Buffer.from(`id ${id}`).toString('base64url')}`;
      assert.deepEqual(ann.texts(), [[1, 2, 3].map(line).join('\n')]);
      send(4, 'r/ann');
      bob.acceptAll();
      all.clock.advance(6);
      ann.settle();
      const single = ann.take('publish');
      assert.equal(String(single.payload), line(4));
      const { correlationData } = single.properties as { correlationData: Buffer };
      assert.equal(String(correlationData), 'id 4');
      // Aimed at a stranger: nobody gets one.
      send(5, 'r/eve');
      send(6, 'elsewhere');
      bob.acceptAll();
      all.clock.advance(6);
      assert.deepEqual(ann.texts(), []);
      assert.deepEqual(eve.texts(), []);
      // Without a Response Topic: at once, as for MQTT 3.
      ann.publish('m/bob', 'x', 1, { messageId: 7 });
      bob.acceptAll();
      assert.deepEqual(ann.texts(), ['bob 7']);
    });

    test('a full mailbox says 0x97 at once, and the connection stays', () => {
      const all = simulateCluster(workers, { ...SMALL_LIMITS, mailboxMessagesMax: 2 });
      const ann = person(all, 'ann', 0);
      const codes: unknown[] = [];
      for (let i = 0; i < 4; i++) {
        ann.publish('m/away', 'x', 1);
        codes.push(ann.take('puback')['reasonCode']);
      }
      assert.deepEqual(codes, [0, 0, 0x97, 0x97]);
      all.clock.advance(60_000);
      ann.settle();
      assert.ok(ann.isOpen);
      assert.equal(all.stat(STAT.withheld), 2);
    });

    test('a message that is the first of every lost connection is parked, and the queue goes on', () => {
      const all = simulateCluster(workers, { ...SMALL_LIMITS, redeliveriesMax: 5 });
      const ann = person(all, 'ann', 0);
      person(all, 'bob', 1).hangUp();
      ann.publish('m/bob', 'poison', 1, { messageId: 1 });
      ann.publish('m/bob', 'good', 1, { messageId: 2 });
      for (let i = 0; i < 6; i++) {
        const bob = new PacketClient(all, i);
        bob.connect('bob', KEPT);
        bob.settle();
        assert.equal(String(bob.take('publish').payload), 'poison');
        bob.hangUp();
      }
      const bob = new PacketClient(all, 0);
      bob.connect('bob', KEPT);
      assert.deepEqual(bob.acceptAll(), ['good']);
      all.turn();
      assert.equal(all.stat(STAT.parked), 1);
      assert.equal(all.stat(STAT.queued), 0);
    });

    test('a message that its receiver refuses is off the list, and counted', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      ann.publish('m/bob', 'no', 1);
      const { messageId } = bob.take('publish');
      bob.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0x83 });
      assert.equal(all.stat(STAT.rejected), 1);
      all.turn();
      assert.equal(all.stat(STAT.queued), 0);
    });

    test('what expires in the mailbox is never sent', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      person(all, 'bob', 1).hangUp();
      ann.publish('m/bob', 'short', 1, { properties: { messageExpiryInterval: 5 } });
      ann.publish('m/bob', 'long', 1, { properties: { messageExpiryInterval: 50 } });
      all.clock.advance(20_000);
      const bob = new PacketClient(all, 2);
      bob.connect('bob', KEPT);
      bob.settle();
      const got = bob.take('publish');
      assert.equal(String(got.payload), 'long');
      const { messageExpiryInterval } = got.properties as { messageExpiryInterval: number };
      assert.ok(messageExpiryInterval >= 29 && messageExpiryInterval <= 30);
      assert.equal(all.stat(STAT.expired), 1);
    });

    test('groups: members get what members write, once each; who is away finds it waiting', () => {
      const limits = { ...SMALL_LIMITS, broker: { ...SMALL_LIMITS.broker, groupMembersMax: 3 } };
      const all = simulateCluster(workers, limits);
      const members = ['ann', 'bob', 'cid'].map((name, index) => person(all, name, index));
      const eve = person(all, 'eve', 1);
      for (const member of members) assert.deepEqual(member.subscribe('g/7', 1)['granted'], [1]);
      assert.deepEqual(eve.subscribe('g/7', 1)['granted'], [0x97], 'the group is full');
      assert.deepEqual(eve.subscribe('g/#', 1)['granted'], [0x87]);
      const [ann, bob, cid] = members as [PacketClient, PacketClient, PacketClient];
      cid.hangUp();
      ann.publish('g/7', 'hello all', 1);
      assert.deepEqual(ann.acceptAll(), ['hello all']);
      assert.deepEqual(bob.acceptAll(), ['hello all']);
      // Of the two others one has it: the first is the half too.
      assert.deepEqual(ann.acceptAll(), ['g/7 7 1/2']);
      eve.publish('g/7', 'let me in', 1);
      assert.equal(eve.take('puback')['reasonCode'], 0x87);
      assert.deepEqual(bob.acceptAll(), []);
      const back = new PacketClient(all, 0);
      assert.equal(back.connect('cid', KEPT)['sessionPresent'], true);
      assert.deepEqual(back.acceptAll(), ['hello all']);
      assert.deepEqual(ann.acceptAll(), ['g/7 7 2/2']);
      all.turn();
      assert.equal(all.stat(STAT.queued), 0);
      assert.equal(all.stat(STAT.enqueued), all.stat(STAT.dequeued));
      for (const { home } of all.workers) assert.equal(home.mailboxes.arena.usedBytes, 0);
    });

    test('presence: told at once to who asks, then when it changes, and not for a short absence', () => {
      const all = simulateCluster(workers);
      const ann = person(all, 'ann', 0);
      ann.subscribe('p/bob', 0);
      assert.deepEqual(ann.texts(), ['offline']);
      const bob = person(all, 'bob', 1);
      assert.deepEqual(ann.texts(), ['online']);
      bob.hangUp();
      all.clock.advance(5000);
      assert.deepEqual(ann.texts(), []);
      const again = person(all, 'bob', 2);
      assert.deepEqual(ann.texts(), ['online']);
      all.clock.advance(6000);
      assert.deepEqual(ann.texts(), []);
      again.disconnect();
      all.clock.advance(11_000);
      assert.deepEqual(ann.texts(), ['offline']);
      // Nobody but the server says who is there.
      again.settle();
      const eve = person(all, 'eve', 2);
      eve.publish('p/bob', 'online', 1);
      assert.equal(eve.take('puback')['reasonCode'], 0x87);
      assert.deepEqual(ann.texts(), []);
    });
  });
}
