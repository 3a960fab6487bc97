import assert from 'node:assert/strict';
import test from 'node:test';
import { TurnQueue, UserTable } from '#loadgen/user-table.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

test('packet ids run from 1 to 65535 and round again', () => {
  const users = new UserTable(0, 1, 1, 0);
  const ids = Array.from({ length: 65_536 }, () => users.nextPacketId(0));
  assert.deepEqual([ids[0], ids[65_534], ids[65_535]], [1, 65_535, 1]);
});

test('a user costs less than 64 bytes', () => {
  const users = new UserTable(0, 1000, 1000, 0);
  const bytes = Object.values(users)
    .filter((value) => ArrayBuffer.isView(value))
    .reduce((sum, array) => sum + array.byteLength, 0);
  assert.ok(bytes + 8 * 1000 < 64 * 1000, `${bytes / 1000} bytes and 8 of the queue`);
});

test('turns come in order, and round the end of the queue', () => {
  const queue = new TurnQueue(3);
  assert.equal(queue.readyMs, Number.POSITIVE_INFINITY);
  for (let round = 0; round < 5; round++) {
    queue.push(round, 10 * round);
    queue.push(100 + round, 10 * round + 5);
    assert.equal(queue.readyMs, 10 * round);
    assert.deepEqual([queue.shift(), queue.shift(), queue.size], [round, 100 + round, 0]);
  }
  for (let user = 0; user < 3; user++) queue.push(user, 0);
  assert.throws(() => queue.push(3, 0), /one turn at a time/);
});

test('those who wait from the start have the first turns, in order, and cost no memory', () => {
  const queue = new TurnQueue(3, 2);
  assert.deepEqual([queue.size, queue.readyMs, queue.shift()], [2, 0, 0]);
  queue.push(2, 7);
  queue.push(0, 9);
  assert.throws(() => queue.push(3, 9), /one turn at a time/);
  assert.deepEqual([queue.readyMs, queue.shift(), queue.readyMs], [0, 1, 7]);
  assert.deepEqual([queue.shift(), queue.shift(), queue.size], [2, 0, 0]);
});

test('workers share the users exactly', () => {
  for (const [users, workers] of [
    [1, 1],
    [10, 3],
    [1_000_003, 7],
    [64, 64],
  ] as const) {
    let next = 0;
    for (let index = 0; index < workers; index++) {
      const { first, count } = shareOfUsers(users, workers, index);
      assert.equal(first, next);
      assert.ok(count >= Math.floor(users / workers) && count <= Math.ceil(users / workers));
      next += count;
    }
    assert.equal(next, users);
  }
});
