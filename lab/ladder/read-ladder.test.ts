import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { WsarError } from '#core/errors.ts';
import { isLadder, parseLadder } from '#lab/ladder/read-ladder.ts';

const LADDER = `version: 1
kind: ladder
name: small
question: Does it climb?
load: { rate: 500/s }
steps: [500, 1000]
`;

test('a ladder with its defaults', () => {
  assert.equal(isLadder(LADDER), true);
  const ladder = parseLadder(LADDER, 'small.yaml');
  assert.deepEqual(ladder.steps, [500, 1000]);
  assert.equal(ladder.holdMs, 60_000);
  assert.equal(ladder.load.engine, 'auto');
  assert.equal(ladder.stop.freeBytesMin, 1024 ** 3);
});

test('the ladder of the project is right, and an experiment is none', () => {
  const file = (name: string): string =>
    readFileSync(new URL(`../experiments/${name}`, import.meta.url), 'utf8');
  const { steps } = parseLadder(file('ladder.yaml'), 'ladder.yaml');
  assert.equal(steps.includes(2_000_000), true);
  assert.equal(isLadder(file('first-loop.yaml')), false);
});

test('a mistake is told with its line and remedy', () => {
  const wrong: [string, string, RegExp][] = [
    ['steps: [500, 1000]', 'steps: [500, 400]', /small.yaml:6: steps: 400 comes after 500/],
    ['steps: [500, 1000]', 'steps: [500, many]', /small.yaml:6: steps: .*many/],
    ['steps: [500, 1000]', 'step: [500]', /small.yaml:6: there is no key 'step'/],
    ['rate: 500/s', 'rate: 500', /small.yaml:5: load.rate/],
    ['rate: 500/s', 'rate: 500/s, rtt: 50ms', /small.yaml:5: load.rtt: only engine stack/],
    ['rate: 500/s', 'rate: 500/s, engine: stack, loss: 80 %', /small.yaml:5: load.loss/],
    ['name: small', 'name: small\nhold: 1.5s', /small.yaml:4: hold/],
  ];
  for (const [from, to, expected] of wrong) {
    assert.throws(
      () => parseLadder(LADDER.replace(from, to), 'small.yaml'),
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
