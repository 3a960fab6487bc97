// Records what the sampler's table holds at the end of each tick, as it was read: differences of counters,
// values, time stamps of the sources. tick-replay.ts makes the printed rows of it again, to the last digit.
//
// Cost: one pass over the slots, and the codec (core/spool/recording.ts).

import { precise } from '#collector/precision.ts';
import {
  FRAME_COLUMNS,
  type SlotEntry,
  STAMP_COLUMNS,
  TickColumns,
  type TickSchema,
} from '#collector/recording/tick-columns.ts';
import type { RowFrame } from '#collector/row-shape.ts';
import type { Sampler } from '#collector/sampler.ts';
import { DECAY_TAUS_S } from '#core/metric/decay.ts';
import type { MetricSpec } from '#core/metric/registry.ts';
import { CellState } from '#core/spool/number-column.ts';
import type { NumberRow } from '#core/spool/record.ts';
import type { Recording } from '#core/spool/recording.ts';

/** The tick of the readings that were taken before the first one. */
export const BASELINE_TICK = -1;

export interface TickTapeOptions {
  recording: Pick<Recording, 'segmentFor' | 'append'>;
  sampler: Sampler;
  host: string;
  source: string;
  session: string;
  /** Number of its stream in every segment. */
  stream: number;
}

export class TickTape {
  readonly #options: TickTapeOptions;
  #segment = -1;
  #columns = new TickColumns([]);
  /** What was described in this segment, by slot. */
  #known: MetricSpec[] = [];
  readonly #sourceOf: number[] = [];
  /** Of the registry, when it was described. */
  #version = -1;
  #forgotten: number[] = [];
  /** Of each source, at the last tick. */
  readonly #times: { stampUs: number; settledUs: number; dtUs: number }[] = [];

  constructor(options: TickTapeOptions) {
    this.#options = options;
    options.sampler.table.onForget = (slot) => this.#forgotten.push(slot);
  }

  /** The readings that the first tick's differences are counted from. */
  baseline(wallMs: number): void {
    this.tick({ wallMs, tick: BASELINE_TICK, missedTicks: 0, intervalUs: 0 });
  }

  /** Records the tick whose values stand in the table. */
  tick(frame: RowFrame): void {
    const { recording, stream } = this.#options;
    const isDescribed = this.#describe(recording.segmentFor(frame.wallMs));
    const row = this.#row(frame);
    if (!isDescribed) {
      // No room: what is not described now is described whole before the next row that finds room.
      this.#segment = -1;
      return;
    }
    recording.append({ kind: 'numbers', stream, row });
  }

  /** Says what is new since the last row; false when there was no room for it. */
  #describe(segment: number): boolean {
    const { recording, sampler, host, source, session, stream } = this.#options;
    const isWhole = segment !== this.#segment;
    const sources = sampler.supervised.map(({ source: { id }, scope }) => ({
      id,
      isFast: scope.hasPeaks,
    }));
    if (isWhole) {
      this.#columns = new TickColumns(sources);
      this.#known = [];
      this.#segment = segment;
    }
    const slots = this.#newSlots(isWhole);
    const forgotten = this.#forgotten;
    if (!isWhole && slots.length === 0 && forgotten.length === 0) return true;
    this.#columns.take(slots);
    const form = isWhole ? 'ticks' : 'patch';
    const schema: TickSchema = { form, host, source, session, sources, slots, forgotten };
    if (!recording.append({ kind: 'schema', stream, json: JSON.stringify(schema) })) return false;
    this.#forgotten = [];
    return true;
  }

  #newSlots(isWhole: boolean): SlotEntry[] {
    const { registry, supervised } = this.#options.sampler;
    const slots: SlotEntry[] = [];
    if (!isWhole && this.#version === registry.version) return slots;
    this.#version = registry.version;
    for (const [index, { scope }] of supervised.entries()) {
      for (const slot of scope.slots) this.#sourceOf[slot] = index;
    }
    for (let slot = 0; slot < registry.slots; slot++) {
      const spec = registry.spec(slot);
      if (this.#known[slot] === spec) continue;
      this.#known[slot] = spec;
      slots.push([slot, this.#sourceOf[slot] ?? -1, spec]);
    }
    return slots;
  }

  #row({ tick, wallMs, missedTicks, intervalUs }: RowFrame): NumberRow {
    const { table } = this.#options.sampler;
    const { count, cellOf } = this.#columns;
    const row = { values: new Float64Array(count), states: new Uint8Array(count) };
    for (const [column, value] of [tick, wallMs, missedTicks, intervalUs].entries()) {
      row.values[column] = value;
    }
    this.#putTimes(row);
    for (let slot = 0; slot < this.#known.length; slot++) {
      const spec = this.#known[slot]!;
      const cell = cellOf[slot]!;
      putCell(row, cell, spec.counter === undefined ? table.value(slot) : table.delta(slot));
      if (!this.#columns.hasDecayCells(this.#sourceOf[slot] ?? -1, spec)) continue;
      for (let horizon = 0; horizon < DECAY_TAUS_S.length; horizon++) {
        putCell(row, cell + 1 + horizon, precise(table.decays.value(slot, horizon)));
      }
    }
    return row;
  }

  /** Of each source how long after the tick before, and what was missed; whether or not that tick was recorded. */
  #putTimes(row: NumberRow): void {
    let beforeUs = 0;
    for (const [index, state] of this.#options.sampler.supervised.entries()) {
      const column = FRAME_COLUMNS + STAMP_COLUMNS * index;
      const { settledUs } = state;
      // In the fast lane the differences are those of the row, not of its last tenth.
      const stampUs = state.scope.hasPeaks ? state.rowStampUs : state.stampUs;
      const last = this.#times[index];
      // What was not read stands as it was, over the time that it was read for.
      const isRead = stampUs !== last?.stampUs;
      const dtUs = isRead ? stampUs - (last?.stampUs ?? Number.NaN) : (last?.dtUs ?? Number.NaN);
      const decayDtUs = settledUs - (last?.settledUs ?? Number.NaN);
      this.#times[index] = { stampUs, settledUs, dtUs };
      row.values[column] = isRead ? 1 : 0;
      putCell(row, column + 1, dtUs - beforeUs);
      putCell(row, column + 2, decayDtUs - (isRead && !Number.isNaN(dtUs) ? dtUs : 0));
      if (!Number.isNaN(dtUs)) beforeUs = dtUs;
    }
  }
}

function putCell(row: NumberRow, column: number, value: number): void {
  if (Number.isNaN(value)) row.states[column] = CellState.null;
  else row.values[column] = value;
}
