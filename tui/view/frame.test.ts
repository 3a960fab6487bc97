import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LabState } from '#tui/model/lab-state.ts';
import { stateAfter } from '#tui/test/recorded-lab.ts';
import { type Frame, frameOf } from '#tui/view/frame.ts';
import { paintFrame, paintPanel } from '#tui/view/frame-text.ts';
import { layout } from '#tui/view/layout.ts';
import { themeOf } from '#tui/view/theme.ts';
import { initialView, PANEL_NAMES, type ViewState } from '#tui/view/view-state.ts';

const theme = themeOf('braille');
const asText = { serializers: [(value: unknown) => String(value)] };

function frameAt(
  seconds: number,
  cols: number,
  rows: number,
  choose: Partial<ViewState> = {},
  chosenTheme = theme,
): Frame {
  const { state, nowUs, wallMs } = stateAfter(seconds);
  return frameOf(
    {
      state,
      view: { ...initialView(false), ...choose },
      theme: chosenTheme,
      moment: { nowUs, wallMs, selfPercent: 0.8 },
      truth: { nowUs, ageUs: 200_000, frozenS: Number.NaN },
    },
    cols,
    rows,
  );
}

function textOf(frame: Frame, chosenTheme = theme): string {
  return paintFrame(frame, chosenTheme).lines().join('\n');
}

for (const [cols, rows] of [
  [80, 24],
  [120, 36],
  [200, 50],
] as const) {
  test(`a recorded run at ${cols}x${rows} is drawn as before`, (t) => {
    t.assert.snapshot(textOf(frameAt(30, cols, rows)), asText);
  });
}

test('a recorded run in ASCII has no other sign', (t) => {
  const ascii = themeOf('ascii');
  const text = textOf(frameAt(30, 120, 36, {}, ascii), ascii);
  assert.match(text, /^[\x20-\x7e\n]*$/);
  t.assert.snapshot(text, asText);
});

test('help is drawn as before', (t) => {
  t.assert.snapshot(textOf(frameAt(30, 80, 24, { help: true })), asText);
});

test('every size: panels lie inside the screen, cover it, and none overlaps another', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 1, max: 120 }),
      fc.option(fc.constantFrom(...PANEL_NAMES), { nil: undefined }),
      (cols, rows, panel) => {
        const frame = frameAt(12, cols, rows, panel === undefined ? {} : { panel });
        const covered = new Uint8Array(cols * rows);
        for (const each of frame.panels) {
          const { rect } = each;
          const grid = paintPanel(each, theme);
          assert.deepEqual([grid.cols, grid.rows], [rect.cols, rect.rows], each.name);
          for (let y = rect.y; y < rect.y + rect.rows; y++) {
            assert.ok(y < rows && rect.x + rect.cols <= cols, `${each.name} is inside`);
            for (let x = rect.x; x < rect.x + rect.cols; x++) covered[y * cols + x]!++;
          }
        }
        assert.ok(
          covered.every((count) => count === 1),
          `${cols}x${rows}: each cell belongs to one panel`,
        );
        for (const line of paintFrame(frame, theme).lines()) assert.ok([...line].length <= cols);
      },
    ),
    { numRuns: 60 },
  );
});

test('below 60x15 one line says so', () => {
  assert.equal(textOf(frameAt(12, 58, 14)).trim(), 'terminal too small: 58x14, need 60x15');
  assert.equal(layout(59, 15), undefined);
  assert.equal(layout(60, 14), undefined);
  assert.ok(layout(60, 15));
});

test('an empty state is drawn at every panel without a number', () => {
  for (const panel of PANEL_NAMES) {
    const frame = frameOf(
      {
        state: new LabState(),
        view: { ...initialView(false), panel },
        theme,
        moment: { nowUs: 0, wallMs: 1.7e12, selfPercent: 0 },
        truth: { nowUs: 0, ageUs: Number.NaN, frozenS: Number.NaN },
      },
      120,
      36,
    );
    assert.match(textOf(frame), /STARTING/);
    assert.doesNotMatch(textOf(frame), /NaN|undefined|Infinity/);
  }
});

test('no second of the recording shows NaN, undefined or Infinity', () => {
  for (let second = 0; second <= 38; second += 2) {
    for (const [cols, rows] of [
      [80, 24],
      [200, 50],
    ] as const) {
      assert.doesNotMatch(textOf(frameAt(second, cols, rows)), /NaN|undefined|Infinity/);
    }
  }
});

test('events stand as rules between the seconds, at their place', () => {
  const lines = textOf(frameAt(16, 120, 36, { panel: 'sar' })).split('\n');
  const rule = lines.findIndex((line) => line.includes('── 09:49:45 phase steady'));
  assert.ok(rule > 0, 'the phase is a rule');
  const timeOf = (line: string): string => /\d\d:\d\d:\d\d/.exec(line)?.[0] ?? '';
  assert.ok(timeOf(lines[rule - 1]!) <= timeOf(lines[rule]!));
  assert.ok(timeOf(lines[rule]!) < timeOf(lines[rule + 1]!));
});

test('old data is grey and called STALE; the alert of the banner never hides it', () => {
  const { state, nowUs, wallMs } = stateAfter(30);
  const late = nowUs + 5e6;
  const frame = frameOf(
    {
      state,
      view: initialView(false),
      theme,
      moment: { nowUs: late, wallMs: wallMs + 5000, selfPercent: 0 },
      truth: { nowUs: late, ageUs: 5_200_000, frozenS: Number.NaN },
    },
    120,
    36,
  );
  assert.match(textOf(frame), /\[STALE 5\.2 s\]/);
});
