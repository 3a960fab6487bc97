// Makes one block's record of the rows of its seconds: metric values, circumstances, flaws.

import type { Row } from '#core/metric/row.ts';
import type { BlockRecord } from '#dashboards/report/run-record.ts';
import type { Experiment } from '#lab/experiment/experiment.ts';
import { type BlockRows, findMetric, mergedHistogram, rise } from '#lab/statistics/block-metric.ts';
import { checksOf, circumstancesFromRows, flawsOf } from '#lab/statistics/validity.ts';

type Place = 'index' | 'pair' | 'variant' | 'knobValue' | 'startWallMs' | 'endWallMs' | 'isRepeat';

export interface MeasuredBlock extends Pick<BlockRecord, Place> {
  /** Users that should be logged in. */
  connections: number;
  /** Logical processors of this host. */
  cpus: number;
  rows: BlockRows & { host: readonly Row[] };
  /** Turns by others during the block, washout included, and 1 when the knob read back another value. */
  foreignTurns: number;
  /** Larger of the spins before and after, off the usual, ratio. */
  spinOffRatio: number | null;
}

const HISTOGRAMS = ['latency', 'service', 'lateness'] as const;

export function measureBlock(
  block: MeasuredBlock,
  { metrics, validity }: Pick<Experiment, 'metrics' | 'validity'>,
): BlockRecord {
  const { rows, foreignTurns, spinOffRatio, connections, cpus, ...place } = block;
  const values: BlockRecord['values'] = {};
  const notEstimable: BlockRecord['notEstimable'] = {};
  for (const name of [metrics.primary, ...metrics.guardrail]) {
    const measured = findMetric(name)!.measure(rows);
    values[name] = 'value' in measured ? measured.value : null;
    if ('notEstimable' in measured) notEstimable[name] = measured.notEstimable;
  }
  const seconds = (place.endWallMs - place.startWallMs) / 1000;
  const sessions = rows.server.at(-1)?.values['wsar.server.sessions'] ?? null;
  const checks = checksOf(
    {
      ...circumstancesFromRows(rows, seconds, cpus),
      spinOffRatio,
      foreignTurns,
      lostSessions: sessions === null ? 0 : Math.max(0, connections - sessions),
    },
    validity,
  );
  const histograms: BlockRecord['histograms'] = {};
  for (const name of HISTOGRAMS) {
    const merged = mergedHistogram(rows.load, name);
    if (merged.count > 0) histograms[name] = merged.encode();
  }
  return {
    ...place,
    values,
    notEstimable,
    flaws: flawsOf(checks),
    checks: Object.fromEntries(checks.map(({ name, value }) => [name, value])),
    delivered: rise(rows.server, 'wsar.server.messages.delivered'),
    sent: rise(rows.load, 'wsar.load.messages.sent'),
    histograms,
  };
}
