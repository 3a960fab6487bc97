// Makes the rows of a collector again from its recorded ticks: rates from differences and time stamps, decays
// from rates and values, with the same code as when they were live. A recording that begins in the middle
// (its oldest segments are gone, or one segment is read alone) has decays of its own beginning.

import { rateOf } from '#collector/precision.ts';
import {
  FRAME_COLUMNS,
  type SlotEntry,
  type SourceEntry,
  STAMP_COLUMNS,
  TickColumns,
  type TickSchema,
} from '#collector/recording/tick-columns.ts';
import { BASELINE_TICK } from '#collector/recording/tick-tape.ts';
import { buildRow, type RowValues } from '#collector/row-shape.ts';
import { DecayBank } from '#core/metric/decay.ts';
import type { MetricSpec } from '#core/metric/registry.ts';
import type { Row } from '#core/metric/row.ts';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import { CellState } from '#core/spool/number-column.ts';
import type { NumberRow } from '#core/spool/record.ts';

const US_PER_S = 1e6;

export class TickReplay implements RowValues {
  readonly host: string;
  readonly source: string;
  readonly session: string;
  readonly registry: { slots: number; spec(slot: number): MetricSpec };
  readonly decays = { value: (slot: number, horizon: number) => this.#decay(slot, horizon) };
  readonly #sources: SourceEntry[];
  readonly #bank = new DecayBank(0);
  readonly #specs: MetricSpec[] = [];
  readonly #sourceOf: number[] = [];
  readonly #values: number[] = [];
  #columns: TickColumns;
  #row: NumberRow = { values: new Float64Array(), states: new Uint8Array() };

  constructor(schema: TickSchema) {
    this.host = schema.host;
    this.source = schema.source;
    this.session = schema.session;
    this.#sources = schema.sources.map((source) => ({ ...source }));
    this.#columns = new TickColumns(schema.sources);
    const specs = this.#specs;
    this.registry = {
      get slots() {
        return specs.length;
      },
      spec: (slot) => specs[slot]!,
    };
    this.describe(schema);
  }

  /** More was said about the columns: after the beginning of another segment everything. */
  describe(schema: TickSchema): void {
    if (schema.form === 'ticks') this.#columns = new TickColumns(schema.sources);
    this.#columns.take(schema.slots);
    for (const entry of schema.slots) this.#takeSlot(entry);
    for (const [index, { isFast }] of schema.sources.entries()) {
      const source = this.#sources[index];
      if (source === undefined) throw new DamagedBytes('the description of a source is missing');
      source.isFast = isFast;
    }
    for (const slot of schema.forgotten) if (slot < this.#bank.slots) this.#bank.forget(slot);
  }

  /** The row of a recorded tick; undefined for the readings before the first one. */
  replay(row: NumberRow): Row | undefined {
    this.#row = row;
    this.#settle();
    const frame = {
      wallMs: this.#cell(1),
      tick: this.#cell(0),
      missedTicks: this.#cell(2),
      intervalUs: this.#cell(3),
    };
    return frame.tick === BASELINE_TICK ? undefined : buildRow(this, frame);
  }

  value(slot: number): number {
    return this.#values[slot] ?? Number.NaN;
  }

  #takeSlot([slot, source, spec]: SlotEntry): void {
    if (slot > this.#specs.length) throw new DamagedBytes('the description of a metric is missing');
    this.#specs[slot] = spec;
    this.#sourceOf[slot] = source;
    if (slot >= this.#bank.slots) this.#bank.grow(2 * (slot + 1));
  }

  #settle(): void {
    let beforeUs = 0;
    const steps = this.#sources.map((_, index) => {
      const column = FRAME_COLUMNS + STAMP_COLUMNS * index;
      const isRead = this.#cell(column) === 1;
      const dtUs = this.#cell(column + 1) + beforeUs;
      const decayDtUs = this.#cell(column + 2) + (isRead && !Number.isNaN(dtUs) ? dtUs : 0);
      if (!Number.isNaN(dtUs)) beforeUs = dtUs;
      return { isRead, dtS: dtUs / US_PER_S, decayDtS: decayDtUs / US_PER_S };
    });
    for (let slot = 0; slot < this.#specs.length; slot++) {
      const spec = this.#specs[slot]!;
      const cell = this.#cell(this.#columns.cellOf[slot] ?? -1);
      const step = steps[this.#sourceOf[slot]!];
      const isCounter = spec.counter !== undefined && step !== undefined;
      this.#values[slot] = isCounter ? rateOf(cell, spec.scale ?? 1, step.dtS) : cell;
      if (spec.decays !== true || step === undefined) continue;
      if (step.isRead || step.decayDtS !== 0) {
        this.#bank.observe(slot, spec.kind, this.value(slot), step.decayDtS);
      }
    }
  }

  #decay(slot: number, horizon: number): number {
    const source = this.#sourceOf[slot]!;
    const spec = this.#specs[slot]!;
    if (!this.#columns.hasDecayCells(source, spec)) return this.#bank.value(slot, horizon);
    return this.#cell(this.#columns.cellOf[slot]! + 1 + horizon);
  }

  #cell(column: number): number {
    const { values, states } = this.#row;
    return states[column] === CellState.number ? values[column]! : Number.NaN;
  }
}
