// Who has turned, who has not and who refused, told apart; on a clock that the test moves.

import assert from 'node:assert/strict';
import test from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import type { AgentAnswer, AgentCommand } from '#loadgen/hosts/agent-message.ts';
import { OPEN_MAX, TurnDesk } from '#loadgen/hosts/turn-desk.ts';
import { knobsOf } from '#loadgen/load-knobs.ts';
import { LoadSettings } from '#loadgen/load-settings.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { parseTarget } from '#loadgen/target.ts';

function setUp() {
  const clock = new VirtualClock();
  const target = [parseTarget('mqtt://127.0.0.1:1')];
  const options = readOptions({ target, connections: 100, duration: 9000, rate: 100 });
  const sent: (AgentCommand & { kind: 'turn' })[] = [];
  const desk = new TurnDesk({
    ...{ clock, options, aheadUs: () => 200_000, ids: () => ['a', 'b'] },
    send: (_id, command) => sent.push(command as (typeof sent)[number]),
  });
  desk.settings.begin(clock.monoUs());
  const answer = (id: string, turn: number, isTaken = true): void => {
    const told: AgentAnswer & { kind: 'turned' } = { kind: 'turned', id: turn, isTaken, lateUs: 0 };
    desk.hear(id, told);
  };
  return { clock, desk, sent, answer };
}

test('who refuses a turn is told of at once, and is not who does not answer', async () => {
  const { clock, desk, answer } = setUp();
  const refused = desk.turnAll('rate', 50);
  answer('a', 0);
  answer('b', 0, false);
  await assert.rejects(refused, { message: 'b refused to turn rate to 50' });
  const silent = desk.turnAll('rate', 60);
  answer('b', 1, false);
  clock.advance(4000);
  await assert.rejects(silent, {
    message: 'b refused to turn rate to 60; a did not turn rate to 60 in 4 s',
  });
});

test('a turn that is waited for is heard, however many come behind it', async () => {
  const { desk, sent, answer } = setUp();
  const first = desk.turnAll('spike', 35);
  for (let rate = 1; rate <= 2 * OPEN_MAX; rate++) assert.ok(desk.turn('rate', rate));
  answer('a', 0);
  answer('b', 0);
  assert.equal(await first, true);
  const all = Array.from({ length: OPEN_MAX }, () => desk.turnAll('spike', 10));
  assert.equal(desk.turn('rate', 999), false, 'more than can be listened to');
  for (const { turn } of sent) assert.ok(turn.name !== 'rate' || turn.value !== 999);
  for (let id = 0; id < sent.length / 2; id++) for (const agent of ['a', 'b']) answer(agent, id);
  assert.ok((await Promise.all(all)).every((isTaken) => isTaken));
  assert.equal(desk.turn('rate', 999), true);
});

test('nothing is turned behind the end of the plan, and whoever turns a knob is told so', async () => {
  const { desk, sent } = setUp();
  desk.settings.end();
  const [rate] = knobsOf({
    ...{ settings: desk.settings, ratePerS: () => 100, keepAliveS: 60, isEcho: false },
    turn: (name, value) => desk.turnAll(name, value),
  });
  await assert.rejects(async () => rate!.apply(50), { message: /steady phase .* is over/ });
  assert.equal(desk.turn('payloadBytes', 100), false);
  assert.deepEqual(sent, []);
});

test('a rate that was taken before the start is known is in the plan, however many there were', () => {
  const target = [parseTarget('mqtt://127.0.0.1:1')];
  const settings = new LoadSettings(
    readOptions({ target, connections: 100, duration: 9000, rate: 100 }),
  );
  let taken = 0;
  while (settings.take({ name: 'rate', value: taken + 1, atUs: 2e6 + taken })) taken++;
  settings.begin(1e6);
  const { rate } = settings.schedule;
  assert.equal(rate.value(rate.count - 1), taken);
});
