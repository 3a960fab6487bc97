// What was skipped is said once a reason, with how many tests it was.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import skippedTests from '#scripts/skipped-tests.ts';

async function* eventsOf(...skips: (string | boolean)[]) {
  for (const skip of skips) yield { type: 'test:pass', data: { skip } };
}

async function textOf(events: AsyncIterable<{ type: string; data: { skip?: string | boolean } }>) {
  const parts: string[] = [];
  for await (const part of skippedTests(events)) parts.push(part);
  return parts.join('');
}

test('tests of one reason are one line; nothing is said when nothing was skipped', async () => {
  assert.equal(
    await textOf(eventsOf('tshark missing', false, 'tshark missing', true, false)),
    '\nskipped here, and why:\n  2 x tshark missing\n  1 x no reason given\n',
  );
  assert.equal(await textOf(eventsOf(false)), '');
});
