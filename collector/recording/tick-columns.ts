// The columns of a recorded tick, laid out alike by who records and who reads: what the tick was, the time
// stamps of the sources, and a cell a slot in the order in which slots came. A counter's cell is by how much
// it rose, any other's its value; rates and decays are not there, because they follow.
//
//   0 tick  1 wallMs  2 missedTicks  3 intervalUs
//   4 + 3 i      1: source i was read in this tick
//   5 + 3 i      time that its differences cover, us, more than those of the source before it (the first: as it is)
//   6 + 3 i      time that its decays go on, us, more than that where it was read
//   then         a cell a slot; four where the fast lane feeds the decays, which then cannot follow from ticks

import { DECAY_TAUS_S } from '#core/metric/decay.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export const FRAME_COLUMNS = 4;
export const STAMP_COLUMNS = 3;

/** Slot, index of its source (-1: of none, it only has a value), and what it is. */
export type SlotEntry = [slot: number, source: number, spec: MetricSpec];

export interface SourceEntry {
  id: string;
  isFast: boolean;
}

/** What a schema record of ticks says. The first one in a segment is whole; others add to it. */
export interface TickSchema {
  form: 'ticks' | 'patch';
  host: string;
  source: string;
  /** The process that recorded: another one begins anew. */
  session: string;
  sources: SourceEntry[];
  slots: SlotEntry[];
  /** Slots that start anew with the next tick, as for another instance. */
  forgotten: number[];
}

export class TickColumns {
  /** First column of a slot; undefined: it has none. */
  readonly cellOf: number[] = [];
  count: number;
  readonly #sources: readonly SourceEntry[];

  constructor(sources: readonly SourceEntry[]) {
    this.#sources = sources;
    this.count = FRAME_COLUMNS + STAMP_COLUMNS * sources.length;
  }

  /** Gives new slots their columns; a slot that is known keeps its own. */
  take(entries: readonly SlotEntry[]): void {
    for (const [slot, source, spec] of entries) {
      if (this.cellOf[slot] !== undefined) continue;
      this.cellOf[slot] = this.count;
      this.count += 1 + (this.hasDecayCells(source, spec) ? DECAY_TAUS_S.length : 0);
    }
  }

  hasDecayCells(source: number, spec: MetricSpec): boolean {
    return this.#sources[source]?.isFast === true && spec.decays === true;
  }
}
