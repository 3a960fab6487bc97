// A frame as plain text: what the terminal must show, cell for cell. Used by snapshots, and as the
// yardstick for what the widgets of tui/screen really painted.

import { CellGrid } from '#tui/view/cell-grid.ts';
import { type Body, type Frame, inside, type Panel } from '#tui/view/frame.ts';
import { paintTable } from '#tui/view/table.ts';
import { ROLE, type Theme } from '#tui/view/theme.ts';

/** The whole screen as cells. */
export function paintFrame(frame: Frame, theme: Theme): CellGrid {
  const screen = new CellGrid(frame.cols, frame.rows);
  for (const panel of frame.panels)
    screen.paste(panel.rect.x, panel.rect.y, paintPanel(panel, theme));
  return screen;
}

export function paintPanel(panel: Panel, theme: Theme): CellGrid {
  if (panel.title === undefined) return paintBody(panel.body, panel.rect, theme);
  const painted = paintBorder(panel, theme);
  painted.paste(1, 1, paintBody(panel.body, inside(panel.rect), theme));
  return painted;
}

/** The border with the title in it; the inside is empty. */
export function paintBorder({ rect, title = '' }: Panel, theme: Theme): CellGrid {
  const { cols, rows } = rect;
  const { signs } = theme;
  const grid = new CellGrid(cols, rows);
  const across = signs.horizontal.repeat(Math.max(0, cols - 2));
  grid.put(0, 0, signs.topLeft + across + signs.topRight, ROLE.border);
  for (let y = 1; y < rows - 1; y++) {
    grid.set(0, y, signs.vertical, ROLE.border);
    grid.set(cols - 1, y, signs.vertical, ROLE.border);
  }
  grid.put(0, rows - 1, signs.bottomLeft + across + signs.bottomRight, ROLE.border);
  grid.put(2, 0, ` ${title} `.slice(0, Math.max(0, cols - 4)), ROLE.title);
  return grid;
}

function paintBody(body: Body, size: { cols: number; rows: number }, theme: Theme): CellGrid {
  if (body.kind === 'cells') return body.grid;
  if (body.kind === 'table') return paintTable(body.table, size.cols, size.rows, theme.signs);
  const grid = new CellGrid(size.cols, size.rows);
  for (const [y, line] of body.lines.entries()) grid.putLine(0, y, line);
  return grid;
}
