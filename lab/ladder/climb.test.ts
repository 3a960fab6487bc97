import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { chooseClients, type chooseEngines, firstEngines } from '#lab/ladder/choose-engines.ts';
import { Climb } from '#lab/ladder/climb.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { STORY, smallLadder } from '#lab/test/small-ladder.ts';

test('a climb that is cut short tells of every phase how far it came, in the order of the file', () => {
  const ladder = smallLadder(STORY);
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

test('a phase whose engine cannot run here is left out with the reason, and the next one begins', async () => {
  const ladder = smallLadder(`load: { rate: 500/s }
phases:
  stack: { engine: stack, steps: [500, 700], refine: 0.1 }
  kernel: { engine: ring, steps: [500] }
`);
  const refuse: typeof chooseEngines = ({ clients: { engine } }) => {
    throw new WsarError('WSAR_ERR_ENGINE', `engine ${engine} cannot run`, 'take another');
  };
  const ends: string[] = [];
  const progress = {
    start() {},
    end: (mark: string, text: string) => ends.push(`${mark} ${text}`),
  };
  const clock = { wallMs: () => 0 };
  const state = { progress, clock, startedWallMs: 0 } as unknown as LabState;
  const climb = new Climb(state, ladder, refuse);
  await climb.run();
  assert.deepEqual(climb.phases, [
    { name: 'stack', reached: 0, sentence: 'engine stack cannot run' },
    { name: 'kernel', reached: 0, sentence: 'engine ring cannot run' },
  ]);
  assert.deepEqual(ends, ['left-out engine stack cannot run', 'left-out engine ring cannot run']);
  const compared = new Climb(state, smallLadder(STORY), refuse);
  const held = { phase: 'stock', outcome: 'held', connections: 700 };
  compared.steps.push(held as LadderStep);
  await compared.run();
  // Each comparison once, and not once for each of its four steps.
  assert.equal(ends.length, 2 + 4);
  assert.throws(() => firstEngines(ladder.steps, refuse), /engine stack cannot run/);
  const chosen = firstEngines(ladder.steps, (step) =>
    step.phase === 'stack' ? refuse(step) : ({ engine: 'epoll' } as ReturnType<typeof refuse>),
  );
  assert.equal(chosen.engine, 'epoll');
  assert.equal(chooseClients('kernel', 'epoll'), 'epoll');
});
