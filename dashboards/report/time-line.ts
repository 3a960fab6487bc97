// One value over the seconds of the run as an inline SVG: a line for each column, bands for the blocks
// of A and B, a mark where the knob turned. A gap in the data is a gap in the line.

import { timeAxis, zeroAxis } from '#dashboards/report/axis.ts';
import { type Child, el, type Markup } from '#dashboards/report/markup.ts';
import { clockText, quantityText } from '#dashboards/report/number-text.ts';
import {
  BOTTOM,
  figure,
  gridLines,
  HEIGHT,
  PLOT,
  plotSvg,
  swatch,
  WIDTH,
} from '#dashboards/report/plot.ts';

export interface TimeLineOptions {
  title: string;
  unit: string;
  /** Start of the axis, and its end. */
  startWallMs: number;
  endWallMs: number;
  wallMs: readonly number[];
  lines: { name: string; values: readonly (number | null)[] }[];
  bands: { variant: 'a' | 'b'; startWallMs: number; endWallMs: number; isFit: boolean }[];
  marks: number[];
}

/** Rows farther apart than this are not joined by a line. */
const GAP_MS = 1500;
const MARK_HEIGHT = 5;

export function timeLine(options: TimeLineOptions): Markup {
  const { title, unit, startWallMs, endWallMs, lines, bands, marks } = options;
  const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
  if (values.length === 0) return figure(title, el('p', { class: 'none' }, 'no data'));
  const yAxis = zeroAxis(values.reduce((highest, value) => Math.max(highest, value), 0));
  const xAxis = timeAxis(endWallMs - startWallMs);
  const x = (wallMs: number): number => {
    const share = Math.min(1, Math.max(0, xAxis.at(wallMs - startWallMs)));
    return PLOT.left + PLOT.width * share;
  };
  const y = (value: number): number => PLOT.top + PLOT.height * (1 - yAxis.at(value));
  const drawing = [
    bands.map(({ variant, isFit, ...band }) =>
      el('rect', {
        class: `band-${variant}${isFit ? '' : ' unfit'}`,
        x: x(band.startWallMs),
        y: PLOT.top,
        width: Math.max(0.5, x(band.endWallMs) - x(band.startWallMs)),
        height: PLOT.height,
      }),
    ),
    gridLines(yAxis, y, (tick) => quantityText(tick, unit === 'us' ? unit : '1')),
    xAxis.ticks.map((tick) =>
      el(
        'text',
        { class: 'tick middle', x: x(startWallMs + tick), y: HEIGHT - BOTTOM / 3 },
        clockText(tick),
      ),
    ),
    marks.map((mark) =>
      el('line', {
        class: 'turn',
        x1: x(mark),
        x2: x(mark),
        y1: PLOT.top,
        y2: PLOT.top + MARK_HEIGHT,
      }),
    ),
    lines.map((line, index) =>
      el('path', { class: `line-${index}`, d: path(options.wallMs, line.values, x, y) }),
    ),
  ];
  return figure(
    [title, legend(lines)],
    plotSvg(WIDTH, HEIGHT, `${title}, ${describe(values, unit)}`, drawing),
  );
}

function path(
  wallMs: readonly number[],
  values: readonly (number | null)[],
  x: (wallMs: number) => number,
  y: (value: number) => number,
): string {
  let text = '';
  let previousMs = Number.NEGATIVE_INFINITY;
  values.forEach((value, index) => {
    const atMs = wallMs[index]!;
    if (value === null) return;
    text += `${atMs - previousMs > GAP_MS ? 'M' : 'L'}${x(atMs).toFixed(1)} ${y(value).toFixed(1)}`;
    previousMs = atMs;
  });
  return text;
}

function legend(lines: TimeLineOptions['lines']): Child {
  if (lines.length < 2) return null;
  return lines.map(({ name }, index) => swatch(`swatch-${index}`, name));
}

function describe(values: readonly number[], unit: string): string {
  const low = values.reduce((lowest, value) => Math.min(lowest, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((highest, value) => Math.max(highest, value), 0);
  return `from ${quantityText(low, unit)} to ${quantityText(high, unit)}`;
}
