// The sweep over real mailboxes, against a count of our own: totals, classes of lengths, the longest with their
// rates, ages; cut into slices of any size it finds the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { USER } from '#reference-server/home/user-state.ts';
import { DEFAULT_LIMITS, mailboxLimits } from '#reference-server/limits.ts';
import { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import { MailboxSweep, STUCK_S, TOP_COUNT } from '#reference-server/statistics/mailbox-sweep.ts';

const USERS = 5000;
const sender = { worker: 0, row: -1, generation: 0, packetId: 1 };
const payload = new Uint8Array(32);

function filled(lengthOf: (user: number) => number, nowS = () => 1): Mailboxes {
  const limits = { ...DEFAULT_LIMITS, usersMax: USERS, messagesMax: 100_000 };
  const mailboxes = new Mailboxes(mailboxLimits(limits), (into) => void (into[0] = nowS() * 1000));
  for (let user = 0; user < USERS; user++) {
    mailboxes.open(user);
    for (let i = 0; i < lengthOf(user); i++) mailboxes.put(user, payload, 0, 32, sender);
  }
  return mailboxes;
}

const memoryOf = (mailboxes: Mailboxes, flags = new Uint16Array(USERS)) => ({
  boxes: () => mailboxes.boxes.touched,
  flow: mailboxes.boxes.flow,
  flags,
});

test('totals, classes and the longest, whatever the size of a slice', () => {
  const lengths = (user: number): number => (user % 3 === 0 ? 0 : (user * 7919) % 18);
  const workers = [filled(lengths), filled((user) => (user === 4321 ? 700 : 0))];
  for (const slice of [1, 17, 4096, 1_000_000]) {
    const sweep = new MailboxSweep(
      workers.map((one) => memoryOf(one)),
      () => 1,
    );
    let slices = 1;
    while (!sweep.slice(slice)) slices++;
    const boxes = workers.reduce((sum, { boxes: { touched } }) => sum + touched, 0);
    assert.ok(slices >= Math.floor(boxes / slice), 'it was cut');
    const { messages, nonempty, longest, lengthClasses, top } = sweep.result;
    const all = Array.from({ length: USERS }, (_, user) => lengths(user)).filter((own) => own > 0);
    assert.equal(messages, all.reduce((sum, own) => sum + own, 0) + 700);
    assert.equal(messages, workers[0]!.messages + workers[1]!.messages);
    assert.equal(nonempty, all.length + 1);
    assert.equal(longest, 700);
    assert.equal(lengthClasses[1], all.filter((own) => own === 2 || own === 3).length);
    assert.equal(lengthClasses[9], 1, '512 to 1023');
    assert.equal(top.length, TOP_COUNT);
    assert.deepEqual({ worker: top[0]!.worker, row: top[0]!.row }, { worker: 1, row: 4321 });
    assert.ok(
      top.every(({ report }, at) => at === 0 || report.length <= top[at - 1]!.report.length),
    );
  }
});

test('rates, ages, delay and drain of one mailbox; accepted, cleared and reopened', () => {
  let nowS = 100;
  const mailboxes = filled(
    () => 0,
    () => nowS,
  );
  mailboxes.endTurn();
  const sweep = new MailboxSweep([memoryOf(mailboxes)], () => nowS);
  const put = (count: number): void => {
    mailboxes.endTurn();
    for (let i = 0; i < count; i++) assert.ok(mailboxes.put(7, payload, 0, 32, sender) >= 0);
  };
  put(200);
  assert.equal(sweep.finish().oldestAgeS, 0);
  for (let second = 0; second < 30; second++) {
    nowS++;
    put(2);
    for (let i = 0; i < 5; i++) {
      const node = mailboxes.take(7, false);
      assert.ok(mailboxes.accept(7, mailboxes.packetId(node)));
    }
    sweep.finish();
  }
  const { report } = sweep.result.top[0]!;
  assert.equal(report.length, 110);
  assert.ok(
    Math.abs(report.enqueuePerS[1]! - 2) < 1e-9 && Math.abs(report.dequeuePerS[1]! - 5) < 1e-9,
  );
  assert.equal(report.delayS.toFixed(1), '22.0');
  assert.equal(report.drainS.toFixed(1), (110 / 3).toFixed(1));
  assert.equal(report.oldestAgeS, 30, 'the first of the 200 that is left');
  assert.equal(sweep.result.oldestAgeS, 30);
  mailboxes.clear(7);
  assert.equal(sweep.finish().messages, 0);
  assert.equal(sweep.result.oldestAgeS, 0);
});

test('stuck is who is there and does not accept; an absence is none', () => {
  let nowS = 1000;
  const mailboxes = filled(
    (user) => (user < 50 ? 1 : 0),
    () => nowS,
  );
  const flags = new Uint16Array(USERS);
  for (const user of [7, 8, 60]) flags[user] = USER.online;
  const sweep = new MailboxSweep([memoryOf(mailboxes, flags)], () => nowS);
  nowS += STUCK_S - 1;
  assert.equal(sweep.finish().stuck, 0);
  nowS++;
  assert.equal(sweep.finish().stuck, 2);
  assert.deepEqual(sweep.result.stuckTop, [
    { worker: 0, row: 7, oldestS: 1000 },
    { worker: 0, row: 8, oldestS: 1000 },
  ]);
  mailboxes.take(7, true);
  mailboxes.acceptWritten(7);
  assert.deepEqual(sweep.finish().stuckTop, [{ worker: 0, row: 8, oldestS: 1000 }]);
});
