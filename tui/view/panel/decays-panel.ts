// Decays side by side: where a metric goes, at a glance. The source computes them (1, 10 and 100 s, in
// that order); here stands only the direction: the last second against the last ten.

import type { MetricDef } from '#core/metric/row.ts';
import type { SourceState } from '#tui/model/source-state.ts';
import { CellGrid, fit } from '#tui/view/cell-grid.ts';
import { DECAYS_FIRST } from '#tui/view/metric-names.ts';
import { bytesText, durationText, numberText, unitText } from '#tui/view/number-text.ts';
import { isFreshIn, type Scene } from '#tui/view/scene.ts';
import { ROLE, type Role, type Signs } from '#tui/view/theme.ts';

interface DecayRow {
  def: MetricDef;
  decays: [number, number, number];
  isStale: boolean;
}

const UNIT_COLS = 7;
const NAME_COLS_MIN = 8;
/** Two blocks fit beside each other at 80 columns; wider than the maximum the eye loses the line. */
const BLOCK_COLS_MIN = 38;
const BLOCK_COLS_MAX = 56;
const BLOCK_GAP = 2;

interface Block {
  cols: number;
  numberCols: number;
  figuresCols: number;
  nameCols: number;
}

const INSTANCE = /[{,](?:device|cpu|irq|port|mountpoint|pid)=([^,}]+)/;

/** Changes below this share are level. */
const LEVEL_SHARE = 0.02;

export function decaysPanel(scene: Scene, cols: number, rows: number): CellGrid {
  const grid = new CellGrid(cols, rows);
  const found = decayRows(scene);
  if (found.length === 0) {
    grid.put(1, 0, 'no source sends decays yet', ROLE.dim);
    return grid;
  }
  const perBlock = rows - 1;
  const fitting = Math.max(1, Math.floor((cols + BLOCK_GAP) / (BLOCK_COLS_MIN + BLOCK_GAP)));
  const count = Math.min(fitting, Math.ceil(found.length / perBlock));
  const share = Math.floor((cols - (count - 1) * BLOCK_GAP) / count);
  const block = blockOf(Math.min(share, BLOCK_COLS_MAX));
  for (let index = 0; index < count; index++) {
    const x = index * (share + BLOCK_GAP);
    drawHead(grid, x, block);
    const rowsHere = found.slice(index * perBlock, (index + 1) * perBlock);
    for (const [at, row] of rowsHere.entries()) {
      drawRow(grid, x, 1 + at, block, row, scene.theme.signs);
    }
  }
  return grid;
}

/** Widths of a block: the figures are three numbers with a space before each, and a sign. */
function blockOf(cols: number): Block {
  const numberCols = cols - UNIT_COLS - NAME_COLS_MIN - 1 >= 3 * 8 + 1 ? 7 : 6;
  const figuresCols = 3 * (numberCols + 1) + 1;
  return { cols, numberCols, figuresCols, nameCols: cols - figuresCols - UNIT_COLS - 1 };
}

/** What an experiment turns on first, then everything else that has a value. */
function decayRows(scene: Scene): DecayRow[] {
  const sources = [scene.host, ...scene.servers, ...scene.loads, ...scene.tees];
  const rows = sources.flatMap((source) => (source === undefined ? [] : rowsOf(source, scene)));
  const rank = ({ def }: DecayRow): number => {
    const index = DECAYS_FIRST.findIndex(({ name }) => name === def.name);
    return index === -1 ? DECAYS_FIRST.length : index;
  };
  return rows
    .filter(({ decays }) => decays.some(Number.isFinite))
    .sort((a, b) => rank(a) - rank(b));
}

/** Of metrics that several devices, CPUs, processes have, with which one it is: 'rxd eth0'. */
function labelOf({ name, short }: MetricDef): string {
  const instance = INSTANCE.exec(name)?.[1];
  const usual = instance === undefined ? short : `${short} ${instance}`;
  return DECAYS_FIRST.find((first) => first.name === name)?.label ?? usual;
}

function rowsOf(source: SourceState, scene: Scene): DecayRow[] {
  const isStale = !isFreshIn(scene, source);
  return source.decayed().flatMap((name) => {
    const def = source.metrics.get(name);
    const decays = source.decays(name);
    return def === undefined || decays === undefined ? [] : [{ def, decays, isStale }];
  });
}

function drawHead(grid: CellGrid, x: number, { cols, numberCols }: Block): void {
  grid.put(x, 0, 'metric', ROLE.title);
  const end = x + cols;
  grid.putRight(end - 2 * (numberCols + 1) - 1, 0, '1 s', ROLE.title);
  grid.putRight(end - (numberCols + 1), 0, '10 s', ROLE.title);
  grid.putRight(end, 0, '100 s', ROLE.title);
}

function drawRow(
  grid: CellGrid,
  x: number,
  y: number,
  { cols, numberCols, figuresCols, nameCols }: Block,
  row: DecayRow,
  signs: Signs,
): void {
  const { def, decays, isStale } = row;
  const [unit, print] = printerOf(def.unit, numberCols);
  const role = isStale ? ROLE.stale : ROLE.text;
  grid.put(x, y, fit(labelOf(def), nameCols, signs.ellipsis), role);
  grid.put(x + nameCols + 1, y, fit(unit, UNIT_COLS, signs.ellipsis), ROLE.dim);
  const number = (end: number, value: number): void =>
    grid.putRight(end, y, fit(print(value), numberCols, signs.ellipsis), role);
  const first = x + cols - figuresCols + numberCols + 1;
  number(first, decays[0]);
  const [sign, signRole] = direction(decays, signs);
  grid.put(first, y, sign, isStale ? ROLE.stale : signRole);
  number(first + 1 + numberCols + 1, decays[1]);
  number(x + cols, decays[2]);
}

/** The unit as a column shows it, and how its numbers are printed. */
function printerOf(unit: string, cols: number): [string, (value: number) => string] {
  if (unit === 'By') return ['', (value) => bytesText(value).replace(' ', '')];
  if (unit === 'us') return ['', durationText];
  // Microseconds of CPU per second are percent of one core.
  if (unit === 'us/s') return ['%core', (value) => numberText(value / 1e4, cols)];
  return [unitText(unit), (value) => numberText(value, cols)];
}

/** Rising or falling is neither good nor bad by itself; the sign says which it is. */
function direction([short, middle]: [number, number, number], signs: Signs): [string, Role] {
  if (!Number.isFinite(short) || !Number.isFinite(middle)) return [' ', ROLE.dim];
  const scale = Math.max(Math.abs(short), Math.abs(middle));
  const share = scale === 0 ? 0 : (short - middle) / scale;
  if (Math.abs(share) < LEVEL_SHARE) return [signs.level, ROLE.dim];
  return share > 0 ? [signs.up, ROLE.seriesB] : [signs.down, ROLE.seriesA];
}
