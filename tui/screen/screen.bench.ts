// What a frame costs: the view alone, and the whole way to the bytes for the terminal. Prints a table;
// run it with `node tui/screen/screen.bench.ts`. Figures of one machine are good for ratios only.

import type { ReadStream, WriteStream } from 'node:tty';
import { systemClock } from '#core/clock/clock.ts';
import { openScreen } from '#tui/screen/blessed-screen.ts';
import { FakeTerminal, fakeKeyboard } from '#tui/test/fake-terminal.ts';
import { stateAfter } from '#tui/test/recorded-lab.ts';
import { type Frame, frameOf } from '#tui/view/frame.ts';
import { themeOf } from '#tui/view/theme.ts';
import { initialView } from '#tui/view/view-state.ts';

const FRAMES = 300;
const SECONDS = 38;
const theme = themeOf('braille');

interface Cost {
  viewUs: number[];
  drawUs: number[];
  bytes: number[];
}

async function measure(cols: number, rows: number): Promise<Cost> {
  const cost: Cost = { viewUs: [], drawUs: [], bytes: [] };
  const states = Array.from({ length: SECONDS }, (_, second) => stateAfter(second + 1));
  const terminal = new FakeTerminal(cols, rows);
  const screen = openScreen({
    input: fakeKeyboard() as unknown as ReadStream,
    output: terminal as unknown as WriteStream,
    theme,
    colours: 256,
    onKey: () => {},
    onResize: () => {},
  });
  for (let i = 0; i < FRAMES; i++) {
    const startUs = systemClock.monoUs();
    const frame = frameAt(states[i % SECONDS]!, cols, rows);
    const builtUs = systemClock.monoUs();
    screen.draw(frame);
    // The library writes at the end of the turn.
    await new Promise((resolve) => setImmediate(resolve));
    cost.viewUs.push(builtUs - startUs);
    cost.drawUs.push(systemClock.monoUs() - builtUs);
    cost.bytes.push(Buffer.byteLength(terminal.take()));
  }
  screen.close();
  return cost;
}

function frameAt(at: ReturnType<typeof stateAfter>, cols: number, rows: number): Frame {
  const { state, nowUs, wallMs } = at;
  const moment = { nowUs, wallMs, selfPercent: 1 };
  const truth = { nowUs, ageUs: 200_000, frozenS: Number.NaN };
  return frameOf({ state, view: initialView(false), theme, moment, truth }, cols, rows);
}

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

process.stdout.write('size      view ms p50   p99   draw ms p50   p99   bytes p50    max\n');
for (const [cols, rows] of [
  [80, 24],
  [120, 36],
  [200, 50],
] as const) {
  const { viewUs, drawUs, bytes } = await measure(cols, rows);
  const ms = (values: number[], share: number, width: number): string =>
    (percentile(values, share) / 1000).toFixed(2).padStart(width);
  process.stdout.write(
    `${`${cols}x${rows}`.padEnd(8)}${ms(viewUs, 0.5, 13)}${ms(viewUs, 0.99, 6)}` +
      `${ms(drawUs, 0.5, 14)}${ms(drawUs, 0.99, 6)}` +
      `${String(percentile(bytes, 0.5)).padStart(12)}${String(Math.max(...bytes)).padStart(7)}\n`,
  );
}
