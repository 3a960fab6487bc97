import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { percentText, secondsText, shortText, wholeText } from '#collector/report/number-text.ts';

test('short numbers keep three digits that count', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [0.4, '0'],
    [999, '999'],
    [9999, '9999'],
    [9999.6, '10.0k'],
    [18_105, '18.1k'],
    [99_949, '99.9k'],
    [99_950, '100k'],
    [571_109, '571k'],
    [999_499, '999k'],
    [999_500, '1.00M'],
    [1_903_005, '1.90M'],
    [3_131_984, '3.13M'],
    [2.5e12, '2.50T'],
    [-14_644, '-14.6k'],
  ];
  for (const [value, text] of cases) assert.equal(shortText(value), text);
});

test('a short number fits five characters and is right within half of its last digit', () => {
  const factors: Record<string, number> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 };
  fc.assert(
    fc.property(fc.double({ min: 0, max: 9e17, noNaN: true }), (value) => {
      const text = shortText(value);
      assert.ok(text.length <= 5, text);
      const [, digits, suffix] = /^([\d.]+)([kMGTP]?)$/.exec(text)!;
      const shown = Number(digits) * factors[suffix!]!;
      assert.ok(Math.abs(shown - value) <= Math.max(0.5, value * 0.0051), `${value} as ${text}`);
    }),
  );
});

test('percent, whole numbers and seconds', () => {
  assert.deepEqual([0.857, 1, 0.9996, 0, 1.85, -0.01].map(percentText), [
    '85.7',
    '100',
    '100',
    '0.0',
    '185',
    '-1.0',
  ]);
  assert.deepEqual([2_649_440.4, 0.2].map(wholeText), ['2649440', '0']);
  assert.deepEqual([0, 1, 0.35, 7.23, 41, 2144].map(secondsText), [
    '0',
    '1',
    '0.35',
    '7.2',
    '41',
    '2144',
  ]);
});

test('what is not known is a dash, never a number', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    for (const text of [percentText, wholeText, shortText, secondsText]) {
      assert.equal(text(value), '-');
    }
  }
});
