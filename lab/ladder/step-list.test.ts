import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlannedStep } from '#lab/ladder/ladder.ts';
import { parseLadder } from '#lab/ladder/read-ladder.ts';
import { chooseSteps, withUsers } from '#lab/ladder/step-list.ts';

const { steps } = parseLadder(
  `version: 1
kind: ladder
name: small
question: Does it climb?
load: { rate: 500/s }
hold: 9s
phases:
  kernel: { engine: ring, steps: [500, 700] }
  stack: { engine: stack, rate: 800/s, steps: [500, 900 for 30s] }
`,
  'phases.yaml',
);
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

test('each phase once, with so many users', () => {
  assert.deepEqual(told(withUsers(steps, 70)), [
    ['kernel', 70, 9000, 50],
    ['stack', 70, 30_000, 62],
  ]);
});

test('what cannot be meant is told', () => {
  const usage = (message: RegExp): object => ({ code: 'WSAR_ERR_USAGE', message });
  assert.throws(() => chooseSteps('500', steps), usage(/'500' does not say of which phase/));
  assert.throws(() => chooseSteps('moon:500', steps), usage(/no phase 'moon'/));
  assert.throws(() => chooseSteps('kernel:500 for', steps), usage(/'500 for' is no step/));
  assert.throws(() => chooseSteps('kernel:5k', steps), /5k/);
});
