// Records rows that came from elsewhere (the bus of a lab): a stream for each host and source, a column a
// metric, every value as it was. Their decays follow from the values and are not kept; histograms are, as text.

import type { Row } from '#core/metric/row.ts';
import { CellState } from '#core/spool/number-column.ts';
import type { Recording } from '#core/spool/recording.ts';

/** What a schema record of rows says: metrics in the order of their columns, behind those of the frame. */
export interface RowSchema {
  form: 'rows';
  host: string;
  source: string;
  /** All metrics up to now. */
  metrics: string[];
}

export interface HistogramsText {
  host: string;
  source: string;
  wallMs: number;
  histograms: Record<string, string>;
}

const FRAME_COLUMNS = 4;
/** Columns of one source: one that invents names shall not fill our memory. */
const METRICS_MAX = 20_000;

export interface RowTapeOptions {
  recording: Pick<Recording, 'segmentFor' | 'append'>;
  host: string;
  source: string;
  stream: number;
}

export class RowTape {
  /** Values of metrics that found no column. */
  refused = 0;
  readonly #options: RowTapeOptions;
  readonly #columnOf = new Map<string, number>();
  #segment = -1;
  #described = 0;

  constructor(options: RowTapeOptions) {
    this.#options = options;
  }

  row(row: Row): void {
    const { recording, stream, host, source } = this.#options;
    const segment = recording.segmentFor(row.wallMs);
    for (const metric of Object.keys(row.values)) {
      if (this.#columnOf.has(metric)) continue;
      if (this.#columnOf.size < METRICS_MAX) {
        this.#columnOf.set(metric, this.#columnOf.size + FRAME_COLUMNS);
      } else this.refused++;
    }
    if (segment !== this.#segment || this.#described !== this.#columnOf.size) {
      const schema: RowSchema = { form: 'rows', host, source, metrics: [...this.#columnOf.keys()] };
      if (!recording.append({ kind: 'schema', stream, json: JSON.stringify(schema) })) return;
      this.#segment = segment;
      this.#described = this.#columnOf.size;
    }
    recording.append({ kind: 'numbers', stream, row: this.#cells(row) });
    if (row.histograms === undefined) return;
    const { wallMs, histograms } = row;
    const text: HistogramsText = { host, source, wallMs, histograms };
    recording.append({ kind: 'text', json: JSON.stringify(text) });
  }

  #cells({ tick, wallMs, missedTicks, intervalUs, values }: Row): {
    values: Float64Array;
    states: Uint8Array;
  } {
    const count = FRAME_COLUMNS + this.#columnOf.size;
    const cells = {
      values: new Float64Array(count),
      states: new Uint8Array(count).fill(CellState.absent, FRAME_COLUMNS),
    };
    cells.values.set([tick, wallMs, missedTicks, intervalUs]);
    for (const [metric, value] of Object.entries(values)) {
      const column = this.#columnOf.get(metric);
      if (column === undefined) continue;
      cells.states[column] = value === null ? CellState.null : CellState.number;
      cells.values[column] = value ?? 0;
    }
    return cells;
  }
}

/** The row of recorded cells. */
export function rowOfCells(
  schema: RowSchema,
  { values, states }: { values: Float64Array; states: Uint8Array },
): Row {
  const row: Row = {
    wallMs: values[1]!,
    tick: values[0]!,
    missedTicks: values[2]!,
    intervalUs: values[3]!,
    values: {},
  };
  for (const [index, metric] of schema.metrics.entries()) {
    const column = FRAME_COLUMNS + index;
    const state = states[column];
    if (state === CellState.null) row.values[metric] = null;
    else if (state === CellState.number) row.values[metric] = values[column]!;
  }
  return row;
}
