// A module that is slow, and a thread that hangs, on a clock that the test moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ModuleRunner } from '#collector/plugin/module-runner.ts';
import type { Plugin } from '#collector/plugin/plugin.ts';
import { PluginHost } from '#collector/plugin/plugin-host.ts';
import { Note, ValueCell } from '#collector/plugin/value-cell.ts';
import { ValueCollector } from '#collector/plugin/value-collector.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';

function open(sample: Plugin['sample'], clock = new VirtualClock()) {
  const cell = new ValueCell();
  const values = new ValueCollector(cell, [], () => {});
  const metrics = [{ name: 'a', kind: 'gauge', unit: '1', help: 'x' }] as const;
  for (const metric of metrics) values.declare(metric);
  const said: string[] = [];
  const say = (text: string): number => said.push(text);
  const runner = new ModuleRunner(
    { metrics, sample },
    { cell, values, periodMs: 1000, clock, say },
  );
  return { cell, clock, runner, said };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a sample that takes longer than its budget again and again is taken less often, and more again', async () => {
  let tookMs = 600;
  const opened = open((values) => {
    opened.clock.stall(tookMs);
    values.set('a', 1);
  });
  const { cell, runner, said, clock } = opened;
  const commitsIn = async (ticks: number): Promise<number> => {
    const before = cell.note(Note.commits);
    for (let i = 0; i < ticks; i++) {
      clock.advance(1000);
      runner.tick();
      await settled();
    }
    return cell.note(Note.commits) - before;
  };
  assert.equal(await commitsIn(5), 5);
  assert.match(said[0]!, /too slow, and is asked before one of 2 rows only/);
  assert.equal(await commitsIn(10), 5);
  assert.ok((await commitsIn(16)) <= 5);
  assert.ok(cell.note(Note.skipped) > 10);
  tookMs = 1;
  await commitsIn(400);
  assert.equal(await commitsIn(10), 10, 'twenty good ones in a row make it more often');
});

test('a sample is not begun while the one before is running', async () => {
  let done = (): void => {};
  let begun = 0;
  const { cell, runner } = open(async (values) => {
    begun++;
    await new Promise<void>((resolve) => (done = resolve));
    values.set('a', 7);
  });
  for (let i = 0; i < 5; i++) runner.tick();
  await settled();
  assert.equal(begun, 1);
  assert.equal(cell.note(Note.skipped), 4);
  assert.equal(cell.note(Note.commits), 0);
  done();
  await settled();
  assert.equal(cell.note(Note.commits), 1);
  runner.tick();
  assert.equal(begun, 2);
});

test('one that fails is asked again later and later; what it had set is forgotten', async () => {
  const { cell, runner, said, clock } = open((values) => {
    values.set('a', 1);
    throw new Error('no\nway');
  });
  const triedAt: number[] = [];
  for (let second = 0; second <= 16; second++) {
    const before = cell.note(Note.errors);
    runner.tick();
    await settled();
    if (cell.note(Note.errors) > before) triedAt.push(second);
    clock.advance(1000);
  }
  assert.deepEqual(triedAt, [0, 1, 3, 7, 15]);
  assert.match(said[0]!, /its sample failed: 'no'; it is asked again in 1 s/);
  assert.equal(cell.note(Note.commits), 0);
});

test('a thread that hangs is taken down after ten seconds and started again', async (t) => {
  const real = createHostClock();
  let aheadUs = 0;
  const hostClock = { ...real, monoUs: () => real.monoUs() + aheadUs };
  const clock = new VirtualClock();
  const path = fileURLToPath(new URL('./test/looping.mjs', import.meta.url));
  const host = new PluginHost(
    { text: path, isProgram: false, id: 'looping' },
    clock,
    100,
    hostClock,
  );
  t.after(() => host.close());
  assert.equal(await host.start(), undefined);
  host.watch();
  assert.deepEqual(host.takeSaid(), []);
  // It loops since its first sample; nobody needs to wait for that here.
  aheadUs = 20e6;
  host.watch();
  assert.match(host.takeSaid()[0]!, /it has not moved for 10 s; its thread is taken down/);
  assert.equal(host.threadRestarts, 0);
  clock.advance(1000);
  assert.equal(host.threadRestarts, 1);
  host.watch();
  assert.deepEqual(host.takeSaid(), [], 'a new thread has ten seconds of its own');
});
