// The tail of sar: one row a second, the newest at the bottom, the head pinned. What happened between two
// seconds (a knob turned, a phase begun) is a rule across the whole row; seconds without any row are one
// line that says how many.

import type { TimelineEvent } from '#tui/model/lab-state.ts';
import { HISTORY_SECONDS } from '#tui/model/source-state.ts';
import { CellGrid, fit } from '#tui/view/cell-grid.ts';
import { timeText } from '#tui/view/number-text.ts';
import { type SarColumn, sarColumns } from '#tui/view/sar-columns.ts';
import type { Scene } from '#tui/view/scene.ts';
import { ROLE } from '#tui/view/theme.ts';

export const SAR_TIME_COLS = 8;
export const SAR_HEAD_ROWS = 2;
const EVENT_AHEAD_SECONDS = 2;

/** One row of the tail: a second, an event or a hole. */
export type TailRow =
  | { kind: 'second'; second: number }
  | { kind: 'event'; event: TimelineEvent }
  | { kind: 'gap'; seconds: number; lastSecond: number };

export function sarPanel(scene: Scene, cols: number, rows: number): CellGrid {
  const grid = new CellGrid(cols, rows);
  const columns = sarColumns(scene, cols - SAR_TIME_COLS);
  drawSarHead(grid, columns);
  if (!Number.isFinite(scene.endSecond)) {
    grid.put(1, SAR_HEAD_ROWS, 'waiting for the first row', ROLE.dim);
    return grid;
  }
  const tail = tailRows(scene, rows - SAR_HEAD_ROWS);
  for (const [index, row] of tail.entries()) {
    drawSarRow(grid, SAR_HEAD_ROWS + index, row, columns, scene);
  }
  return grid;
}

/** The rows that fit, oldest first; an event stands before the second that contains it. */
export function tailRows(scene: Scene, rowsMax: number): TailRow[] {
  const newestFirst: TailRow[] = [];
  const { events, sources } = scene.state;
  let nextEvent = events.length - 1;
  let gap: Extract<TailRow, { kind: 'gap' }> | undefined;
  const oldest = scene.endSecond - HISTORY_SECONDS + 1;
  for (let second = scene.endSecond; second >= oldest && newestFirst.length < rowsMax; second--) {
    while (nextEvent >= 0 && events[nextEvent]!.wallMs > second * 1000) {
      const event = events[nextEvent--]!;
      // What stands further ahead comes from a clock that is wrong; its time may come.
      if (event.wallMs > (scene.endSecond + EVENT_AHEAD_SECONDS) * 1000) continue;
      newestFirst.push({ kind: 'event', event });
      gap = undefined;
    }
    if (sources.some((source) => source.has(second))) {
      newestFirst.push({ kind: 'second', second });
      gap = undefined;
    } else if (gap !== undefined) gap.seconds++;
    else newestFirst.push((gap = { kind: 'gap', seconds: 1, lastSecond: second }));
  }
  // What is older than the first row is not a hole.
  if (newestFirst.at(-1)?.kind === 'gap') newestFirst.pop();
  return newestFirst.slice(0, rowsMax).reverse();
}

export function drawSarHead(grid: CellGrid, columns: SarColumn[]): void {
  grid.put(0, 0, 'time', ROLE.title);
  grid.put(0, 1, 'UTC', ROLE.dim);
  let x = SAR_TIME_COLS;
  for (const { head, unit, cols } of columns) {
    x += cols + 1;
    grid.putRight(x, 0, head, ROLE.title);
    grid.putRight(x, 1, unit, ROLE.dim);
  }
}

export function drawSarRow(
  grid: CellGrid,
  y: number,
  row: TailRow,
  columns: SarColumn[],
  scene: Scene,
): void {
  const { signs } = scene.theme;
  if (row.kind === 'event') {
    const { wallMs, kind, text } = row.event;
    const said = text.startsWith(kind) ? text : `${kind} ${text}`;
    const rule = `${signs.horizontal.repeat(2)} ${timeText(wallMs)} ${said} `;
    const end = grid.put(0, y, fit(rule, grid.cols, signs.ellipsis), ROLE.rule);
    grid.put(end, y, signs.horizontal.repeat(Math.max(0, grid.cols - end)), ROLE.rule);
    return;
  }
  if (row.kind === 'gap') {
    const text = `${timeText((row.lastSecond - row.seconds + 1) * 1000)} no rows for ${row.seconds} s`;
    grid.put(0, y, fit(text, grid.cols, signs.ellipsis), ROLE.warn);
    return;
  }
  grid.put(0, y, timeText(row.second * 1000), ROLE.dim);
  let x = SAR_TIME_COLS;
  for (const { cols, text, role } of columns) {
    x += cols + 1;
    grid.putRight(x, y, fit(text(row.second), cols, signs.ellipsis), role(row.second));
  }
}
