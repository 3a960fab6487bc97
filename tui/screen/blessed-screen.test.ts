// The screen against an emulated terminal: what it shows must be what the view said, cell for cell, and
// what it writes must be little.

import assert from 'node:assert/strict';
import type { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { ReadStream, WriteStream } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openScreen, type Screen } from '#tui/screen/blessed-screen.ts';
import { FakeTerminal, fakeKeyboard } from '#tui/test/fake-terminal.ts';
import { stateAfter } from '#tui/test/recorded-lab.ts';
import { EmulatedScreen } from '#tui/test/terminal.ts';
import { type Frame, frameOf } from '#tui/view/frame.ts';
import { paintFrame } from '#tui/view/frame-text.ts';
import type { Key } from '#tui/view/key-action.ts';
import { themeOf } from '#tui/view/theme.ts';
import { initialView, PANEL_NAMES, type ViewState } from '#tui/view/view-state.ts';

const theme = themeOf('braille');
const BYTES_PER_FRAME_MAX = 8 * 1024;

interface Stage {
  screen: Screen;
  terminal: FakeTerminal;
  input: PassThrough;
  emulated: EmulatedScreen;
  keys: Key[];
  /** Draws and brings the bytes to the emulator; returns how many there were. */
  show(frame: Frame): Promise<number>;
}

function stage(t: TestContext, cols: number, rows: number, colours: 0 | 16 | 256 = 256): Stage {
  const terminal = new FakeTerminal(cols, rows);
  const input = fakeKeyboard();
  const keys: Key[] = [];
  const emulated = new EmulatedScreen(cols, rows);
  const screen = openScreen({
    input: input as unknown as ReadStream,
    output: terminal as unknown as WriteStream,
    theme,
    colours,
    onKey: (key) => keys.push(key),
    onResize: () => {},
  });
  t.after(() => screen.close());
  return {
    screen,
    terminal,
    input,
    emulated,
    keys,
    async show(frame) {
      screen.draw(frame);
      await flushed();
      const bytes = terminal.take();
      await emulated.write(bytes);
      return Buffer.byteLength(bytes);
    },
  };
}

/** The library writes at the end of the turn. */
const flushed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function frameAt(
  seconds: number,
  cols: number,
  rows: number,
  choose: Partial<ViewState> = {},
): Frame {
  const { state, nowUs, wallMs } = stateAfter(seconds);
  const view = { ...initialView(false), ...choose };
  const moment = { nowUs, wallMs, selfPercent: 0.8 };
  const truth = { nowUs, ageUs: 200_000, frozenS: Number.NaN };
  return frameOf({ state, view, theme, moment, truth }, cols, rows);
}

for (const [cols, rows] of [
  [80, 24],
  [120, 36],
  [200, 50],
] as const) {
  test(`${cols}x${rows}: the terminal shows what the view said, through widgets and all`, async (t) => {
    const { show, emulated } = stage(t, cols, rows);
    for (const second of [0, 3, 9, 20, 21, 38]) {
      const frame = frameAt(second, cols, rows);
      await show(frame);
      assert.deepEqual(emulated.lines(), paintFrame(frame, theme).lines());
    }
  });
}

test('panels come and go without leaving a cell behind', async (t) => {
  const { show, emulated } = stage(t, 120, 36);
  for (const panel of [...PANEL_NAMES, undefined, 'knobs', 'events', undefined] as const) {
    for (const help of [false, true]) {
      const frame = frameAt(20, 120, 36, panel === undefined ? { help } : { panel, help });
      await show(frame);
      assert.deepEqual(emulated.lines(), paintFrame(frame, theme).lines());
    }
  }
});

test('fifty sizes from 20x5 to 400x100: every one is shown right', async (t) => {
  const { show, emulated, terminal, screen } = stage(t, 80, 24);
  let draw = 20120206;
  const random = (max: number): number => {
    draw = (Math.imul(draw, 1103515245) + 12345) >>> 1;
    return draw % max;
  };
  for (let i = 0; i < 50; i++) {
    const cols = 20 + random(381);
    const rows = 5 + random(96);
    terminal.resize(cols, rows);
    emulated.terminal.resize(cols, rows);
    // The library waits for a resize to settle.
    while (screen.cols !== cols || screen.rows !== rows) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const frame = frameAt(20, cols, rows);
    await show(frame);
    assert.deepEqual(emulated.lines(), paintFrame(frame, theme).lines(), `${cols}x${rows}`);
  }
});

test('a frame a second costs at most 8 KiB at 120x36, an unchanged one next to nothing', async (t) => {
  const { show } = stage(t, 120, 36);
  await show(frameAt(10, 120, 36));
  const bytes: number[] = [];
  for (let second = 11; second <= 38; second++) bytes.push(await show(frameAt(second, 120, 36)));
  const most = Math.max(...bytes);
  t.diagnostic(`bytes a frame: most ${most}, median ${bytes.sort((a, b) => a - b)[14]}`);
  assert.ok(most <= BYTES_PER_FRAME_MAX, `${most} bytes`);
  assert.ok((await show(frameAt(38, 120, 36))) <= 64);
});

test('a thousand frames leave the heap as it was', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { show, terminal } = stage(t, 120, 36);
  const frames = Array.from({ length: 30 }, (_, i) => frameAt(i, 120, 36));
  const used: number[] = [];
  for (let i = 0; i < 1000; i++) {
    await show(frames[i % frames.length]!);
    terminal.take();
    if (i % 250 === 249) {
      collect();
      used.push(process.memoryUsage().heapUsed);
    }
  }
  const growth = used.at(-1)! - used[0]!;
  t.diagnostic(`heap after 250 and after 1000 frames: ${used[0]} B, ${used.at(-1)} B`);
  assert.ok(growth < 1_000_000, `${growth} bytes more after 750 frames`);
});

test('with NO_COLOR there is no colour and no bold, and the picture is the same', async (t) => {
  const { screen, terminal, emulated } = stage(t, 120, 36, 0);
  const frame = frameAt(20, 120, 36);
  screen.draw(frame);
  await flushed();
  const bytes = terminal.take();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is the escape that is looked for
  assert.doesNotMatch(bytes, /\x1b\[[\d;]*[1-9][\d;]*m/);
  await emulated.write(bytes);
  assert.deepEqual(emulated.lines(), paintFrame(frame, theme).lines());
});

test('with 16 colours no other is asked for', async (t) => {
  const { screen, terminal } = stage(t, 120, 36, 16);
  screen.draw(frameAt(20, 120, 36));
  await flushed();
  assert.doesNotMatch(terminal.take(), /[34]8;5;/);
});

test('keys are reported once, by name', async (t) => {
  const { input, keys } = stage(t, 80, 24);
  input.write('q]\r \x1b[A\x1b[Z\x03?7');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    keys.map(({ name }) => name),
    ['q', ']', 'enter', 'space', 'up', 'S-tab', 'C-c', '?', '7'],
  );
});

test('released and closed, the terminal is as it was: normal buffer, cursor shown', async (t) => {
  const { screen, terminal, emulated, show } = stage(t, 80, 24);
  await show(frameAt(20, 80, 24));
  assert.equal(emulated.bufferType, 'alternate');
  const resume = screen.release();
  await emulated.write(terminal.take());
  assert.equal(emulated.bufferType, 'normal');
  resume();
  const frame = frameAt(21, 80, 24);
  await show(frame);
  assert.equal(emulated.bufferType, 'alternate');
  assert.deepEqual(emulated.lines(), paintFrame(frame, theme).lines());
  screen.close();
  screen.close();
  await emulated.write(terminal.take());
  assert.equal(emulated.bufferType, 'normal');
  assert.equal(emulated.terminal.modes.applicationKeypadMode, false);
});
