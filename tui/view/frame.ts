// One frame: from state, choices, theme and size to panels. Pure: the same input gives the same frame,
// and nothing here knows of a terminal.

import type { LabState } from '#tui/model/lab-state.ts';
import { CellGrid, type Line } from '#tui/view/cell-grid.ts';
import { bannerLine, footerLine, headLine, statusOf, type Truth } from '#tui/view/head-line.ts';
import { helpPage } from '#tui/view/help-page.ts';
import {
  COLS_MIN,
  FOOTER_ROWS,
  HEAD_ROWS,
  layout,
  type Placed,
  type Rect,
  ROWS_MIN,
} from '#tui/view/layout.ts';
import { chartPanel, connectionsContent, latencyContent } from '#tui/view/panel/chart-panel.ts';
import { decaysPanel } from '#tui/view/panel/decays-panel.ts';
import { eventLines } from '#tui/view/panel/events-panel.ts';
import { knobsTable } from '#tui/view/panel/knobs-panel.ts';
import { queuesPanel } from '#tui/view/panel/queues-panel.ts';
import { sarPanel } from '#tui/view/panel/sar-panel.ts';
import { type Moment, type Scene, sceneOf } from '#tui/view/scene.ts';
import type { Table } from '#tui/view/table.ts';
import { ROLE, type Theme } from '#tui/view/theme.ts';
import { PANEL_NAMES, type PanelName, type ViewState } from '#tui/view/view-state.ts';

/** What stands inside a panel: cells as they are, or a table or log for a widget to show. */
export type Body =
  | { kind: 'cells'; grid: CellGrid }
  | { kind: 'table'; table: Table }
  | { kind: 'log'; lines: Line[] };

export interface Panel {
  name: PanelName | 'head' | 'banner' | 'footer' | 'help' | 'small';
  rect: Rect;
  /** Panels with a title have a border. */
  title?: string;
  body: Body;
}

export interface Frame {
  cols: number;
  rows: number;
  panels: Panel[];
}

export interface FrameInput {
  state: LabState;
  view: ViewState;
  theme: Theme;
  moment: Moment;
  truth: Truth;
}

export function frameOf(input: FrameInput, cols: number, rows: number): Frame {
  const { state, view, theme, moment, truth } = input;
  const placed = layout(cols, rows, view.panel);
  if (placed === undefined) return { cols, rows, panels: [smallPanel(cols, rows)] };
  const scene = sceneOf(state, view, theme, moment);
  const status = statusOf(scene, truth);
  const line = (y: number): Rect => ({ x: 0, y, cols, rows: 1 });
  const isOld = status !== 'LIVE' && status !== 'FROZEN';
  const body = view.help
    ? [helpPanel(cols, rows)]
    : placed.map((place) => bodyPanel(scene, place, isOld));
  return {
    cols,
    rows,
    panels: [
      cells('head', line(0), headLine(scene, truth, cols)),
      cells('banner', line(1), bannerLine(scene, status, cols)),
      ...body,
      cells('footer', line(rows - 1), footerLine(scene, truth, cols)),
    ],
  };
}

/** The inside of a bordered rectangle. */
export function inside({ x, y, cols, rows }: Rect): Rect {
  return { x: x + 1, y: y + 1, cols: Math.max(0, cols - 2), rows: Math.max(0, rows - 2) };
}

function bodyPanel(scene: Scene, { name, rect }: Placed, isOld: boolean): Panel {
  const { cols, rows } = inside(rect);
  const { title, body } = drawBody(scene, name, cols, rows);
  if (isOld && body.kind === 'cells') body.grid.recolour(ROLE.stale);
  const number = PANEL_NAMES.indexOf(name) + 1;
  return { name, rect, title: `${number} ${title}`, body };
}

function drawBody(
  scene: Scene,
  name: PanelName,
  cols: number,
  rows: number,
): { title: string; body: Body } {
  switch (name) {
    case 'sar':
      return { title: 'sar, every 1 s', body: grid(sarPanel(scene, cols, rows)) };
    case 'decays':
      return { title: 'decays', body: grid(decaysPanel(scene, cols, rows)) };
    case 'connections': {
      const content = connectionsContent(scene);
      return { title: content.title, body: grid(chartPanel(scene, content, cols, rows)) };
    }
    case 'latency': {
      const content = latencyContent(scene);
      return { title: content.title, body: grid(chartPanel(scene, content, cols, rows)) };
    }
    case 'queues':
      return { title: 'queues, msg (tee: B)', body: grid(queuesPanel(scene, cols, rows)) };
    case 'knobs': {
      const table = knobsTable(scene, cols, rows);
      const title = scene.view.control ? 'knobs, CONTROL armed' : 'knobs, read-only (k arms)';
      return { title, body: tableOr(table, 'no knobs: they appear while a lab runs', cols, rows) };
    }
    case 'events':
      return { title: 'events', body: { kind: 'log', lines: eventLines(scene, cols, rows) } };
  }
}

function grid(drawn: CellGrid): Body {
  return { kind: 'cells', grid: drawn };
}

function tableOr(table: Table | undefined, message: string, cols: number, rows: number): Body {
  return table === undefined ? grid(sentence(message, cols, rows)) : { kind: 'table', table };
}

function sentence(text: string, cols: number, rows: number): CellGrid {
  const drawn = new CellGrid(cols, rows);
  drawn.put(1, 0, text, ROLE.dim);
  return drawn;
}

function helpPanel(cols: number, rows: number): Panel {
  const rect = { x: 0, y: HEAD_ROWS, cols, rows: rows - HEAD_ROWS - FOOTER_ROWS };
  const { cols: insideCols, rows: insideRows } = inside(rect);
  const body = grid(helpPage(insideCols, insideRows));
  return { name: 'help', rect, title: 'keys (any key closes)', body };
}

/** Too small for numbers: one line (two where it is very narrow), and everything comes back with the room. */
function smallPanel(cols: number, rows: number): Panel {
  const drawn = new CellGrid(cols, rows);
  const end = drawn.put(0, 0, 'terminal too small: ', ROLE.warn);
  const sizes = `${cols}x${rows}, need ${COLS_MIN}x${ROWS_MIN}`;
  const fits = end + sizes.length <= cols;
  drawn.put(fits ? end : 0, fits ? 0 : 1, sizes, ROLE.warn);
  return cells('small', { x: 0, y: 0, cols, rows }, drawn);
}

function cells(name: Panel['name'], rect: Rect, drawn: CellGrid): Panel {
  return { name, rect, body: grid(drawn) };
}
