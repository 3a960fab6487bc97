// What prints rows: the console's table, NDJSON or CSV.

import type { TickView } from '#collector/tick-view.ts';
import type { LabEvent } from '#core/bus/topic.ts';

export interface Report {
  /** Prints what happened before a row, then the row. */
  row(view: TickView, events: readonly LabEvent[]): void;
  /** The end: averages, where there are any. */
  end(): void;
}

/** Writes text that ends with a newline. */
export type Out = (text: string) => void;
