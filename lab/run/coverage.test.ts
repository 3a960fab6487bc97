import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeCoverage } from '#lab/run/coverage.ts';

const span = (source: string, missedTicks = 0) => ({
  source,
  firstWallMs: 1_000_000,
  lastWallMs: 1_199_000,
  missedTicks,
});

test('a row for every second of every source', () => {
  const result = judgeCoverage(
    'store',
    [span('server'), span('load')],
    new Map([
      ['server', 200],
      ['load', 200],
    ]),
  );
  assert.equal(result.sentence, '400 of 400 rows of server, load are in the store');
  assert.ok(result.isOk);
});

test('missing seconds are explained by the ticks that the source missed, or are lost', () => {
  const present = new Map([
    ['server', 198],
    ['load', 197],
  ]);
  const result = judgeCoverage('store', [span('server', 2), span('load', 1)], present);
  assert.equal(
    result.sentence,
    '395 of 400 rows are in the store; server lacks 2 s: it missed these ticks; ' +
      'load lacks 3 s: it missed 1 ticks, the rest is lost',
  );
  assert.equal(result.isOk, false);
});

test('up to 1 % may be missing', () => {
  const present = (count: number) => new Map([['server', count]]);
  assert.ok(judgeCoverage('bus', [span('server')], present(198)).isOk);
  assert.equal(judgeCoverage('bus', [span('server')], present(197)).isOk, false);
  assert.equal(judgeCoverage('store', [], new Map()).isOk, false);
});
