// What prints rows: the console's table, NDJSON or CSV.

import type { LabEvent } from '#core/bus/topic.ts';
import type { Row } from '#core/metric/row.ts';

export interface Report {
  /** Prints what happened before a row, then the row. */
  row(row: Row, events: readonly LabEvent[]): void;
  /** The end: averages, where there are any. */
  end(): void;
}

/** Writes text that ends with a newline. */
export type Out = (text: string) => void;
