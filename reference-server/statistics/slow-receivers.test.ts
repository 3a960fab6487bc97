// The three clocks over real mailboxes and a clock of our own; the bounds of the table; and a real server with a
// receiver that takes its time, beside one that does not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LIMITS, mailboxLimits } from '#reference-server/limits.ts';
import { FLOW, FLOW_WORDS } from '#reference-server/mailbox/mailbox-limits.ts';
import { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import {
  IDLE_S,
  RECEIVERS_MAX,
  readSlowReceivers,
  SlowReceivers,
} from '#reference-server/statistics/slow-receivers.ts';
import { client, startServer } from '#reference-server/test/running-server.ts';

const sender = { worker: 0, row: -1, generation: 0, packetId: 1 };
const payload = new Uint8Array(32);

/** Mailboxes of 10 users; `pass` ends a turn and lets time go by. */
function build() {
  let nowMs = 1_900_000_000_000;
  const limits = { ...DEFAULT_LIMITS, usersMax: 10, messagesMax: 100 };
  const boxes = new Mailboxes(mailboxLimits(limits), (into) => void (into[0] = nowMs));
  for (let user = 0; user < 10; user++) boxes.open(user);
  return {
    boxes,
    pass(ms: number) {
      nowMs += ms;
      boxes.endTurn();
    },
    listed: () => readSlowReceivers([boxes.slow.cells], nowMs / 1000, 20).top,
  };
}

test('whole = internal + response; who answers in time is not listed', () => {
  const { boxes, pass, listed } = build();
  for (const user of [3, 4]) boxes.put(user, payload, 0, 32, sender);
  pass(4000);
  const node = boxes.take(3, false);
  const other = boxes.take(4, false);
  pass(499);
  assert.ok(boxes.accept(4, boxes.packetId(other)));
  pass(501);
  assert.ok(boxes.accept(3, boxes.packetId(node)));
  assert.deepEqual(listed(), [
    { worker: 0, row: 3, wholeMs: 5000, internalMs: 4000, responseMs: 1000, count: 1 },
  ]);
  // The second slow one weighs a quarter, and counts from when it was sent last.
  boxes.put(3, payload, 0, 32, sender);
  boxes.take(3, false);
  pass(60_000);
  boxes.rewind(3);
  const again = boxes.take(3, false);
  pass(3000);
  assert.ok(boxes.accept(3, boxes.packetId(again)));
  const [only] = listed();
  assert.deepEqual([only!.responseMs, only!.wholeMs], [1500, 5000 + (63_000 - 5000) / 4]);
  boxes.open(3);
  assert.deepEqual(listed(), []);
});

test('with statistics off nobody is listed and no figure of a mailbox moves', () => {
  const { boxes, pass, listed } = build();
  boxes.hasStatistics = false;
  boxes.put(3, payload, 0, 32, sender);
  const node = boxes.take(3, false);
  pass(10_000);
  assert.ok(boxes.accept(3, boxes.packetId(node)));
  assert.deepEqual(listed(), []);
  assert.ok(boxes.boxes.flow.every((word, at) => word === 0 || at % FLOW_WORDS === FLOW.user));
});

test('the table keeps the slowest, counts who found no place, and forgets who is quick again', () => {
  const slow = new SlowReceivers();
  const receivers = 4 * RECEIVERS_MAX;
  for (let row = 0; row < receivers; row++) slow.note(row, 2000 + row, 1000 + row, 100);
  const report = readSlowReceivers([slow.cells], 100, 5);
  assert.equal(report.count, RECEIVERS_MAX);
  assert.equal(report.top[0]!.row, receivers - 1);
  for (let row = 0; row < 100; row++) slow.note(row, 600, 500, 100);
  assert.equal(readSlowReceivers([slow.cells], 100, 5).refused, 100);
  assert.equal(readSlowReceivers([slow.cells], 101 + IDLE_S, 5).count, 0);
  slow.note(7, 600, 500, 101 + IDLE_S);
  const after = readSlowReceivers([slow.cells], 101 + IDLE_S, 5);
  assert.deepEqual(
    after.top.map(({ row }) => row),
    [7],
  );
});

test('a receiver that takes 700 ms: in the rows, in $SYS with its clocks, as an alert; others are not', async (t) => {
  const server = await startServer(t, ['--lab', '--workers', '2', '--sys-interval', '1']);
  const topics = new Map<string, string>();
  const eye = await client(t, server, { clientId: 'eye' }, ({ topic, text }) => {
    topics.set(topic, text);
  });
  await eye.subscribeAsync('$SYS/#', { qos: 0 });
  const tardy = await client(t, server, { clientId: 'tardy' });
  // npm mqtt acknowledges when the message has been handled.
  tardy.handleMessage = (_packet, done) => void setTimeout(done, 700);
  const quick = await client(t, server, { clientId: 'quick' });
  await tardy.subscribeAsync('m/tardy', { qos: 1 });
  await quick.subscribeAsync('m/quick', { qos: 1 });
  for (let i = 0; i < 8; i++) {
    await eye.publishAsync('m/tardy', 'x', { qos: 1 });
    await eye.publishAsync('m/quick', 'x', { qos: 1 });
  }
  const values = await server.values((value) => value('receivers.slow') === 1, 'new');
  assert.ok(values['wsar.server.receivers.slow_response']! >= 650);
  await server.values((value) => value('alerts') === 1 && value('queue.length') === 0, 'new');
  assert.match(server.command.stderr(), /alert slow-receivers raised: 1 receivers accept messages/);
  const told = JSON.parse(topics.get('$SYS/broker/receivers/slow/0')!);
  assert.ok(told.responseMs >= 650 && told.internalMs >= 0);
  assert.ok(Math.abs(told.wholeMs - told.internalMs - told.responseMs) <= 2, JSON.stringify(told));
  assert.ok(!topics.has('$SYS/broker/receivers/slow/1'));
});
