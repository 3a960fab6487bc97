import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CellGrid } from '#tui/view/cell-grid.ts';
import { ROLE, type SymbolSet, themeOf } from '#tui/view/theme.ts';
import { type Chart, drawChart } from '#tui/view/time-chart.ts';

const END = 100;

/** A chart of one line whose newest value is the last of `values`, in ASCII: one cell a second. */
function drawn(values: (number | null)[], more: Partial<Chart> = {}, rows = 6): string[] {
  const at = (second: number): number => values[values.length - 1 - (END - second)] ?? Number.NaN;
  const grid = new CellGrid(30, rows);
  const chart: Chart = {
    series: [{ name: 'x', letter: 'x', role: ROLE.seriesA, at }],
    endSecond: END,
    secondsPerDot: 1,
    scale: 'linear',
    unit: '{message}',
    markers: [],
    ...more,
  };
  drawChart(grid, { x: 0, y: 0, cols: 30, rows }, chart, themeOf('ascii'));
  return grid.lines();
}

/** The plot without labels, axis and names. */
const plot = (lines: string[]): string[] =>
  lines.slice(0, -1).map((line) => line.slice(8, 28).trimEnd());

test('a line rises from its zero to its top, the newest second at the right', () => {
  assert.deepEqual(drawn([0, 25, 50, 75, 100]), [
    '    100|                   x x',
    '       |                  xx',
    '     50|                 xx',
    '       |                xx',
    '      0|               xx',
    '       +-------------- 20 s',
  ]);
});

test('a gap is a gap: nothing joins its two sides', () => {
  const lines = plot(drawn([10, 10, null, null, 10, 10]));
  assert.equal(lines[0], '              xx  xx');
  assert.ok(lines.slice(1).every((line) => line === ''));
});

test('values that are not finite are gaps and bend no axis', () => {
  const lines = drawn([10, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 10]);
  assert.match(lines[0]!, /^ +10\|/);
  assert.equal(plot(lines)[0], '               x   x');
});

test('negative values stand below a visible zero', () => {
  const lines = drawn([-10, 0, 10]);
  assert.match(lines[0]!, /^ +10\|/);
  assert.match(lines[2]!, /^ +0\|/);
  assert.match(lines[4]!, /^ +-10\|/);
});

test('a column of several seconds shows the smallest and the largest of them', () => {
  const values = Array.from({ length: 100 }, (_, second) => (second % 10 === 0 ? 100 : 0));
  const lines = plot(drawn(values, { secondsPerDot: 5 }));
  assert.ok(lines[0]!.includes('x'), 'the peaks of one second are still there');
});

test('a logarithmic axis has whole decades, and zero lies on its bottom', () => {
  const lines = drawn([0, 3, 30, 3000], { scale: 'log', unit: 'us' }, 8);
  assert.match(lines[0]!, /^ +10 ms\|/);
  assert.match(lines[6]!, /^ +1 us\|/);
  assert.equal(plot(lines)[6]!.trimStart()[0], 'x');
});

test('nothing but zeros, and nothing at all, are drawn without a crash', () => {
  assert.match(drawn([0, 0, 0])[4]!, /^ +0\|/);
  assert.match(drawn([])[0]!, /^ +\|$/);
  assert.match(drawn([0, 0], { scale: 'log' })[0]!, /^ +\|$/);
});

test('markers stand at their second', () => {
  const lines = plot(drawn([5, 5, 5, 5, 5], { markers: [END - 3, END - 500, Number.NaN] }));
  assert.equal(lines[1], '                :');
});

test('names at the right never share a row and follow the order of the values', () => {
  const series = [1, 1, 1, 100].map((value, index) => ({
    name: `n${index}`,
    letter: String(index),
    role: ROLE.text,
    at: () => value,
  }));
  const tags = drawn([], { series }).map((line) => /n\d$/.exec(line)?.[0] ?? '');
  assert.deepEqual(tags.slice(0, 5), ['n3', '', 'n0', 'n1', 'n2']);
});

test('any values at any size stay inside the area and throw nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double(), fc.constant(null)), { maxLength: 60 }),
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 14 }),
      fc.constantFrom<SymbolSet>('braille', 'block', 'ascii'),
      fc.constantFrom<Chart['scale']>('linear', 'log'),
      fc.constantFrom(1, 2, 5),
      (values, cols, rows, symbols, scale, secondsPerDot) => {
        const grid = new CellGrid(cols + 4, rows + 4);
        const at = (second: number): number => values[END - second] ?? Number.NaN;
        const series = [{ name: 'x', letter: 'x', role: ROLE.text, at }];
        const chart: Chart = {
          series,
          endSecond: END,
          secondsPerDot,
          scale,
          unit: 'us',
          markers: [95],
        };
        drawChart(grid, { x: 2, y: 2, cols, rows }, chart, themeOf(symbols));
        const lines = grid.lines();
        for (const [y, line] of lines.entries()) {
          if (y < 2 || y >= rows + 2) assert.equal(line, '');
          assert.match(line.slice(0, 2), /^ *$/);
          assert.ok([...line].length <= cols + 2);
          assert.doesNotMatch(line, /NaN|Infinity|undefined/);
        }
      },
    ),
    { numRuns: 400 },
  );
});
