// Seconds of an agent: waited for, taken with the second of the others, and none lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostMember } from '#loadgen/hosts/host-member.ts';
import { segmentOf } from '#loadgen/hosts/segment.ts';
import { createBoard, sumBoards } from '#loadgen/worker-board.ts';

const S = 1_000_000;

function told(second: number, errorUs = 0) {
  const counts = { ...sumBoards([createBoard()]), sent: second };
  return { atUs: second * S + errorUs, counts, histograms: { latency: String(second) } };
}

test('a second is that of all hosts, whatever the clocks are apart and who tells first', () => {
  const member = new HostMember('a', segmentOf(10, 2, 0));
  assert.equal(member.hasTold(5 * S), true, 'who has told nothing yet is not waited for');
  member.tell(told(5, -400_000));
  assert.equal(member.hasTold(5 * S), true);
  assert.equal(member.hasTold(6 * S), false);
  member.tell(told(6, 400_000));
  assert.deepEqual(member.take(5 * S), [{ latency: '5' }], 'the next one waits for its turn');
  assert.equal(member.counts?.sent, 5);
  member.tell(told(7));
  assert.deepEqual(
    member.take(7 * S),
    [{ latency: '6' }, { latency: '7' }],
    'a late one with the next',
  );
  assert.equal(member.counts?.sent, 7);
  assert.deepEqual(member.take(8 * S), []);
  assert.equal(member.hasTold(8 * S), false);
  member.isLost = true;
  assert.equal(member.hasTold(8 * S), true, 'nobody waits for who is gone');
});

test('seconds that nobody takes are bounded, and their histograms are handed back', () => {
  const member = new HostMember('a', segmentOf(10, 2, 0));
  const back = Array.from({ length: 20 }, (_, second) => member.tell(told(second)));
  assert.deepEqual(
    back.flatMap((histograms) => Object.values(histograms)),
    ['0', '1', '2', '3'],
  );
  assert.equal(member.take(Number.POSITIVE_INFINITY).length, 16);
});
