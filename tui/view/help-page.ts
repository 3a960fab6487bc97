// The help page, made of the table that binds the keys, so that it cannot be wrong about them.

import { CellGrid } from '#tui/view/cell-grid.ts';
import { KEY_TABLE } from '#tui/view/key-table.ts';
import { ROLE } from '#tui/view/theme.ts';

const LABEL_COLS = 10;
const NOTES_BESIDE_COLS_MIN = 170;

const NOTES = [
  'Times are UTC. A rule across the rows is an event: a knob, a phase, a block.',
  'Decays are those of the source: 1, 10 and 100 s; the sign compares 1 s with 10 s.',
  'Latency counts from the intended send time; late is the lateness of the generator.',
  'drain is the time until a queue is empty at its fill rate of 1 s and of 10 s.',
  'STALE: no row came for 2 s; what is shown is old. - means not measured, never 0.',
];

export function helpPage(cols: number, rows: number): CellGrid {
  const grid = new CellGrid(cols, rows);
  const lines = KEY_TABLE.flatMap(({ help }) => (help === undefined ? [] : [help]));
  for (const [y, [label, text]] of lines.entries()) {
    grid.put(1, y, label, ROLE.key);
    grid.put(1 + LABEL_COLS, y, text);
  }
  // The notes stand below the keys, or beside them, or are left out.
  const isBelow = rows > lines.length + NOTES.length;
  const notes = isBelow || cols >= NOTES_BESIDE_COLS_MIN ? NOTES : [];
  const [x, y] = isBelow ? [1, lines.length + 1] : [Math.floor(cols / 2), 0];
  for (const [index, note] of notes.entries()) grid.put(x, y + index, note, ROLE.dim);
  return grid;
}
