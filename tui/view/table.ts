// A table as data: columns of fixed widths, a head and rows of cells. The screen hands it to a table
// widget; `paintTable` says which cell must show what.

import { CellGrid, fit, padEnd, padStart, type Span } from '#tui/view/cell-grid.ts';
import { ROLE, type Signs } from '#tui/view/theme.ts';

export interface TableColumn {
  head: string;
  cols: number;
  align: 'left' | 'right';
}

export interface Table {
  columns: TableColumn[];
  rows: Span[][];
}

/** Cells between two columns. */
export const TABLE_GAP = 1;

/** Every cell cut and padded to its column: first the head, then the rows. */
export function tableCells(table: Table, signs: Signs): Span[][] {
  const head = table.columns.map(({ head: text }) => ({ text, role: ROLE.title }));
  return [head, ...table.rows].map((row) =>
    table.columns.map(({ cols, align }, index) => {
      const { text, role } = row[index] ?? { text: '', role: ROLE.text };
      const cut = fit(text, cols, signs.ellipsis);
      return { text: align === 'left' ? padEnd(cut, cols) : padStart(cut, cols), role };
    }),
  );
}

export function paintTable(table: Table, cols: number, rows: number, signs: Signs): CellGrid {
  const grid = new CellGrid(cols, rows);
  for (const [y, cells] of tableCells(table, signs).entries()) {
    let x = 0;
    for (const cell of cells) x = grid.put(x, y, cell.text, cell.role) + TABLE_GAP;
  }
  return grid;
}

/**
 * Leaves out the last columns that do not fit into `cols` cells, each with its gap; the last that fits
 * takes the room that is left.
 */
export function fittingColumns<T extends { cols: number }>(columns: T[], cols: number): T[] {
  let used = 0;
  const fitting: T[] = [];
  for (const column of columns) {
    if (used + column.cols + TABLE_GAP > cols) break;
    used += column.cols + TABLE_GAP;
    fitting.push(column);
  }
  const last = fitting.pop();
  return last === undefined ? [] : [...fitting, { ...last, cols: last.cols + cols - used }];
}
