import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  parseCount,
  parseCountList,
  parseDurationMs,
  parseFactor,
  parseHostPort,
  parseRatePerS,
  parseRatio,
  parseSizeBytes,
} from '#core/cli/quantity.ts';
import { WsarError } from '#core/errors.ts';

test('quantities are read with their units', () => {
  assert.equal(parseDurationMs('30s'), 30_000);
  assert.equal(parseDurationMs('1.5 m'), 90_000);
  assert.equal(parseDurationMs('250ms'), 250);
  assert.equal(parseDurationMs('100us'), 0.1);
  assert.equal(parseSizeBytes('4 KiB'), 4096);
  assert.equal(parseSizeBytes('1_000 B'), 1000);
  assert.equal(parseSizeBytes('1.5TiB'), 1.5 * 1024 ** 4);
  assert.equal(parseRatePerS('6000 msg/s'), 6000);
  assert.equal(parseRatePerS('5,000/s'), 5000);
  assert.equal(parseRatePerS('60/min'), 1);
  assert.equal(parseRatio('3 %'), 0.03);
  assert.equal(parseRatio('0.5'), 0.5);
  assert.equal(parseCount(1, 10_000_000)('2_000_000'), 2_000_000);
  assert.equal(parseFactor('2.08'), 2.08);
  assert.deepEqual(parseCountList(3, 1e12)('250k, 2.5M,1B'), [250_000, 2_500_000, 1e9]);
  assert.deepEqual(parseHostPort('1883'), { host: '127.0.0.1', port: 1883 });
  assert.deepEqual(parseHostPort('[::1]:80'), { host: '::1', port: 80 });
});

const refusals: [string, () => unknown, string][] = [
  ['no unit', () => parseDurationMs('30'), "'30' has no unit"],
  ['wrong unit', () => parseDurationMs('30 KiB'), "'30 KiB' is not a duration"],
  [
    'an object property is no unit',
    () => parseDurationMs('30constructor'),
    "'30constructor' is not a duration",
  ],
  ['negative', () => parseSizeBytes('-1 B'), "'-1 B' is not a size"],
  ['a rate that is a word', () => parseRatePerS('x/s'), "'x/s' is not a rate"],
  ['rate as number', () => parseRatePerS('5000'), "'5000' has no unit"],
  ['fraction as count', () => parseCount(1, 5)('1.5'), "'1.5' is not a whole number from 1 to 5"],
  ['empty count', () => parseCount(0, 5)(''), "'' is not a whole number from 0 to 5"],
  ['factor of nothing', () => parseFactor('0'), "'0' is not above zero"],
  [
    'too many counts',
    () => parseCountList(1, 100)('1,2'),
    "'1,2' is not a list of whole numbers from 1 to 100",
  ],
  [
    'half a connection',
    () => parseCountList(2, 1e6)('0.5k,1.5'),
    "'0.5k,1.5' is not a list of whole numbers from 1 to 1000000",
  ],
  ['a count with an unknown unit', () => parseCountList(2, 1e9)('10Q'), "'10Q' is not a count"],
  ['port too high', () => parseHostPort('127.0.0.1:70000'), "'127.0.0.1:70000' is not HOST:PORT"],
];

for (const [name, body, message] of refusals) {
  test(`refused: ${name}`, () => {
    assert.throws(body, (error: unknown) => {
      assert.ok(error instanceof WsarError);
      assert.equal(error.message, message);
      assert.equal(error.exitCode, 2);
      assert.notEqual(error.hint, '');
      return true;
    });
  });
}
