// Makes the row that leaves the process of what the table holds, and checks rows that come in. This is
// the one place of a tick that allocates: one object of a few hundred numbers a second.

import { precise } from '#collector/precision.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { DECAY_TAUS_S, type DecayBank } from '#core/metric/decay.ts';
import type { MetricRegistry } from '#core/metric/registry.ts';
import type { MetricValue, Row } from '#core/metric/row.ts';

/** Values a foreign row may hold; more is not believed to be a row. */
const VALUES_MAX = 20_000;

/** The row without its values. */
export type RowFrame = Pick<Row, 'wallMs' | 'tick' | 'missedTicks' | 'intervalUs'>;

/** Where a row's values are: the table of the sampler, or that of a replay. */
export interface RowValues {
  readonly registry: Pick<MetricRegistry, 'slots' | 'spec'>;
  readonly decays: Pick<DecayBank, 'value'>;
  /** NaN: none. */
  value(slot: number): number;
}

export function buildRow(table: RowValues, frame: RowFrame): Row {
  const values: Record<string, MetricValue> = {};
  const decays: Record<string, [MetricValue, MetricValue, MetricValue]> = {};
  const { registry } = table;
  for (let slot = 0; slot < registry.slots; slot++) {
    const { name, isHidden, decays: hasDecays } = registry.spec(slot);
    if (isHidden === true) continue;
    values[name] = shortened(table.value(slot));
    if (hasDecays === true) {
      const [first, second, third] = DECAY_TAUS_S.map((_, horizon) =>
        shortened(table.decays.value(slot, horizon)),
      );
      decays[name] = [first!, second!, third!];
    }
  }
  return { ...frame, values, decays };
}

/** NaN becomes null. */
function shortened(value: number): MetricValue {
  return Number.isFinite(value) ? precise(value) : null;
}

/** A row as it came from the bus, or undefined when it is none. */
export function asRow(value: unknown): Row | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const row = value as Partial<Row>;
  const hasNumbers = [row.wallMs, row.tick, row.missedTicks, row.intervalUs].every(Number.isFinite);
  if (!hasNumbers || typeof row.values !== 'object' || row.values === null) return undefined;
  const numbers = Object.values(row.values);
  const areValues = numbers.every((number) => number === null || Number.isFinite(number));
  return areValues && numbers.length <= VALUES_MAX ? (row as Row) : undefined;
}

/** An event as it came from the bus, or undefined when it is none. */
export function asEvent(value: unknown): LabEvent | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const event = value as Partial<LabEvent>;
  const isEvent =
    Number.isFinite(event.wallMs) &&
    typeof event.kind === 'string' &&
    typeof event.text === 'string';
  return isEvent ? (event as LabEvent) : undefined;
}
