import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import type { Row } from '#core/metric/row.ts';
import { registeredOf, untilAllAway } from '#lab/ladder/away-crowd.ts';
import type { Part, PartName } from '#lab/run/part.ts';

/** The generator has ended with everybody in as far as the server has told; its rows come once a second. */
function crowd(): {
  tell: (sessions: number) => void;
  endServer: () => void;
  wait: (isOver?: () => boolean) => { answer: boolean | undefined };
  pass: (ms: number) => Promise<void>;
} {
  const clock = new VirtualClock();
  const ended = { exit: { code: 0, signal: null } } as Part;
  const parts = new Map<PartName, Part>([
    ['load', ended],
    ['server', { exit: undefined } as Part],
  ]);
  let row: Row | undefined;
  const context = {
    recorder: { latest: () => row },
    supervisor: { part: (name: PartName) => parts.get(name) },
    clock,
    signal: new AbortController().signal,
  };
  const leftMs = clock.wallMs();
  return {
    tell(sessions) {
      const values = { 'wsar.server.sessions': sessions };
      row = { wallMs: clock.wallMs(), tick: 0, missedTicks: 0, intervalUs: 1, values };
    },
    endServer: () => parts.set('server', ended),
    wait(isOver = () => false) {
      const told: { answer: boolean | undefined } = { answer: undefined };
      void untilAllAway(context, leftMs, isOver).then((answer) => {
        told.answer = answer;
      });
      return told;
    },
    async pass(ms) {
      for (let done = 0; done < ms; done += 100) {
        clock.advance(100);
        await new Promise(setImmediate);
      }
    },
  };
}

test('a crowd is waited for although its generator has ended, until a newer row says so', async () => {
  const { tell, wait, pass } = crowd();
  tell(0); // Of the second in which the generator ended: none had come in when it was made.
  const told = wait();
  await pass(1000);
  assert.equal(told.answer, undefined);
  tell(70);
  await pass(1000);
  assert.equal(told.answer, undefined);
  tell(0);
  await pass(100);
  assert.equal(told.answer, true);
});

test('it is not waited for longer than the server lives, there is time, or the caller wants', async () => {
  const gone = crowd();
  const first = gone.wait();
  gone.endServer();
  await gone.pass(200);
  assert.equal(first.answer, false);
  const slow = crowd();
  const second = slow.wait();
  await slow.pass(14_900);
  assert.equal(second.answer, undefined);
  await slow.pass(200);
  assert.equal(second.answer, false);
  const short = crowd();
  const third = short.wait(() => true);
  await short.pass(100);
  assert.equal(third.answer, false);
});

test('of a crowd those count who came in, and nobody of one that was killed', () => {
  assert.equal(registeredOf('{"schema":"wsar.load/1","connections":{"loggedIn":12}}'), 12);
  const cut = '{"connections":{"loggedIn":12,"lost":3,"reconnects":1}}';
  assert.equal(registeredOf(cut), 14);
  assert.equal(registeredOf('{"wallMs":1,"values":{"wsar.load.connections.logged_in":7}}'), 0);
  assert.equal(registeredOf('{"schema":"wsar.lo'), 0);
  assert.equal(registeredOf(''), 0);
});
