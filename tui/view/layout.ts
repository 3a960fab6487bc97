// Where each panel stands at a terminal size. Three forms: everything (110 x 30 and more), sar above one
// other panel (smaller), and below 60 x 15 only a line that says so. A chosen panel takes the place of
// all but sar at any size: the rows are what one looks at while turning a knob.

import type { PanelName } from '#tui/view/view-state.ts';

export interface Rect {
  x: number;
  y: number;
  cols: number;
  rows: number;
}

export interface Placed {
  name: PanelName;
  rect: Rect;
}

export const COLS_MIN = 60;
export const ROWS_MIN = 15;
const FULL_COLS_MIN = 110;
const FULL_ROWS_MIN = 30;
/** Head line, banner and footer. */
export const HEAD_ROWS = 2;
export const FOOTER_ROWS = 1;

/** The panels and their places; undefined when the terminal is too small. */
export function layout(cols: number, rows: number, panel?: PanelName): Placed[] | undefined {
  if (cols < COLS_MIN || rows < ROWS_MIN) return undefined;
  const body: Rect = { x: 0, y: HEAD_ROWS, cols, rows: rows - HEAD_ROWS - FOOTER_ROWS };
  if (panel === 'sar') return [{ name: 'sar', rect: body }];
  if (panel !== undefined || cols < FULL_COLS_MIN || rows < FULL_ROWS_MIN) {
    return stacked(body, panel ?? 'decays');
  }
  return full(body);
}

function stacked(body: Rect, lower: PanelName): Placed[] {
  const sarRows = Math.max(7, Math.round(body.rows * 0.57));
  return [
    { name: 'sar', rect: { ...body, rows: sarRows } },
    { name: lower, rect: { ...body, y: body.y + sarRows, rows: body.rows - sarRows } },
  ];
}

function full(body: Rect): Placed[] {
  const topRows = Math.round(body.rows * 0.42);
  const middleRows = Math.round(body.rows * 0.34);
  const rowHeights = [topRows, middleRows, body.rows - topRows - middleRows];
  const names: { name: PanelName; share: number }[][] = [
    [
      { name: 'sar', share: 0.645 },
      { name: 'decays', share: 0.355 },
    ],
    [
      { name: 'connections', share: 0.33 },
      { name: 'latency', share: 0.34 },
      { name: 'queues', share: 0.33 },
    ],
    [
      { name: 'knobs', share: 0.55 },
      { name: 'events', share: 0.45 },
    ],
  ];
  let y = body.y;
  return rowHeights.flatMap((rows, index) => {
    const placed = row({ ...body, y, rows }, names[index]!);
    y += rows;
    return placed;
  });
}

/** Divides a row of panels; the last one takes what rounding left. */
function row(rect: Rect, panels: { name: PanelName; share: number }[]): Placed[] {
  let { x } = rect;
  return panels.map(({ name, share }, index) => {
    const isLast = index === panels.length - 1;
    const cols = isLast ? rect.x + rect.cols - x : Math.round(rect.cols * share);
    const placed = { name, rect: { ...rect, x, cols } };
    x += cols;
    return placed;
  });
}
