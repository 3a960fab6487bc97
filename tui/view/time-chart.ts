// Lines over time. The right edge is the newest second and one column of dots is a fixed number of
// seconds, so that charts of one width always show the same time and markers stand below each other.
//
// Rules: gaps are gaps; a column that covers several seconds shows their smallest and largest value,
// never a mean; a linear axis shows its zero; what is not finite is a gap; on a logarithmic axis zero
// and less lie on the bottom line. The name of each line stands at its right end, so that lines can be
// told apart without colour.

import { type CellGrid, padStart } from '#tui/view/cell-grid.ts';
import { DotPlane } from '#tui/view/dot-plane.ts';
import { numberText, quantityText, timeText } from '#tui/view/number-text.ts';
import { ROLE, type Role, type Theme } from '#tui/view/theme.ts';

export interface ChartSeries {
  name: string;
  /** Drawn in ASCII mode; one letter. */
  letter: string;
  role: Role;
  /** Value of a second; NaN where there is none. */
  at(second: number): number;
}

export interface Chart {
  series: ChartSeries[];
  endSecond: number;
  secondsPerDot: number;
  scale: 'linear' | 'log';
  /** UCUM unit of the values. */
  unit: string;
  /** Seconds at which something happened. */
  markers: number[];
}

export interface Area {
  x: number;
  y: number;
  cols: number;
  rows: number;
}

interface Axis {
  low: number;
  high: number;
  isLog: boolean;
}

const LABEL_COLS = 7;
const PLOT_COLS_MIN = 8;
const PLOT_ROWS_MIN = 2;
const HUGEST = 1e300;
const TINIEST = 1e-300;
/** Smaller values than these decades below the largest lie on the bottom of a logarithmic axis. */
const DECADES_MAX = 12;

/** Draws a chart into `area` of the grid; an area that is too small stays empty. */
export function drawChart(grid: CellGrid, area: Area, chart: Chart, theme: Theme): void {
  const tagCols = Math.max(...chart.series.map(({ name }) => name.length), 0) + 1;
  const plotRows = area.rows - 1;
  const plotCols = area.cols - LABEL_COLS - 1 - tagCols;
  if (plotCols < PLOT_COLS_MIN || plotRows < PLOT_ROWS_MIN) return;
  const plane = new DotPlane(plotCols, plotRows, theme.symbols);
  const spanSeconds = plane.dotsAcross * chart.secondsPerDot;
  const startSecond = chart.endSecond - spanSeconds + 1;
  const axis = axisOf(chart, startSecond);
  const plotX = area.x + LABEL_COLS + 1;
  const ends = [...chart.series].map((series) => plotSeries(plane, chart, series, axis));
  drawFrame(grid, { ...area, x: plotX, cols: plotCols }, startSecond, chart, theme);
  if (axis !== undefined) drawLabels(grid, area, plane, axis, chart.unit);
  drawMarkers(grid, plotX, area.y, plane, chart, startSecond, theme);
  for (let row = 0; row < plotRows; row++) {
    for (let col = 0; col < plotCols; col++) {
      const cell = plane.cell(col, row);
      if (cell !== undefined) grid.set(plotX + col, area.y + row, cell.sign, cell.role);
    }
  }
  drawTags(grid, plotX + plotCols, area.y, plane, chart.series, ends);
}

/** The range of the visible values; undefined when there are none. */
function axisOf(chart: Chart, startSecond: number): Axis | undefined {
  const isLog = chart.scale === 'log';
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { at } of chart.series) {
    for (let second = startSecond; second <= chart.endSecond; second++) {
      const value = at(second);
      if (!isDrawable(value) || (isLog && value < TINIEST)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return undefined;
  if (isLog) {
    const top = 10 ** Math.ceil(Math.log10(high));
    const bottom = Math.max(10 ** Math.floor(Math.log10(low)), top / 10 ** DECADES_MAX);
    return { low: bottom, high: top > bottom ? top : bottom * 10, isLog };
  }
  const top = niceCeil(Math.max(0, high));
  const bottom = -niceCeil(Math.max(0, -low));
  return { low: bottom, high: top > bottom ? top : bottom + 1, isLog };
}

/** Nobody measures more, and a double has room to round it up. */
function isDrawable(value: number): boolean {
  return Number.isFinite(value) && Math.abs(value) < HUGEST;
}

/** The next of 1, 2, 2.5, 5, 10 times a power of ten. */
function niceCeil(value: number): number {
  if (value < TINIEST) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 2.5, 5, 10].find((step) => value <= step * power * (1 + 1e-9)) ?? 10;
  return factor * power;
}

/** Dot row of a value: 0 is the top. */
function dotRow(value: number, axis: Axis, dotsDown: number): number {
  const { low, high, isLog } = axis;
  const ratio = isLog
    ? Math.log(Math.max(value, low) / low) / Math.log(high / low)
    : (value - low) / (high - low);
  return Math.round((1 - Math.min(1, Math.max(0, ratio))) * (dotsDown - 1));
}

/** The newest value of a line and its dot row. */
interface LineEnd {
  value: number;
  dotY: number;
}

/** Draws one line; returns its end, undefined when nothing of it is visible. */
function plotSeries(
  plane: DotPlane,
  chart: Chart,
  series: ChartSeries,
  axis: Axis | undefined,
): LineEnd | undefined {
  if (axis === undefined) return undefined;
  const { endSecond, secondsPerDot } = chart;
  let before: number | undefined;
  let newest: LineEnd | undefined;
  for (let dotX = 0; dotX < plane.dotsAcross; dotX++) {
    const last = endSecond - (plane.dotsAcross - 1 - dotX) * secondsPerDot;
    let top: number | undefined;
    let bottom: number | undefined;
    let end: number | undefined;
    for (let second = last - secondsPerDot + 1; second <= last; second++) {
      const value = series.at(second);
      if (!isDrawable(value)) continue;
      end = dotRow(value, axis, plane.dotsDown);
      newest = { value, dotY: end };
      top = Math.min(top ?? end, end);
      bottom = Math.max(bottom ?? end, end);
    }
    if (top !== undefined && bottom !== undefined) {
      plane.column(
        dotX,
        Math.min(top, before ?? top),
        Math.max(bottom, before ?? bottom),
        series.role,
        series.letter,
      );
    }
    before = end;
  }
  return newest;
}

/** The time axis below the plot, with wall times at both ends. */
function drawFrame(
  grid: CellGrid,
  plot: Area,
  startSecond: number,
  chart: Chart,
  theme: Theme,
): void {
  const { signs } = theme;
  const y = plot.y + plot.rows - 1;
  for (let row = 0; row < plot.rows - 1; row++) {
    grid.set(plot.x - 1, plot.y + row, signs.vertical, ROLE.border);
  }
  grid.set(plot.x - 1, y, signs.axisCorner, ROLE.border);
  for (let col = 0; col < plot.cols; col++) {
    grid.set(plot.x + col, y, signs.horizontal, ROLE.border);
  }
  const shown = ` ${chart.endSecond - startSecond + 1} s `;
  const [from, to] = [timeText(startSecond * 1000), timeText(chart.endSecond * 1000)];
  if (plot.cols >= from.length + to.length + shown.length + 2) {
    grid.put(plot.x, y, from, ROLE.dim);
    grid.putRight(plot.x + plot.cols, y, to, ROLE.dim);
    grid.put(plot.x + Math.floor((plot.cols - shown.length) / 2), y, shown, ROLE.dim);
  } else {
    grid.putRight(plot.x + plot.cols, y, shown, ROLE.dim);
  }
}

function drawLabels(grid: CellGrid, area: Area, plane: DotPlane, axis: Axis, unit: string): void {
  const taken = new Set<number>();
  for (const value of labelValues(axis, plane.rows)) {
    const row = plane.rowOf(dotRow(value, axis, plane.dotsDown));
    if (taken.has(row)) continue;
    taken.add(row);
    const text = ['us', 'ms', 's', 'By', 'By/s'].includes(unit)
      ? quantityText(value, unit).replace(/\.0+(?= )/, '')
      : numberText(value);
    grid.put(area.x, area.y + row, padStart(text.slice(0, LABEL_COLS), LABEL_COLS), ROLE.dim);
  }
}

/** The ends first, then what lies between as far as there is room. */
function labelValues({ low, high, isLog }: Axis, rows: number): number[] {
  const between: number[] = [];
  if (isLog) for (let value = low * 10; value < high / 2; value *= 10) between.push(value);
  else if (low < 0 && high > 0) between.push(0);
  else if (rows >= 5) between.push((low + high) / 2);
  return [high, low, ...between];
}

function drawMarkers(
  grid: CellGrid,
  plotX: number,
  plotY: number,
  plane: DotPlane,
  chart: Chart,
  startSecond: number,
  theme: Theme,
): void {
  const dotsACell = plane.dotsAcross / plane.cols;
  for (const second of chart.markers) {
    if (!(second >= startSecond && second <= chart.endSecond)) continue;
    const dotX = Math.floor((second - startSecond) / chart.secondsPerDot);
    const x = plotX + Math.floor(dotX / dotsACell);
    for (let row = 0; row < plane.rows; row++) {
      grid.set(x, plotY + row, theme.signs.marker, ROLE.rule);
    }
  }
}

/** The names at the right ends, in the order of the values; names that would share a row move apart. */
function drawTags(
  grid: CellGrid,
  x: number,
  y: number,
  plane: DotPlane,
  series: ChartSeries[],
  ends: (LineEnd | undefined)[],
): void {
  const tags = series
    .flatMap(({ name, role }, index) => {
      const end = ends[index];
      return end === undefined ? [] : [{ name, role, end, row: plane.rowOf(end.dotY) }];
    })
    .sort((a, b) => b.end.value - a.end.value)
    .slice(0, plane.rows);
  for (const [index, tag] of tags.entries()) {
    if (index > 0) tag.row = Math.max(tag.row, tags[index - 1]!.row + 1);
  }
  let bottom = plane.rows - 1;
  for (const tag of tags.toReversed()) {
    tag.row = Math.min(tag.row, bottom);
    bottom = tag.row - 1;
    grid.put(x + 1, y + tag.row, tag.name, tag.role);
  }
}
