import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JudgedStep, judgeStep, summaryOf } from '#lab/ladder/step-judge.ts';

const STOP = {
  freeBytesMin: 0,
  latencyP99MsMax: 100,
  latenessP99MsMax: 50,
  lostMessagesMax: 0,
  duplicatesMax: 0,
  queueLengthMax: 1000,
  drainMsMax: 20_000,
};
const GOOD: JudgedStep = {
  latencyUs: { p50: 1000, p99: 90_000, p999: 99_000, max: 400_000 },
  latenessUsP99: 49_000,
  messages: { sent: 10, received: 10, lost: 0, errors: 0, duplicates: 0 },
  queueLengthMax: 1000,
  drain: { queued: 12, predictedS: 1, seenS: 2 },
  disturbance: null,
};

test('each rule is broken by itself, and says by how much', () => {
  assert.deepEqual(judgeStep(GOOD, STOP), { outcome: 'held', sentence: 'held' });
  const broken: [Partial<JudgedStep>, RegExp][] = [
    [{ latencyUs: { ...GOOD.latencyUs, p99: 101_000 } }, /latency p99 was 101 ms/],
    [{ latenessUsP99: 51_000 }, /generator was late, p99 51 ms/],
    [{ messages: null }, /left no summary/],
    [{ messages: { ...GOOD.messages!, lost: 1 } }, /1 messages were lost/],
    [
      { messages: { ...GOOD.messages!, lost: 9, unfinished: 7 } },
      /^9 messages were lost, 7 of them still on/,
    ],
    [{ messages: { ...GOOD.messages!, sent: 980, errors: 20 } }, /^20 messages could not be sent$/],
    [{ messages: { ...GOOD.messages!, duplicates: 3 } }, /3 messages arrived twice/],
    [{ queueLengthMax: 1001 }, /1,001 messages were queued/],
    [{ drain: { queued: 12, predictedS: 1, seenS: null } }, /not empty 20 s after the last/],
  ];
  for (const [change, sentence] of broken) {
    const { outcome, sentence: said } = judgeStep({ ...GOOD, ...change }, STOP);
    assert.equal(outcome, 'stopped');
    assert.match(said, sentence);
  }
  const few = { ...GOOD.messages!, sent: 995, errors: 5 };
  assert.equal(judgeStep({ ...GOOD, messages: few }, STOP).outcome, 'held');
  // Several hosts have no drain.
  assert.equal(judgeStep({ ...GOOD, drain: null }, STOP).outcome, 'held');
});

test('the totals of a generator are those of its last line', () => {
  const { messages } = summaryOf(
    '{"messages":{"sent":9,"received":5,"lost":4,"unfinished":3,"errors":2,"unmatched":1},"connections":{}}',
  );
  const expected = { sent: 9, received: 5, lost: 4, unfinished: 3, errors: 2, duplicates: 1 };
  assert.deepEqual(messages, expected);
});

test('a generator that was killed has no totals', () => {
  const { messages, clientAddresses, loadBytesPerUser } = summaryOf('{"messages":{"se');
  assert.deepEqual([messages, clientAddresses, loadBytesPerUser], [null, null, null]);
});
