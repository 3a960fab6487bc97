// What is owed over a restart: receipts of messages to groups, at whatever home their sender is now, and what was
// parked. And of a snapshot that was written while the server ran: never more acceptances than there were.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HomeRestore } from '#reference-server/snapshot/home-restore.ts';
import type { SnapshotRecord } from '#reference-server/snapshot/snapshot-record.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import { captured, restarted } from '#reference-server/test/restarted-cluster.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const KEPT = { clean: false, properties: { sessionExpiryInterval: 1000 } };
const MEMBERS = ['bob', 'cid', 'dan', 'eve'];

function login(all: SimulatedCluster, name: string, worker: number): PacketClient {
  const client = new PacketClient(all, worker);
  client.connect(name, KEPT);
  return client;
}

/** A server where ann has written to a group of four who are away, asked for receipts with Correlation Data. */
function written(workers: number): SimulatedCluster {
  const all = simulateCluster(workers);
  for (const [at, name] of [...MEMBERS, 'ann'].entries()) {
    const client = login(all, name, at);
    client.subscribe(`r/${name}`, 1);
    client.subscribe('g/tea', 1, { nl: name === 'ann' });
    if (name !== 'ann') client.hangUp();
    else {
      const properties = { responseTopic: 'r/ann', correlationData: Buffer.from('cup') };
      client.publish('g/tea', 'four', 1, { messageId: 12, properties });
      client.take('puback');
      client.hangUp();
    }
  }
  for (let i = 0; i < 4; i++) all.turn();
  return all;
}

for (const [before, after] of [
  [1, 1],
  [1, 3],
  [3, 1],
  [3, 2],
] as const) {
  test(`receipts of a group, asked with Correlation Data: ${before}, then ${after} workers`, () => {
    let all = written(before);
    const first = login(all, 'bob', 0);
    assert.deepEqual(first.acceptAll(), ['four']);
    first.hangUp();
    all.turn();
    for (const { home } of all.workers) home.settle();
    all.turn();
    all = restarted(all, captured(all), after, SMALL_LIMITS);
    const told: string[] = [];
    const ann = login(all, 'ann', 1);
    for (const name of MEMBERS.slice(1)) {
      const member = login(all, name, 0);
      assert.deepEqual(member.acceptAll(), ['four']);
      all.clock.advance(10);
      for (let i = 0; i < 4; i++) all.turn();
      told.push(...ann.acceptAll());
    }
    assert.deepEqual(told.join('\n').split('\n'), [
      'g/tea 12 1/4 Y3Vw',
      'g/tea 12 2/4 Y3Vw',
      'g/tea 12 4/4 Y3Vw',
    ]);
    for (const { home } of all.workers) {
      const { ledger } = home.groups;
      const rows = Array.from({ length: ledger.rows }, (_, row) => row);
      assert.deepEqual(
        rows.filter((row) => ledger.isOwing(row)),
        [],
        'the last one closes it',
      );
    }
  });
}

test('a copy that was accepted behind the back of the snapshot counts once', () => {
  let all = written(2);
  const records = captured(all).map((record): SnapshotRecord => {
    // Two members have accepted after they were captured, and before the ledger was.
    return record.kind === 'owed' ? { ...record, accepted: 2 } : record;
  });
  all = restarted(all, records, 2, SMALL_LIMITS);
  const ann = login(all, 'ann', 1);
  const told: string[] = [];
  for (const name of MEMBERS) {
    assert.deepEqual(login(all, name, 0).acceptAll(), ['four']);
    all.clock.advance(10);
    for (let i = 0; i < 4; i++) all.turn();
    told.push(...ann.acceptAll());
  }
  assert.deepEqual(
    told.map((text) => text.split(' ')[2]),
    ['1/4', '2/4', '4/4'],
  );
});

test('a ledger that is smaller than it was keeps what it has room for, and answers for nothing else', () => {
  const all = simulateCluster(1);
  const ann = login(all, 'ann', 0);
  const bob = login(all, 'bob', 0);
  for (const client of [ann, bob]) client.subscribe('g/tea', 1, { nl: client === ann });
  ann.subscribe('r/ann', 1);
  bob.hangUp();
  for (let id = 1; id <= 8; id++) {
    ann.publish('g/tea', `${id}`, 1, { messageId: id });
    ann.settle();
  }
  ann.hangUp();
  all.turn();
  const next = simulateCluster(1, { ...SMALL_LIMITS, groupMessagesMax: 5 });
  next.clock.advance(all.clock.monoUs() / 1000);
  const restore = new HomeRestore(next.workers[0]!.home, next.clock, 0, 1);
  for (const record of captured(all)) restore.take(record);
  restore.finish();
  assert.equal(restore.dropped, 3);
  const again = login(next, 'ann', 0);
  again.settle();
  again.heard.length = 0;
  assert.equal(login(next, 'bob', 0).acceptAll().length, 8);
  next.clock.advance(10);
  for (let i = 0; i < 4; i++) next.turn();
  const told = again.acceptAll().join('\n').split('\n');
  assert.deepEqual(
    told.sort(),
    [1, 2, 3, 4, 5].map((id) => `g/tea ${id} 1/1`),
  );
});

test('parked messages are kept, over two restarts, and at most 256 of them', () => {
  const limits = { ...SMALL_LIMITS, redeliveriesMax: 0 };
  let all = simulateCluster(2, limits);
  const ann = login(all, 'ann', 0);
  let bob = login(all, 'bob', 1);
  bob.subscribe('m/bob', 1);
  bob.subscribe('g/tea', 1);
  ann.subscribe('g/tea', 1, { nl: true });
  for (const topic of ['m/bob', 'g/tea', 'm/bob']) {
    ann.publish(topic, `poison on ${topic}`, 1, { messageId: 7 });
    ann.settle();
    bob.settle();
    bob.hangUp();
    for (let i = 0; i < 4; i++) all.turn();
    bob = login(all, 'bob', 1);
  }
  bob.hangUp();
  ann.hangUp();
  all.turn();
  const parked = (): unknown[] =>
    captured(all)
      .filter(({ kind }) => kind === 'parked')
      .map((record) => JSON.parse(JSON.stringify(record)) as unknown);
  const before = parked();
  assert.equal(before.length, 3);
  for (const workers of [1, 3]) {
    all = restarted(all, captured(all), workers, limits);
    assert.deepEqual(parked(), before);
  }
  const one = captured(all).filter(({ kind }) => kind === 'parked');
  const records: SnapshotRecord[] = [{ kind: 'part', worker: 0, rows: 0 }];
  for (let i = 0; i < 100; i++) records.push(...one);
  all = restarted(all, records, 1, limits);
  assert.equal(parked().length, 256);
  const { messages, aside } = all.workers[0]!.home.mailboxes;
  assert.deepEqual([messages, aside.kept, aside.added], [0, 256, 300]);
});
