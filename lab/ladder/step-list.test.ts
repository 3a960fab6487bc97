import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlannedStep } from '#lab/ladder/ladder.ts';
import { between, chooseSteps, sized, withUsers } from '#lab/ladder/step-list.ts';
import { STORY, smallLadder } from '#lab/test/small-ladder.ts';

const { steps } = smallLadder(`load: { rate: 500/s }
hold: 9s
phases:
  kernel: { engine: ring, steps: [500, 700] }
  stack: { engine: stack, rate: 800/s, steps: [500, 900 for 30s] }
`);
const told = (chosen: readonly PlannedStep[]): unknown[] =>
  chosen.map(({ phase, users, holdMs, clients }) => [phase, users, holdMs, clients.ratePerS]);

test('steps are chosen in any order, with the settings of their phase', () => {
  assert.deepEqual(told(chooseSteps('stack:900, kernel:500 for 2s,stack:500', steps)), [
    ['stack', 900, 30_000, 800],
    ['kernel', 500, 2000, 500],
    ['stack', 500, 9000, 800],
  ]);
});

test('a phase alone is all of its steps; a step need not be one of the file', () => {
  assert.deepEqual(told(chooseSteps('kernel', steps)), [
    ['kernel', 500, 9000, 500],
    ['kernel', 700, 9000, 500],
  ]);
  assert.deepEqual(told(chooseSteps('kernel:12345', steps)), [['kernel', 12_345, 9000, 500]]);
});

test('a phase at the knee is its whole comparison, and the one before it climbs alone', () => {
  const story = smallLadder(STORY).steps;
  const named = (text: string): string[] =>
    chooseSteps(text, story).map(({ phase, users }) => `${phase} ${users}`);
  assert.deepEqual(named('stock'), ['stock 500', 'stock 700']);
  assert.deepEqual(named('turn'), ['stock knee', 'turn knee', 'turn knee', 'stock knee']);
  assert.deepEqual(named('turn:90'), ['turn 90']);
});

test('with so many users each phase of a story runs once, in the order of the file', () => {
  const story = smallLadder(STORY).steps;
  assert.deepEqual(
    withUsers(story, 70).map(({ phase, users, comparedIn, clients }) => [
      ...[phase, users, comparedIn, clients.ratePerS],
    ]),
    [
      ['stock', 70, '', 50],
      ['turn', 70, '', 50],
      ['poll', 70, '', 50],
      ['tuned', 70, '', 70],
    ],
  );
});

test('each phase once, with so many users', () => {
  assert.deepEqual(told(withUsers(steps, 70)), [
    ['kernel', 70, 9000, 50],
    ['stack', 70, 30_000, 62],
  ]);
});

test('each thousand users send their own messages, however many there are', () => {
  const [step] = smallLadder(`load: { ratePerThousand: 30/s }
refine: 0.1
phases:
  all: { rate: 70/s, steps: [500] }
  each: { steps: [500, 900] }
`).steps.filter(({ phase }) => phase === 'each');
  assert.deepEqual([step!.refineRatio, step!.clients.ratePerThousandPerS], [0.1, 30]);
  assert.deepEqual(
    [100, 500, 425_000].map((users) => sized(step!, users).clients.ratePerS),
    [3, 15, 12_750],
  );
  assert.throws(
    () => smallLadder('load: { rate: 1/s, ratePerThousand: 1/s }\nsteps: [2]\n'),
    /ratePerThousand: stands beside rate/,
  );
});

test('the end of a phase is found within the ratio, wherever it is, in few steps', () => {
  for (let knee = 100_000; knee < 850_000; knee += 1013) {
    let [held, broken] = [100_000, 850_000];
    let steps = 0;
    for (let users = between(held, broken, 0.1); users !== undefined; steps++) {
      assert.ok(users > held && users < broken);
      if (users <= knee) held = users;
      else broken = users;
      users = between(held, broken, 0.1);
    }
    assert.ok(held <= knee && broken > knee && broken <= held * 1.1 + 1000, `${knee}`);
    assert.ok(steps <= 6, `${steps} steps to ${knee}`);
  }
  assert.equal(between(100, 200, 0), undefined);
  assert.equal(between(0, 200, 0.1), undefined);
  assert.equal(between(100, Number.POSITIVE_INFINITY, 0.1), undefined);
});

test('what cannot be meant is told', () => {
  const usage = (message: RegExp): object => ({ code: 'WSAR_ERR_USAGE', message });
  assert.throws(() => chooseSteps('500', steps), usage(/'500' does not say of which phase/));
  assert.throws(() => chooseSteps('moon:500', steps), usage(/no phase 'moon'/));
  assert.throws(() => chooseSteps('kernel:500 for', steps), usage(/'500 for' is no step/));
  assert.throws(() => chooseSteps('kernel:5k', steps), /5k/);
});
