// Is there a sample for every second of the run? Asked of the store, which is where everybody else will
// look; without a store, of the lab's own copy. What is missing must be explained by the source itself
// (ticks that it says it missed); more than 1 % missing makes the run invalid.

import type { Store } from '#core/store/store.ts';
import type { CoverageResult } from '#dashboards/report/run-record.ts';

export interface CoverageSpan {
  source: string;
  /** First and last second for which a row should stand, both included. */
  firstWallMs: number;
  lastWallMs: number;
  /** Ticks that the source itself reported as missed. */
  missedTicks: number;
}

const MISSING_RATIO_MAX = 0.01;

/** Counts the distinct seconds of every source in the store. */
export async function countFromStore(
  store: Store,
  runId: string,
  spans: readonly CoverageSpan[],
): Promise<CoverageResult> {
  const present = new Map<string, number>();
  for (const { source, firstWallMs, lastWallMs } of spans) {
    const [row] = await store.query<{ seconds: number }>(
      `SELECT uniqExact(wall_ms) AS seconds FROM rows
       WHERE run_id = {run:String} AND source = {source:String}
         AND wall_ms >= {first:UInt64} AND wall_ms <= {last:UInt64}`,
      { run: runId, source, first: firstWallMs, last: lastWallMs },
    );
    present.set(source, Number(row?.seconds ?? 0));
  }
  return judgeCoverage('store', spans, present);
}

/** Pure: compares what is there with what should be. */
export function judgeCoverage(
  from: CoverageResult['from'],
  spans: readonly CoverageSpan[],
  present: ReadonlyMap<string, number>,
): CoverageResult {
  const sources = spans.map(({ source, firstWallMs, lastWallMs, missedTicks }) => ({
    source,
    expectedSeconds: Math.round((lastWallMs - firstWallMs) / 1000) + 1,
    presentSeconds: present.get(source) ?? 0,
    missedTicks,
  }));
  const total = (pick: (source: (typeof sources)[number]) => number): number =>
    sources.reduce((sum, source) => sum + pick(source), 0);
  const expected = total(({ expectedSeconds }) => expectedSeconds);
  const missing = total(({ expectedSeconds: wanted, presentSeconds }) =>
    Math.max(0, wanted - presentSeconds),
  );
  const missingRatio = expected === 0 ? 1 : missing / expected;
  return {
    from,
    sources,
    missingRatio,
    isOk: missingRatio <= MISSING_RATIO_MAX,
    sentence: sentence(from, expected, missing, sources),
  };
}

function sentence(
  from: CoverageResult['from'],
  expected: number,
  missing: number,
  sources: CoverageResult['sources'],
): string {
  const where = from === 'store' ? 'in the store' : 'on the bus (there is no store)';
  const names = sources.map(({ source }) => source).join(', ');
  if (missing === 0) return `${expected} of ${expected} rows of ${names} are ${where}`;
  const holes = sources
    .filter(({ expectedSeconds, presentSeconds }) => presentSeconds < expectedSeconds)
    .map(({ source, expectedSeconds, presentSeconds, missedTicks }) => {
      const lost = expectedSeconds - presentSeconds;
      const why =
        missedTicks >= lost
          ? 'it missed these ticks'
          : `it missed ${missedTicks} ticks, the rest is lost`;
      return `${source} lacks ${lost} s: ${why}`;
    });
  return `${expected - missing} of ${expected} rows are ${where}; ${holes.join('; ')}`;
}
