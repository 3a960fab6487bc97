// Members of groups whom the server refused, known on all hosts: a message is complete without them.

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { decodeUsers, encodeUsers } from '#loadgen/hosts/refused-members.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startAgentLab, summaryOf } from '#loadgen/test/two-agents.ts';

test('a list of users comes back as it was told', () => {
  const users = fc.uniqueArray(fc.integer({ min: 0, max: 89_999_999 }), { maxLength: 200 });
  fc.assert(
    fc.property(users, (some) => {
      some.sort((a, b) => a - b);
      assert.deepEqual(decodeUsers(encodeUsers(some)), some);
    }),
  );
  // A scenario of one's own may have large groups.
  const all = Array.from({ length: 400_000 }, (_, i) => 3 * i);
  assert.deepEqual(decodeUsers(encodeUsers(all)), all);
});

test('two hosts: nothing is expected at members who were refused, wherever they are', async (t) => {
  const broker = await startFakeBroker(t, { refusesMember: (uid) => uid % 3 === 2 });
  const { population } = await startAgentLab(t, 'refused');
  const run = population(
    ...['--target', broker.url, '--connections', '120', '--rate', '100/s', '--duration', '3s'],
    ...['--engine', 'net', '--session-length', '3h'],
  );
  assert.equal(await run.exit(), 0, run.stderr());
  const { people, messages, warnings } = summaryOf(run);
  assert.ok(people!.refused > 20 && people!.groupMessages > 30, JSON.stringify(people));
  assert.match(warnings.join(), /the server refused \d+ memberships of groups/);
  assert.deepEqual(
    [people!.groupComplete, people!.groupReceived, messages.lost],
    [people!.groupMessages, people!.groupExpected, 0],
  );
});
