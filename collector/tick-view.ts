// What a tick left behind, for those who print, publish and record it. Single values are looked up; the whole row,
// the one large allocation of a tick, is built only when somebody wants it, and once.

import { buildRow, type RowFrame } from '#collector/row-shape.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { NO_SLOT } from '#core/metric/registry.ts';
import type { Row } from '#core/metric/row.ts';

export interface TickView {
  readonly frame: RowFrame;
  /** The value of a metric by its full name; NaN when it is not known or there is no such metric. */
  value(metric: string): number;
  /** Its decay of horizon 0, 1 or 2 (1, 10, 100 s); undefined: it keeps none, or there is no such metric. */
  decay(metric: string, horizon: number): number | undefined;
  row(): Row;
}

/** A view of the table as it stands now; it is good until the next tick. */
export function viewOf(table: SampleTable, frame: RowFrame): TickView {
  let row: Row | undefined;
  return {
    frame,
    value: (metric) => table.value(table.registry.slotOf(metric)),
    decay: (metric, horizon) => {
      const slot = table.registry.slotOf(metric);
      const hasDecays = slot !== NO_SLOT && table.registry.spec(slot).decays === true;
      return hasDecays ? table.decays.value(slot, horizon) : undefined;
    },
    row: () => (row ??= buildRow(table, frame)),
  };
}
