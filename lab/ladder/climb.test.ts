import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { Climb } from '#lab/ladder/climb.ts';
import { parseLadder } from '#lab/ladder/read-ladder.ts';
import type { LabState } from '#lab/run/run-state.ts';

test('a climb that is cut short tells of every phase how far it came, in the order of the file', () => {
  const ladder = parseLadder(
    `version: 1
kind: ladder
name: story
question: What does it do?
load: { rate: 500/s }
phases:
  stock: { steps: [500, 700] }
  turn: { against: stock, server: { flush: turn } }
  poll: { against: turn, server: { arming: poll } }
  tuned: { steps: [500] }
`,
    'story.yaml',
  );
  const climb = new Climb({} as LabState, ladder);
  const step = (phase: string, outcome: LadderStep['outcome'], sentence: string): LadderStep =>
    ({ phase, outcome, sentence, connections: 700 }) as LadderStep;
  climb.steps.push(step('stock', 'held', 'held'), step('stock', 'stopped', 'p99 was 1 s'));
  climb.compared[0]!.before.push(1);
  climb.cutShort('ended by SIGINT');
  assert.deepEqual(climb.phases, [
    { name: 'stock', reached: 700, sentence: 'ended by SIGINT' },
    {
      ...{ name: 'turn', reached: 0 },
      sentence:
        '1 steps beside stock at the knee; one of stock was not held: p99 was 1 s; ended by SIGINT',
    },
    { name: 'poll', reached: 0, sentence: 'not begun' },
    { name: 'tuned', reached: 0, sentence: 'not begun' },
  ]);
  assert.equal(climb.end, 'ended by SIGINT');
});
