// Users who come and go over several hosts: who is away at an instant by arithmetic, beside what a host does with its
// own users, and agents that write to nobody who is away.

import assert from 'node:assert/strict';
import test from 'node:test';
import { AwayUsers } from '#loadgen/hosts/away-users.ts';
import {
  awayMsOf,
  gatherMsOf,
  lingerMsOf,
  restMsOf,
  SessionClock,
  sessionMsOf,
} from '#loadgen/session-clock.ts';
import { startAgentLab, summaryOf } from '#loadgen/test/two-agents.ts';
import { USER, UserTable } from '#loadgen/user-table.ts';
import { startWsar } from '#test/command.ts';

const PLAN = { sessionMs: 4000, awayMs: 2000 };
const SEED = 7;
const DURATION_MS = 40_000;
const GRACE_MS = 1000;
const START_US = 5e9;
const ELSEWHERE = { first: 1000, count: 10 };

/** Spans in which a user is there, from the draws one after the other, ms after the start. */
function spansOf(user: number): [number, number][] {
  const gatherMs = DURATION_MS - gatherMsOf(DURATION_MS);
  const spans: [number, number][] = [];
  let begin = Number.NEGATIVE_INFINITY;
  let end = restMsOf(PLAN, SEED, user);
  for (let session = 1; begin <= gatherMs; session++) {
    const faded = end - lingerMsOf(PLAN);
    // In the last part nobody leaves.
    spans.push([begin + GRACE_MS, faded > gatherMs ? Number.POSITIVE_INFINITY : faded]);
    if (end > gatherMs) return spans;
    begin = end + awayMsOf(PLAN, SEED, user, session);
    end = begin + sessionMsOf(PLAN, SEED, user, session);
  }
  const backMs = DURATION_MS - gatherMsOf(DURATION_MS) / 2;
  spans.push([Math.min(begin, backMs) + GRACE_MS, Number.POSITIVE_INFINITY]);
  return spans;
}

test('who is away follows from the plan at any instant, in any order; own users are known better', () => {
  const away = new AwayUsers(PLAN, SEED, ELSEWHERE, { startUs: START_US }, DURATION_MS);
  let gone = 0;
  for (let look = 0; look < 20_000; look++) {
    const user = (look * 7919) % 300;
    const ms = ((look * 104_729) % 421_000) / 10;
    const isThere = spansOf(user).some(([from, until]) => ms >= from && ms < until);
    assert.equal(away.isAway(user, START_US + ms * 1000), !isThere, `user ${user} at ${ms} ms`);
    if (!isThere) gone++;
  }
  // Of 6 s there are 2.6 between the login and the goodbye.
  assert.ok(gone > 8000 && gone < 14_000, `${gone}`);
  for (let user = 1000; user < 1010; user++) {
    assert.ok(away.isHere(user) && !away.isAway(user, START_US + 3_000_000));
  }
});

test('a host lets its own users go and come at the times of the plan, cut off or not', () => {
  const users = new UserTable(0, 100, 100, START_US);
  users.state.fill(USER.ready);
  const clock = new SessionClock(PLAN, users, SEED, { startUs: START_US }, START_US);
  const backMs = new Float64Array(100);
  for (let user = 0; user < 100; user++) clock.ready(user, START_US);
  let goodbyes = 0;
  for (let ms = 10; ms < 30_000; ms += 10) {
    const nowUs = START_US + ms * 1000;
    for (let user = 0; user < 100; user++) {
      // One in five loses his connection now and then, and is back at once.
      const isCut = user % 5 === 0 && ms % 1700 === 0 && backMs[user] === 0;
      if (isCut) clock.forget(user);
      if (!isCut && (backMs[user] === 0 || ms < backMs[user]!)) continue;
      backMs[user] = 0;
      clock.ready(user, nowUs);
    }
    const leave = (user: number): void => {
      goodbyes++;
      backMs[user] = ms + Math.max(1, clock.awayMs(user, nowUs));
    };
    clock.turn(nowUs, leave, (user) => {
      const ends = spansOf(user).map(([, faded]) => faded);
      // A session that is shorter than the look of 10 ms, or its last moment, is taken when it is seen.
      const off = Math.min(...ends.map((faded) => Math.abs(ms - faded)));
      assert.ok(off <= 450, `user ${user} fades at ${ms} ms, ${off} ms from the plan`);
    });
  }
  // 100 users, 6 s a round.
  assert.ok(goodbyes > 350 && goodbyes < 650, `${goodbyes}`);
});

test('three agents: users come and go everywhere, and nobody is written to while he is away', async (t) => {
  const { population } = await startAgentLab(t, 'away', 3);
  const server = startWsar(t, ['serve', '--port', '0', '--lab']);
  const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
  const run = population(
    ...['--target', url!, '--connections', '300', '--rate', '200/s', '--duration', '8s'],
    ...['--session-length', '4s', '--away', '2s'],
  );
  assert.equal(await run.exit(), 0, run.stderr());
  const { people, messages, connections } = summaryOf(run);
  assert.deepEqual([connections.loggedIn, connections.lost], [300, 0]);
  // 300 users, 6 s a round.
  const { reconnects } = connections;
  assert.ok(reconnects > 200 && reconnects < 600, `${reconnects} logins after a session`);
  assert.deepEqual([messages.lost, messages.unmatched], [0, 0]);
  const { groupMessages, groupComplete, groupExpected, groupReceived } = people!;
  assert.ok(groupMessages > 100, `${groupMessages}`);
  assert.deepEqual([groupComplete, groupReceived], [groupMessages, groupExpected]);
});
