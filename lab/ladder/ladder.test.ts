// `wsar run` with a ladder as a person has it, with all real parts, in a small form.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { LadderRecord, LadderStep } from '#dashboards/report/ladder-record.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { skipUnless } from '#test/foreign-part.ts';

const ladder = (changes: { steps: string; freeMin?: string }): string => `version: 1
kind: ladder
name: small
question: Does it climb?
server: { workers: 2 }
load: { rate: 300/s }
${changes.steps}
settle: 1s
hold: 2s
stop:
  freeMin: ${changes.freeMin ?? '256 MiB'}
  latencyP99Max: 1m
  latenessP99Max: 1m
  queueMax: 4000000000
  drainMax: 1m
`;
const PHASES = `phases:
  kernel: { engine: ring, steps: [400, 500 for 3s] }
  clients: { engine: auto, rate: 200/s, away: 2.15, steps: [200] }`;
const whyNoRing = chooseEngine('auto').engine === 'ring' ? [] : ['io_uring'];

test('a small ladder holds its steps, writes record and report, and leaves nothing', {
  skip: skipUnless(whyNoRing, 'allow io_uring'),
}, async (t) => {
  const file = join(temporaryFolder(t), 'ladder.yaml');
  const output = join(temporaryFolder(t), 'result');
  writeFileSync(file, ladder({ steps: PHASES }));
  const wanted = 'clients:200,kernel:500,kernel:600 for 2s';
  const command = startWsar(t, ['run', file, '--json', '--output', output, '--steps', wanted]);
  assert.equal(await command.exit(), 0, command.stderr());
  const line = JSON.parse(command.stdout().trimEnd().split('\n').at(-1)!);
  assert.equal(line.kind, 'ladder');
  assert.equal(line.reached, 600);
  const record = JSON.parse(readFileSync(join(output, 'record.json'), 'utf8')) as LadderRecord;
  assert.deepEqual(
    record.steps.map(({ phase, connections, holdS, outcome }) => [
      ...[phase, connections, holdS, outcome],
    ]),
    [
      ['clients', 200, 2, 'held'],
      ['kernel', 500, 3, 'held'],
      ['kernel', 600, 2, 'held'],
    ],
  );
  for (const step of record.steps) requireFigures(step);
  assert.deepEqual(
    record.steps.map(({ away }) => away?.users),
    [430, undefined, undefined],
  );
  assert.equal(record.command, `wsar run ${file} --steps '${wanted}'`);
  assert.deepEqual(
    record.phases.map(({ name, reached }) => [name, reached]),
    [
      ['clients', 200],
      ['kernel', 600],
    ],
  );
  const { settingsChanged, isNamespaceGone, namespace } = record.restored!;
  assert.deepEqual(settingsChanged, []);
  assert.equal(isNamespaceGone, true);
  assert.equal(namespace !== null, process.getuid?.() === 0, record.leftOut.join('; '));
  assert.match(
    readFileSync(join(output, 'report.html'), 'utf8'),
    /Held 600 users; ended because every step was held/,
  );
});

/** A step of real parts: everybody in, messages, nothing lost, nothing left, and a value where there can be one. */
function requireFigures(step: LadderStep): void {
  const { connections, counts, messages, drain } = step;
  assert.deepEqual([counts.generator, counts.server], [connections, connections]);
  assert.ok(messages!.sent > 200, `${messages!.sent} messages were sent`);
  assert.deepEqual([messages!.lost, messages!.duplicates], [0, 0]);
  assert.ok(step.latencyUs.p99! > 0);
  // A message is a PUBLISH and a PUBACK, twice.
  assert.ok(step.packetsPerS! > 2 * step.deliveredPerS!, `${step.packetsPerS} packets/s`);
  assert.ok(drain!.seenS !== null && drain!.seenS >= 0);
  assert.ok(step.serverCpuUsPerMessage! > 0 && step.loadCpuUsPerMessage! > 0);
  assert.ok(step.clientAddresses! > 0);
  // In a namespace of its own the counts are of the step alone; elsewhere others may add to them.
  if (process.getuid?.() === 0) assert.ok(step.socketsAfter! <= step.socketsBefore! + 64);
}

const STORY = `version: 1
kind: ladder
name: story
question: What does each setting do?
history: spool
server: { workers: 1, flush: immediate, arming: poll }
load: { rate: 200/s }
settle: 1s
hold: 3s
phases:
  stock: { steps: [100, 300] }
  turn: { against: stock, server: { flush: turn } }
stop: { freeMin: 256 MiB, latencyP99Max: 1m, latenessP99Max: 1m, drainMax: 1m }
`;

test('a story: the climb, then one setting at the knee, before and after, A B B A', async (t) => {
  const file = join(temporaryFolder(t), 'story.yaml');
  const output = join(temporaryFolder(t), 'result');
  writeFileSync(file, STORY);
  const command = startWsar(t, ['run', file, '--output', output]);
  assert.equal(await command.exit(), 0, command.stderr());
  const record = JSON.parse(readFileSync(join(output, 'record.json'), 'utf8')) as LadderRecord;
  assert.deepEqual(
    record.steps.map(({ phase, connections, outcome }) => `${phase} ${connections} ${outcome}`),
    [
      ...['stock 100 held', 'stock 300 held', 'stock 300 held'],
      ...['turn 300 held', 'turn 300 held', 'stock 300 held'],
    ],
  );
  const [turn] = record.comparisons;
  assert.deepEqual(
    [turn!.phase, turn!.users, turn!.before, turn!.after],
    ['turn', 300, [2, 5], [3, 4]],
  );
  for (const { figure, before, ratio, low, high, verdict, blocks } of turn!.findings) {
    // Logins within a second have no figures, and not everybody may read the slabs.
    if (/login|kernel/.test(figure)) continue;
    assert.deepEqual(blocks, [2, 2], figure);
    assert.ok(before! > 0 && low! < ratio! && ratio! < high!, figure);
    assert.notEqual(verdict, 'invalid', figure);
  }
  assert.match(command.stdout(), /turn against stock, 300 users, 4 blocks: /);
  assert.deepEqual(record.phases, [
    { name: 'stock', reached: 300, sentence: 'every step was held' },
    { name: 'turn', reached: 300, sentence: '4 steps beside stock at the knee' },
  ]);
  assert.match(readFileSync(join(output, 'report.html'), 'utf8'), /One setting at a time/);
});

const STORMS = `version: 1
kind: ladder
name: storms
question: Does it get over it?
history: spool
load: { rate: 200/s, sessions: kept }
settle: 3s
hold: 18s
phases:
  cut: { storm: '20%@8s', return: 'backoff:500ms', steps: [400] }
  freeze: { freeze: '3s@8s', steps: [400] }
  worker: { freeze: '3s@8s/worker', server: { workers: 2 }, steps: [400] }
stop:
  { freeMin: 256 MiB, latencyP99Max: 1m, latenessP99Max: 1m, duplicatesMax: 1000, drainMax: 1m }
`;

test('users who are cut off and a server that stands still: seen, told, and nothing lost', async (t) => {
  const file = join(temporaryFolder(t), 'storms.yaml');
  const output = join(temporaryFolder(t), 'result');
  writeFileSync(file, STORMS);
  const command = startWsar(t, ['run', file, '--output', output]);
  // A busy host may take longer to get over it than the hold: then the step is not held, and says so.
  assert.ok([0, 5].includes(await command.exit()), command.stderr());
  const record = JSON.parse(readFileSync(join(output, 'record.json'), 'utf8')) as LadderRecord;
  const [cut, freeze, worker] = record.steps as [LadderStep, LadderStep, LadderStep];
  for (const step of [cut, freeze, worker]) {
    assert.deepEqual([step.counts.generator, step.counts.server], [400, 400]);
    assert.equal(step.messages!.lost, 0, step.sentence);
    assert.ok(step.messages!.sent > 1000);
    const isOverIt = step.disturbance!.recoveredS !== null;
    assert.equal(/was not as before again/.test(step.sentence), !isOverIt, step.sentence);
  }
  const { cutOff, loggedInLeast, text } = cut.disturbance!;
  assert.equal(text, 'storm 20%@8s, back by backoff:500ms');
  // A share of draws: 80 of 400 are meant.
  assert.ok(cutOff! > 40 && cutOff! < 120, `${cutOff} were cut off`);
  assert.ok(loggedInLeast <= 400);
  // Half of the messages of three seconds waited half of them at the least.
  assert.ok(freeze.disturbance!.p99UsWorst! > 1_400_000, `${freeze.disturbance!.p99UsWorst} us`);
  assert.ok(worker.disturbance!.p99UsWorst! > 1_400_000, `${worker.disturbance!.p99UsWorst} us`);
});

test('a step that the host has no room for is not begun, and what it needs is said', async (t) => {
  const file = join(temporaryFolder(t), 'ladder.yaml');
  writeFileSync(file, ladder({ steps: 'steps: [16000000]', freeMin: '1000 GiB' }));
  const state = temporaryFolder(t);
  const command = startWsar(t, ['run', file], { env: { WSAR_STATE_DIR: state } });
  assert.equal(await command.exit(), 5, command.stderr());
  assert.match(
    command.stdout(),
    /Held 0 users; ended because the next step, 16,000,000 users, needs about [\d,.]+ GiB/,
  );
  assert.equal(readdirSync(join(state, 'runs')).length, 1);
});
