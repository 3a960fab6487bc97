import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  bytesText,
  clockText,
  durationText,
  numberText,
  quantityText,
  timeText,
  unitText,
} from '#tui/view/number-text.ts';

test('numbers keep the digits that fit and group them', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [7, '7'],
    [9999, '9999'],
    [10_000, '10 000'],
    [812_410, '812 410'],
    [1_234_567, '1.23M'],
    [3.256, '3.26'],
    [31.4159, '31.4'],
    [314.159, '314'],
    [0.001, '0'],
    [-45.67, '-45.7'],
    [2.5e9, '2.50G'],
    [1e15, '1.00P'],
    [Number.NaN, '-'],
    [Number.POSITIVE_INFINITY, '-'],
  ];
  for (const [value, text] of cases) assert.equal(numberText(value), text);
  assert.equal(numberText(123_456, 6), '123.5k');
});

test('no number is wider than its column', () => {
  fc.assert(
    fc.property(fc.double(), fc.integer({ min: 6, max: 9 }), (value, width) => {
      const text = numberText(value, width);
      assert.ok(text.length <= width, `${value} as '${text}' in ${width}`);
    }),
    { numRuns: 2000 },
  );
});

test('a number is never printed more than one unit of its last digit away', () => {
  fc.assert(
    fc.property(fc.double({ min: -1e14, max: 1e14, noNaN: true }), (value) => {
      const text = numberText(value, 7).replaceAll(' ', '');
      const scale = { k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[text.at(-1)!] ?? 1;
      const digits = (/\.(\d+)/.exec(text)?.[1] ?? '').length;
      const printed = Number.parseFloat(text) * scale;
      assert.ok(Math.abs(printed - value) <= scale / 10 ** digits, `${value} as ${text}`);
    }),
  );
});

test('durations, clock times and bytes take the unit a person would use', () => {
  assert.deepEqual([0, 812, 999.6, 1234, 48_200, 999_400, 3_100_000, 700e6].map(durationText), [
    '0 us',
    '812 us',
    '1000 us',
    '1.23 ms',
    '48.2 ms',
    '999 ms',
    '3.10 s',
    '11 m 40 s',
  ]);
  assert.deepEqual([0, 59.6, 119, 120, 7199, 7200, 200_000, Number.NaN].map(clockText), [
    '0 s',
    '60 s',
    '119 s',
    '2 m 0 s',
    '119 m 59 s',
    '2 h 0 m',
    '2 d 7 h',
    '-',
  ]);
  assert.deepEqual([0, 512, 1536, 5 * 1024 ** 3, 9_000_000_000_000_000].map(bytesText), [
    '0 B',
    '512 B',
    '1.50 KiB',
    '5.00 GiB',
    '8185 TiB',
  ]);
  assert.equal(timeText(1_795_427_379_000), '09:49:39');
  assert.equal(timeText(Number.NaN), '--:--:--');
  assert.equal(timeText(1e300), '--:--:--');
});

test('units are words of the console', () => {
  assert.equal(unitText('{packet}/s'), 'pkt/s');
  assert.equal(unitText('By/s'), 'B/s');
  assert.equal(unitText('1'), '');
  assert.equal(unitText('{thing}'), 'thing');
  assert.equal(quantityText(1500, 'us'), '1.50 ms');
  assert.equal(quantityText(1.5, 's'), '1.50 s');
  assert.equal(quantityText(2048, 'By/s'), '2.00 KiB/s');
  assert.equal(quantityText(4812, '{connection}/s'), '4812 conn/s');
  assert.equal(quantityText(Number.NaN, 's'), '-');
});
