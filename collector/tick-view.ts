// What a tick left behind, for those who print, publish and record it. Single values are looked up; the whole row,
// the one large allocation of a tick, is built only when somebody wants it, and once.

import { buildRow, type RowFrame } from '#collector/row-shape.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import type { Row } from '#core/metric/row.ts';

export interface TickView {
  readonly frame: RowFrame;
  /** The value of a metric by its full name; NaN when it is not known or there is no such metric. */
  value(metric: string): number;
  row(): Row;
}

/** A view of the table as it stands now; it is good until the next tick. */
export function viewOf(table: SampleTable, frame: RowFrame): TickView {
  let row: Row | undefined;
  return {
    frame,
    value: (metric) => table.value(table.registry.slotOf(metric)),
    row: () => (row ??= buildRow(table, frame)),
  };
}
