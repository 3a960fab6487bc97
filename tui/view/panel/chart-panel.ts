// The panels with lines over time: one line of figures, then the chart. In a lab they show connections
// and latency; without a lab there is neither, and the same places show the host's sockets and CPU.

import type { SourceState } from '#tui/model/source-state.ts';
import { CellGrid, type Line, span } from '#tui/view/cell-grid.ts';
import { HOST, LOAD, latencyName, SERVER } from '#tui/view/metric-names.ts';
import { clockText, durationText, numberText } from '#tui/view/number-text.ts';
import { firstKnown, maxAt, type Scene, slopeAt, sumAt, sumLast } from '#tui/view/scene.ts';
import { ROLE, SERIES_ROLES } from '#tui/view/theme.ts';
import { type Area, type Chart, type ChartSeries, drawChart } from '#tui/view/time-chart.ts';

/** What a chart panel shows. */
export interface ChartContent {
  title: string;
  /** Figures of now, above the chart; each stays whole. */
  figures: Line[];
  series: ChartSeries[];
  scale: Chart['scale'];
  unit: string;
}

/** Seconds over which the speed of a ramp is taken. */
const RAMP_SECONDS = 5;
const FIGURE_GAP = 2;
const TWO_LINES_ROWS_MIN = 9;

export function chartPanel(
  scene: Scene,
  content: ChartContent,
  cols: number,
  rows: number,
): CellGrid {
  const grid = new CellGrid(cols, rows);
  if (content.series.length === 0) {
    grid.put(1, 0, 'no source measures this', ROLE.dim);
    return grid;
  }
  const y = drawFigures(grid, content.figures);
  drawTimeline(grid, { x: 0, y, cols, rows: rows - y }, scene, content);
  return grid;
}

/** One line of figures, two where there is room; returns the row below. */
function drawFigures(grid: CellGrid, figures: Line[]): number {
  const linesMax = grid.rows >= TWO_LINES_ROWS_MIN ? 2 : 1;
  let [x, y] = [0, 0];
  for (const figure of figures) {
    const cols = figure.reduce((sum, { text }) => sum + text.length, 0);
    if (x > 0 && x + cols > grid.cols) {
      if (y + 1 >= linesMax) break;
      [x, y] = [0, y + 1];
    }
    x = grid.putLine(x, y, figure) + FIGURE_GAP;
  }
  return y + 1;
}

/** Lines over the time axis that all panels share, with the same markers. */
export function drawTimeline(
  grid: CellGrid,
  area: Area,
  scene: Scene,
  lines: Pick<Chart, 'series' | 'scale' | 'unit'>,
): void {
  const { endSecond, secondsPerDot } = scene;
  if (!Number.isFinite(endSecond)) return;
  const { series, scale, unit } = lines;
  const markers = markerSeconds(scene);
  drawChart(grid, area, { series, scale, unit, endSecond, secondsPerDot, markers }, scene.theme);
}

/** Connections: wanted, logged in, and how many failed so far. */
export function connectionsContent(scene: Scene): ChartContent {
  const { loads, servers, host } = scene;
  if (loads.length > 0) return loadContent(scene);
  if (servers.length > 0) {
    const figures = [
      figure('conns', sumLast(servers, SERVER.connections), 0),
      figure('logged in', sumLast(servers, SERVER.sessions), 1),
    ];
    const series = [
      series1(0, 'conns', 'c', servers, SERVER.connections),
      series1(1, 'in', 'i', servers, SERVER.sessions),
    ];
    return { title: 'server connections, conn', figures, series, scale: 'linear', unit: '{c}' };
  }
  return hostContent(host, 'sockets, sock', '{socket}', [
    { name: 'open', letter: 'o', names: HOST.sockets },
    { name: 'estab', letter: 'e', names: HOST.established },
  ]);
}

function loadContent(scene: Scene): ChartContent {
  const { loads } = scene;
  const target = sumLast(loads, LOAD.target);
  const loggedIn = sumLast(loads, LOAD.loggedIn);
  const failed = sumLast(loads, LOAD.failed);
  const perS = slopeAt(loads, LOAD.loggedIn, loads[0]!.lastSecond, RAMP_SECONDS);
  const etaS = (target - loggedIn) / perS;
  const figures = [
    figure('target', target, 0),
    figure('in', loggedIn, 1),
    [span('failed ', ROLE.dim), span(numberText(failed), failed > 0 ? ROLE.bad : ROLE.text)],
    ...(etaS > 0.5 && perS > 0 ? [[span(`ETA ${clockText(etaS)}`, ROLE.dim)]] : []),
  ];
  const series = [
    series1(1, 'in', 'i', loads, LOAD.loggedIn),
    series1(0, 'target', 't', loads, LOAD.target),
  ];
  return { title: 'connections, conn', figures, series, scale: 'linear', unit: '{connection}' };
}

/** Latency from the intended send time: percentiles of each second, the worst of all generators. */
export function latencyContent(scene: Scene): ChartContent {
  const { loads, host } = scene;
  if (loads.length === 0) {
    return hostContent(host, 'cpu, % of all cores', '%', [
      { name: 'us', letter: 'u', names: HOST.user },
      { name: 'sy', letter: 's', names: HOST.system },
      { name: 'si', letter: 'i', names: HOST.softirq },
    ]);
  }
  const points = [
    { point: 'p50', name: 'p50', letter: '5' },
    { point: 'p99', name: 'p99', letter: '9' },
    { point: 'p999', name: 'p99.9', letter: 'n' },
    { point: 'max', name: 'max', letter: 'm' },
  ];
  const series = points.map(({ point, name, letter }, index): ChartSeries => {
    const metric = latencyName('latency', point);
    const role = SERIES_ROLES[index]!;
    return { name, letter, role, at: (second) => maxAt(loads, metric, second) };
  });
  const second = loads[0]!.lastSecond;
  const late = maxAt(loads, latencyName('lateness', 'p99'), second);
  const figures = [
    ...series.map(({ name, role, at }) => [span(`${name} `, role), span(durationText(at(second)))]),
    [span(`late p99 ${durationText(late)}`, ROLE.dim)],
  ];
  return { title: 'latency, log scale', figures, series, scale: 'log', unit: 'us' };
}

function hostContent(
  host: SourceState | undefined,
  title: string,
  unit: string,
  lines: { name: string; letter: string; names: readonly string[] }[],
): ChartContent {
  const known = lines.flatMap((line, index) => {
    const metric = firstKnown(host, line.names);
    if (metric === undefined || host === undefined) return [];
    return [series1(index, line.name, line.letter, [host], metric)];
  });
  const second = host?.lastSecond ?? Number.NaN;
  const figures = known.map(({ name, role, at }) => [
    span(`${name} `, role),
    span(numberText(at(second))),
  ]);
  return { title, figures, series: known, scale: 'linear', unit };
}

function series1(
  index: number,
  name: string,
  letter: string,
  sources: SourceState[],
  metric: string,
): ChartSeries {
  return {
    name,
    letter,
    role: SERIES_ROLES[index % SERIES_ROLES.length]!,
    at: (second) => sumAt(sources, metric, second),
  };
}

function figure(name: string, value: number, index: number): Line {
  return [span(`${name} `, SERIES_ROLES[index]!), span(numberText(value))];
}

/** Knob turns, phases and alerts stand at the same second in every chart. */
function markerSeconds(scene: Scene): number[] {
  return scene.state.events
    .filter(({ kind, data }) => {
      // An experiment sets its knob before each block, also to what it is already.
      if (kind === 'knob') return data?.['old'] !== data?.['value'];
      return kind === 'phase' || kind === 'alert';
    })
    .map(({ wallMs }) => Math.ceil(wallMs / 1000));
}
