// `wsar run` with a ladder as a person has it, with all real parts, in a small form.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSocketsInUse } from '#lab/run/login-counts.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';

const ladder = (changes: {
  steps: string;
  freeMin?: string;
  engine?: string;
}): string => `version: 1
kind: ladder
name: small
question: Does it climb?
server: { workers: 2 }
load: { engine: ${changes.engine ?? 'auto'}, rate: 300/s }
steps: ${changes.steps}
settle: 1s
hold: 2s
stop:
  freeMin: ${changes.freeMin ?? '256 MiB'}
  latencyP99Max: 1m
  latenessP99Max: 1m
  queueMax: 4000000000
`;

test('a small ladder holds its steps, writes record and report, and leaves nothing', async (t) => {
  const file = join(temporaryFolder(t), 'ladder.yaml');
  const output = join(temporaryFolder(t), 'result');
  writeFileSync(file, ladder({ steps: '[200, 500]' }));
  const socketsBefore = readSocketsInUse();
  const command = startWsar(t, ['run', file, '--json', '--output', output], {
    env: { WSAR_STATE_DIR: temporaryFolder(t) },
  });
  assert.equal(await command.exit(), 0, command.stderr());
  const line = JSON.parse(command.stdout().trimEnd().split('\n').at(-1)!);
  assert.equal(line.kind, 'ladder');
  assert.equal(line.reached, 500);
  const record = JSON.parse(readFileSync(join(output, 'record.json'), 'utf8'));
  assert.deepEqual(
    record.steps.map(({ connections, outcome }: Record<string, unknown>) => [connections, outcome]),
    [
      [200, 'held'],
      [500, 'held'],
    ],
  );
  for (const step of record.steps) {
    assert.deepEqual(
      [step.counts.generator, step.counts.server],
      [step.connections, step.connections],
    );
    assert.ok(step.messages.sent > 300, `${step.messages.sent} messages were sent`);
    assert.equal(step.messages.lost, 0);
    assert.ok(step.latencyUs.p99 > 0);
  }
  assert.match(
    readFileSync(join(output, 'report.html'), 'utf8'),
    /Held 500 users; ended because every step was held/,
  );
  const socketsAfter = readSocketsInUse();
  if (socketsBefore !== null && socketsAfter !== null) {
    assert.ok(
      socketsAfter <= socketsBefore + 64,
      `${socketsAfter} sockets, ${socketsBefore} before`,
    );
  }
});

test('a step that the host has no room for is not begun, and what it needs is said', async (t) => {
  const file = join(temporaryFolder(t), 'ladder.yaml');
  writeFileSync(file, ladder({ steps: '[16000000]', freeMin: '1000 GiB' }));
  const state = temporaryFolder(t);
  const command = startWsar(t, ['run', file], { env: { WSAR_STATE_DIR: state } });
  assert.equal(await command.exit(), 5, command.stderr());
  assert.match(
    command.stdout(),
    /Held 0 users; ended because the next step, 16,000,000 users, needs about [\d,.]+ GiB/,
  );
  assert.equal(readdirSync(join(state, 'runs')).length, 1);
});
