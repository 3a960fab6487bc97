import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { disturbedAtMs } from '#lab/ladder/disturbance.ts';
import { isLadder, parseLadder } from '#lab/ladder/read-ladder.ts';

const LADDER = `version: 1
kind: ladder
name: small
question: Does it climb?
load: { rate: 500/s }
steps: [500, 1000 for 5m]
`;
const PHASES = `version: 1
kind: ladder
name: small
question: Does it climb?
load: { rate: 500/s, keepAlive: 2m }
hold: 7s
phases:
  kernel: { engine: ring, steps: [500] }
  phones: { engine: stack, network: "10%: phone; rest: none", rate: 9/s, hold: 3s, steps: [400, 600 for 2s] }
`;

test('a ladder with its defaults', () => {
  assert.equal(isLadder(LADDER), true);
  const ladder = parseLadder(LADDER, 'small.yaml');
  assert.deepEqual(
    ladder.steps.map(({ phase, users, holdMs }) => [phase, users, holdMs]),
    [
      ['', 500, 60_000],
      ['', 1000, 300_000],
    ],
  );
  assert.equal(ladder.steps[0]!.clients.engine, 'auto');
  assert.equal(ladder.stop.freeBytesMin, 1024 ** 3);
});

test('phases have the keys of load for themselves, and what they do not say is as there', () => {
  const { steps } = parseLadder(PHASES, 'phases.yaml');
  const mix = '10%: phone; rest: none';
  assert.deepEqual(
    steps.map(({ phase, users, holdMs, clients }) => [
      ...[phase, users, holdMs / 1000, clients.engine],
      ...[clients.ratePerS, clients.network, clients.keepAliveMs / 1000],
    ]),
    [
      ['kernel', 500, 7, 'ring', 500, '', 120],
      ['phones', 400, 3, 'stack', 9, mix, 120],
      ['phones', 600, 2, 'stack', 9, mix, 120],
    ],
  );
});

test('the ladder of the project is right, and an experiment is none', () => {
  const file = (name: string): string =>
    readFileSync(new URL(`../experiments/${name}`, import.meta.url), 'utf8');
  const { steps, maxDurationMs } = parseLadder(file('ladder.yaml'), 'ladder.yaml');
  for (const [phase, users] of [
    ['kernel', 2_800_000],
    ['phones', 5_000_000],
  ] as const) {
    assert.ok(steps.some((step) => step.phase === phase && step.users === users));
  }
  const two = steps.find(({ phase, users }) => phase === 'stack' && users === 2_000_000)!;
  assert.equal(two.holdMs, 300_000);
  assert.ok(two.clients.ratePerS > 10_000);
  const heldMs = steps.reduce((sum, { holdMs }) => sum + holdMs, 0);
  assert.ok(heldMs < maxDurationMs / 2, 'logging in has as much time as holding');
  const storms = parseLadder(file('storms.yaml'), 'storms.yaml').steps;
  assert.ok(storms.every(({ users }) => users === 1_000_000));
  const done = storms.map(({ clients: { disturbance } }) => disturbedAtMs(disturbance));
  assert.deepEqual(done, new Array(8).fill(20_000));
  const story = parseLadder(file('story.yaml'), 'story.yaml');
  assert.deepEqual(
    story.comparisons.map(({ phase, against }) => [phase, against]),
    [
      ['workers', 'stock'],
      ['flush', 'workers'],
      ['arming', 'flush'],
      ['gather', 'arming'],
    ],
  );
  const [stock, last] = [story.steps[0]!.server, story.steps.at(-1)!.server];
  assert.deepEqual([stock.workers, stock.flush, stock.arming], [1, 'immediate', 'recv']);
  assert.deepEqual([last.workers, last.flush, last.arming], ['auto', 'turn', 'poll']);
  assert.equal(isLadder(file('first-loop.yaml')), false);
});

test('the ladder of the reference host is right, and has time for its logins', () => {
  const url = new URL('../experiments/reference-host.yaml', import.meta.url);
  const { steps, maxDurationMs } = parseLadder(readFileSync(url, 'utf8'), 'r.yaml');
  assert.ok(steps.every(({ server }) => server.workers === 12));
  assert.ok(steps.some(({ phase, users }) => phase === 'kernel' && users === 2_800_000));
  const neededMs = steps.reduce((sum, { holdMs, users }) => sum + holdMs + Number(users) / 10, 0);
  assert.ok(neededMs < maxDurationMs, 'at 10,000 logins/s');
});

test('a mistake is told with its line and remedy', () => {
  const wrong: [string, string, string, RegExp][] = [
    [LADDER, '1000 for 5m', '400', /small.yaml:6: steps: 400 comes after 500/],
    [LADDER, '1000 for 5m', 'many', /small.yaml:6: steps: .*many/],
    [LADDER, '1000 for 5m', '1000 for 0.5s', /small.yaml:6: steps: .*0.5s/],
    [LADDER, 'steps: [500', 'step: [500', /small.yaml:6: there is no key 'step'/],
    [LADDER, 'rate: 500/s', 'rate: 500', /small.yaml:5: load.rate/],
    [LADDER, 'rate: 500/s', 'rate: 500/s, network: 3g', /small.yaml:5: load.network: only engine/],
    [LADDER, 'rate: 500/s', 'rate: 1/s, engine: stack, network: 7g', /small.yaml:5: load.network/],
    [LADDER, 'rate: 500/s', 'rate: 500/s, virtualHosts: 3', /small.yaml:5: load.virtualHosts/],
    [LADDER, 'name: small', 'name: small\nhold: 1.5s', /small.yaml:4: hold/],
    [LADDER, 'name: small', 'name: small\nconnectionBuckets: 1000', /small.yaml:4: connectionB/],
    [PHASES, 'hold: 7s', 'steps: [5]', /small.yaml:6: steps: stands beside phases/],
    [
      PHASES,
      'engine: ring, ',
      'network: phone, ',
      /small.yaml:8: phases.kernel.network: only engine/,
    ],
    [PHASES, 'engine: ring', 'engin: ring', /small.yaml:8: .*'engin' in phases.kernel/],
  ];
  for (const [text, from, to, expected] of wrong) {
    assert.throws(
      () => parseLadder(text.replace(from, to), 'small.yaml'),
      (error: unknown) => {
        assert.ok(error instanceof WsarError);
        assert.equal(error.exitCode, 2);
        assert.match(error.message, expected);
        return true;
      },
      to,
    );
  }
});
