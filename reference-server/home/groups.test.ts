// Groups and receipts as people see them: k of n, members without room, senders who are away, what is parked.
// One worker and three.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ServerLimits } from '#reference-server/limits.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 0xffff_ffff } };

function person(all: SimulatedCluster, name: string, worker: number, receipts: 0 | 1 = 0) {
  const client = new PacketClient(all, worker);
  client.connect(name, KEPT);
  client.subscribe(`m/${name}`, 1);
  assert.deepEqual(client.subscribe(`r/${name}`, receipts)['granted'], [receipts]);
  return client;
}

interface Got {
  topic: string;
  text: string;
  properties: Record<string, unknown> | undefined;
}

/** Takes what has come, and says so to the server. */
function accept(client: PacketClient): Got[] {
  client.settle();
  const got = client.heard.splice(0).filter(({ cmd }) => cmd === 'publish');
  for (const { messageId, qos } of got) {
    if (qos === 1) client.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0 });
  }
  return got.map(({ topic, payload, properties }) => ({
    topic: String(topic),
    text: String(payload),
    properties: properties as Record<string, unknown> | undefined,
  }));
}

const texts = (client: PacketClient): string[] => accept(client).map(({ text }) => text);

function assertNothingLeft(all: SimulatedCluster): void {
  all.turn();
  assert.equal(all.stat(STAT.queued), 0);
  assert.equal(all.stat(STAT.enqueued), all.stat(STAT.dequeued));
  for (const { home } of all.workers) assert.equal(home.mailboxes.arena.usedBytes, 0);
}

for (const workers of [1, 3]) {
  const cluster = (limits: Partial<ServerLimits> = {}): SimulatedCluster =>
    simulateCluster(workers, { ...SMALL_LIMITS, ...limits });

  describe(`${workers} worker(s)`, () => {
    test('receipts of a group say k of n: the first, the half and the last', () => {
      const all = cluster();
      const members = ['ann', 'm1', 'm2', 'm3', 'm4', 'm5'].map((name, at) =>
        person(all, name, at),
      );
      for (const member of members) member.subscribe('g/tea', 1);
      const [ann, ...others] = members as [PacketClient, ...PacketClient[]];
      ann.publish('g/tea', 'four o clock', 1, { messageId: 12 });
      const heard: string[] = [];
      for (const other of others) {
        assert.deepEqual(
          accept(other).map(({ topic, text }) => [topic, text]),
          [['g/tea', 'four o clock']],
        );
        heard.push(...texts(ann));
      }
      const copy = heard.splice(heard.indexOf('four o clock'), 1);
      assert.equal(copy.length, 1, 'its own copy too');
      assert.deepEqual(heard, ['g/tea 12 1/5', 'g/tea 12 3/5', 'g/tea 12 5/5']);
      assertNothingLeft(all);
    });

    test('one body in each worker that has members, however many copies; freed with the last', () => {
      const all = cluster({ connectionsMax: 300, usersMax: 300 });
      const members = Array.from({ length: 200 }, (_, at) => person(all, `member-${at}`, at));
      for (const member of members) member.subscribe('g/all', 1, { nl: true });
      for (const member of members.slice(1)) member.hangUp();
      const text = 'said once '.repeat(100);
      members[0]!.publish('g/all', text, 1);
      assert.equal(members[0]!.take('puback')['reasonCode'], 0);
      assert.equal(all.stat(STAT.queued), 199);
      const used = all.workers.map(({ home }) => home.mailboxes.arena.usedBytes);
      assert.ok(
        used.every((bytes) => bytes <= 2048),
        `${used} bytes of blocks for 199 kB of copies`,
      );
      for (let at = 1; at < 200; at++) {
        const back = new PacketClient(all, at);
        back.connect(`member-${at}`, KEPT);
        assert.deepEqual(texts(back), [text]);
      }
      assert.deepEqual(
        texts(members[0]!),
        [1, 100, 199].map((k) => `g/all 7 ${k}/199`),
      );
      assertNothingLeft(all);
    });

    test('members without room are named; the message is stored for the others', () => {
      const all = cluster({ mailboxMessagesMax: 2 });
      const [ann, bob, cid] = ['ann', 'bob', 'cid'].map((name, at) => person(all, name, at)) as [
        PacketClient,
        PacketClient,
        PacketClient,
      ];
      for (const member of [ann, bob, cid]) member.subscribe('g/x', 1, { nl: true });
      cid.hangUp();
      for (let i = 0; i < 2; i++) ann.publish('m/cid', 'full', 1);
      ann.heard.length = 0;
      ann.publish('g/x', 'news', 1, { messageId: 3 });
      assert.equal(ann.heard.find(({ cmd }) => cmd === 'puback')?.['reasonCode'], 0);
      assert.deepEqual(texts(bob), ['news']);
      assert.deepEqual(texts(ann), ['g/x 3 refused cid', 'g/x 3 1/1']);
      // Nobody has room: then the message is nowhere, and the sender is told so.
      bob.subscribe('g/x', 0);
      ann.publish('g/x', 'more', 1, { messageId: 4 });
      assert.equal(ann.take('puback')['reasonCode'], 0x97);
      assert.equal(all.stat(STAT.queueRefused), 2);
    });

    test('a group with Response Topic: receipts carry the Correlation Data', () => {
      const all = cluster();
      const [ann, bob] = ['ann', 'bob'].map((name, at) => person(all, name, at)) as [
        PacketClient,
        PacketClient,
      ];
      for (const member of [ann, bob]) member.subscribe('g/x', 1, { nl: true });
      const correlationData = Buffer.from('id 1');
      const properties = { responseTopic: 'r/ann', correlationData, contentType: 'text' };
      ann.publish('g/x', 'hi', 1, { messageId: 5, properties });
      const [got] = accept(bob);
      assert.equal(got?.properties?.['contentType'], 'text');
      all.clock.advance(6);
      assert.deepEqual(texts(ann), [`g/x 5 1/1 ${correlationData.toString('base64url')}`]);
      // Another Response Topic: the members answer, and not the server.
      ann.publish('g/x', 'hi', 1, { properties: { ...properties, responseTopic: 'r/bob' } });
      accept(bob);
      all.clock.advance(6);
      assert.deepEqual(texts(ann), []);
      assertNothingLeft(all);
    });

    test('subscription identifiers, QoS 0 members and messages, leaving, ends of sessions', () => {
      const all = cluster();
      const [ann, bob, cid] = ['ann', 'bob', 'cid'].map((name, at) => person(all, name, at)) as [
        PacketClient,
        PacketClient,
        PacketClient,
      ];
      ann.subscribe('g/x', 1, { nl: true });
      bob.subscribe('g/x', 1, {}, { subscriptionIdentifier: 77 });
      assert.deepEqual(cid.subscribe('g/x', 0)['granted'], [0]);
      ann.publish('g/x', 'one', 1);
      assert.equal(accept(bob)[0]?.properties?.['subscriptionIdentifier'], 77);
      assert.deepEqual(texts(cid), ['one']);
      assert.deepEqual(texts(ann), ['g/x 7 1/1'], 'QoS 0 members count for nothing');
      ann.publish('g/x', 'two', 0);
      assert.deepEqual([texts(bob), texts(cid)], [['two'], ['two']]);
      bob.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['g/x'] });
      ann.publish('g/x', 'three', 1);
      assert.deepEqual([texts(bob), texts(cid)], [[], ['three']]);
      const again = new PacketClient(all, 2);
      again.connect('cid', { clean: true });
      ann.publish('g/x', 'four', 1);
      assert.deepEqual(texts(again), [], 'a new session is in no group');
      const end = new PacketClient(all, 1);
      end.connect('ann', { clean: true });
      all.turn();
      assert.equal(all.stat(STAT.memberships), 0);
      assert.ok(
        all.interest.every((word) => word === 0),
        'no group is left in shared memory',
      );
    });

    test('receipts with QoS 1 wait for a sender who is away, gathered, and are accepted once', () => {
      const all = cluster();
      const ann = person(all, 'ann', 0, 1);
      const bob = person(all, 'bob', 1);
      for (let id = 1; id <= 150; id++) ann.publish('m/bob', `${id}`, 1, { messageId: id });
      ann.hangUp();
      // In windows of twenty, each of which is gathered for itself.
      for (let got = 0; got < 150; all.clock.advance(6)) {
        got += accept(bob).length;
        all.turn();
      }
      for (let i = 0; i < 4; i++) all.turn();
      assert.equal(all.stat(STAT.queued), 2, '150 receipts in two messages');
      const back = new PacketClient(all, 2);
      back.connect('ann', KEPT);
      const got = accept(back);
      assert.deepEqual(new Set(got.map(({ topic }) => topic)), new Set(['r/ann']));
      const lines = got.flatMap(({ text }) => text.split('\n'));
      assert.deepEqual(
        lines,
        Array.from({ length: 150 }, (_, at) => `bob ${at + 1}`),
      );
      assertNothingLeft(all);
      back.hangUp();
      const third = new PacketClient(all, 2);
      third.connect('ann', KEPT);
      assert.deepEqual(texts(third), [], 'accepted receipts are gone, and cause none');
    });

    test('receipts expire, have a share of the mailbox, and give it to messages', () => {
      const limits = { ...SMALL_LIMITS.receipts, expiryS: 60 };
      const all = cluster({ mailboxMessagesMax: 8, receipts: limits });
      const ann = person(all, 'ann', 0, 1);
      const bob = person(all, 'bob', 1);
      const away = (id: number): void => {
        bob.publish('m/ann', `from bob ${id}`, 1, { messageId: id });
      };
      // Between two messages to her there is a node of receipts each time: two of them is her share.
      for (let id = 1; id <= 4; id++) ann.publish('m/bob', `${id}`, 1, { messageId: id });
      ann.hangUp();
      bob.settle();
      const ids = bob.heard
        .splice(0)
        .flatMap(({ cmd, messageId }) => (cmd === 'publish' ? [messageId as number] : []));
      for (const [at, messageId] of ids.entries()) {
        bob.send({ cmd: 'puback', messageId, reasonCode: 0 });
        all.clock.advance(6);
        bob.settle();
        if (at < 3) away(at + 10);
      }
      assert.equal(all.stat(STAT.receiptsDropped), 2);
      assert.equal(all.stat(STAT.queued), 5);
      // Five more fit only when the receipts go.
      for (let id = 20; id < 25; id++) away(id);
      all.turn();
      assert.equal(all.stat(STAT.queued), 8);
      assert.equal(all.stat(STAT.receiptsDropped), 4);
      assert.equal(all.stat(STAT.withheld), 0);
      const back = new PacketClient(all, 2);
      back.connect('ann', KEPT);
      assert.equal(accept(back).length, 8);
      // One that waits longer than it is worth.
      back.publish('m/bob', 'late', 1);
      back.hangUp();
      accept(bob);
      all.clock.advance(6);
      bob.settle();
      all.clock.advance(61_000);
      const last = new PacketClient(all, 0);
      last.connect('ann', KEPT);
      assert.deepEqual(texts(last), []);
      assert.equal(all.stat(STAT.expired), 1);
      assertNothingLeft(all);
    });

    test('a single receipt with QoS 1 has the Correlation Data as its property', () => {
      const all = cluster();
      const ann = person(all, 'ann', 0, 1);
      const bob = person(all, 'bob', 1);
      const properties = { responseTopic: 'r/ann', correlationData: Buffer.from('c') };
      ann.publish('m/bob', 'x', 1, { properties });
      accept(bob);
      all.clock.advance(6);
      const [got] = accept(ann);
      assert.equal(String(got?.properties?.['correlationData']), 'c');
      assert.equal(got?.text, `bob 7 ${Buffer.from('c').toString('base64url')}`);
      assertNothingLeft(all);
    });

    test('the sender is told of a message that was parked, alone or in a group', () => {
      const all = cluster({ redeliveriesMax: 1 });
      const ann = person(all, 'ann', 0);
      const bob = person(all, 'bob', 1);
      for (const member of [ann, bob]) member.subscribe('g/x', 1, { nl: true });
      bob.hangUp();
      ann.publish('m/bob', 'poison', 1, { messageId: 4 });
      ann.publish('g/x', 'poison too', 1, { messageId: 5 });
      ann.publish('m/bob', 'good', 1, { messageId: 6 });
      for (let i = 0; i < 4; i++) {
        const crashing = new PacketClient(all, i);
        crashing.connect('bob', KEPT);
        crashing.hangUp();
      }
      assert.deepEqual(texts(ann), ['bob 4 parked', 'g/x 5 parked bob']);
      const well = new PacketClient(all, 0);
      well.connect('bob', KEPT);
      assert.deepEqual(texts(well), ['good']);
      assert.deepEqual(texts(ann), ['bob 6']);
      all.turn();
      assert.equal(all.stat(STAT.parked), 2);
      assert.equal(all.stat(STAT.enqueued), all.stat(STAT.dequeued));
    });

    test('who logs in over itself again and again parks nothing', () => {
      const all = cluster({ redeliveriesMax: 1 });
      const ann = person(all, 'ann', 0);
      person(all, 'bob', 1);
      ann.publish('m/bob', 'patient', 1);
      for (let i = 0; i < 10; i++) new PacketClient(all, i).connect('bob', KEPT);
      const last = new PacketClient(all, 0);
      last.connect('bob', KEPT);
      assert.deepEqual(texts(last), ['patient']);
      assert.equal(all.stat(STAT.parked), 0);
    });
  });
}
