// Knobs: what holds now, as the owner read it back, who turned it last, and what became of the last
// turn. The selected one is marked with a sign, not only with a colour.

import type { KnobDef, KnobValue } from '#core/knob/knob.ts';
import type { KnobEntry } from '#tui/model/lab-state.ts';
import { type Span, span } from '#tui/view/cell-grid.ts';
import { selectedKnob } from '#tui/view/key-action.ts';
import { clockText, numberText, unitText } from '#tui/view/number-text.ts';
import type { Scene } from '#tui/view/scene.ts';
import { fittingColumns, type Table, type TableColumn } from '#tui/view/table.ts';
import { ROLE, type Role } from '#tui/view/theme.ts';

interface KnobColumn extends TableColumn {
  cell(entry: KnobEntry, scene: Scene): Span;
}

const NAME_COLS_MAX = 22;

const COLUMNS: KnobColumn[] = [
  {
    head: '',
    cols: 1,
    align: 'left',
    cell: (entry, scene) =>
      span(isSelected(entry, scene) ? scene.theme.signs.selected : ' ', ROLE.selected),
  },
  {
    head: 'knob',
    cols: NAME_COLS_MAX,
    align: 'left',
    cell: (entry, scene) => span(entry.label, isSelected(entry, scene) ? ROLE.selected : ROLE.text),
  },
  { head: 'value', cols: 14, align: 'right', cell: valueCell },
  { head: 'last turn', cols: 22, align: 'left', cell: turnCell },
  {
    head: 'range',
    cols: 22,
    align: 'left',
    cell: ({ state }) => span(rangeText(state.def.type), ROLE.dim),
  },
  {
    head: 'what it does',
    cols: 48,
    align: 'left',
    cell: ({ state }) => span(state.def.help, ROLE.dim),
  },
];

/** Undefined when nobody offers a knob. */
export function knobsTable(scene: Scene, cols: number, rows: number): Table | undefined {
  const { knobs } = scene.state;
  if (knobs.length === 0) return undefined;
  const columns = fittingColumns(COLUMNS, cols);
  const shown = windowAround(knobs, selectedKnob(scene.view, scene.state), rows - 1);
  return { columns, rows: shown.map((entry) => columns.map(({ cell }) => cell(entry, scene))) };
}

/** A value with its unit, as footer and panel print it. */
export function knobValueText(value: KnobValue, def: KnobDef): string {
  if (typeof value === 'string') return value;
  const unit = unitText(def.unit);
  return unit === '' ? numberText(value, 9) : `${numberText(value, 9)} ${unit}`;
}

/** As many knobs as fit, with the selected one among them. */
function windowAround(
  knobs: KnobEntry[],
  selected: KnobEntry | undefined,
  rows: number,
): KnobEntry[] {
  const index = knobs.findIndex(({ key }) => key === selected?.key);
  const first = Math.max(0, Math.min(index - Math.floor(rows / 2), knobs.length - rows));
  return knobs.slice(first, first + Math.max(0, rows));
}

function isSelected(entry: KnobEntry, scene: Scene): boolean {
  return selectedKnob(scene.view, scene.state)?.key === entry.key;
}

function valueCell({ state, pending }: KnobEntry, scene: Scene): Span {
  if (pending === undefined) return span(knobValueText(state.value, state.def));
  return span(`${scene.theme.signs.arrow} ${knobValueText(pending, state.def)}`, ROLE.warn);
}

function turnCell(entry: KnobEntry, scene: Scene): Span {
  const { state, pending, failure } = entry;
  if (pending !== undefined) return span('asked, no answer yet', ROLE.warn);
  if (failure !== undefined) return span(failure, ROLE.bad);
  if (state.refused !== undefined) return span(`refused: ${state.refused}`, ROLE.bad);
  if (state.id === '') return span('as at the start', ROLE.dim);
  const age = Math.max(0, (scene.moment.wallMs - state.appliedWallMs) / 1000);
  const role: Role = age < 5 ? ROLE.good : ROLE.text;
  return span(`${clockText(age)} ago by ${state.by}`, role);
}

function rangeText(type: KnobDef['type']): string {
  if (type.kind === 'enum') return type.values.join(' | ');
  if (type.kind === 'text') return `text, ${type.lengthMax} at most`;
  return `${numberText(type.min)} .. ${numberText(type.max)}`;
}
