// What failed is told once a file; what was skipped once a reason, with how many tests it was.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import testOutcomes, { readOutcomes } from '#scripts/test-outcomes.ts';

type TestEvent = Parameters<typeof testOutcomes>[0] extends AsyncIterable<infer E> ? E : never;

async function outcomesOf(...events: TestEvent[]): Promise<ReturnType<typeof readOutcomes>> {
  async function* all() {
    yield* events;
  }
  const parts: string[] = [];
  for await (const part of testOutcomes(all())) parts.push(part);
  return readOutcomes(parts.join(''));
}

const passed = (skip: string | boolean): TestEvent => ({ type: 'test:pass', data: { skip } });

test('tests of one reason are one line; nothing is said when nothing was skipped', async () => {
  const skips = ['tshark\nmissing', false, 'tshark\nmissing', true, false];
  assert.deepEqual(await outcomesOf(...skips.map(passed)), {
    failed: [],
    skippedText: '\nskipped here, and why:\n  2 x tshark\nmissing\n  1 x no reason given\n',
  });
  assert.equal((await outcomesOf(passed(false))).skippedText, '');
});

test('a file with several failed tests is named once', async () => {
  const failed = (file: string): TestEvent => ({ type: 'test:fail', data: { file } });
  const outcomes = await outcomesOf(failed('a'), failed('b'), failed('a'), passed(false));
  assert.deepEqual(outcomes, { failed: ['a', 'b'], skippedText: '' });
});
