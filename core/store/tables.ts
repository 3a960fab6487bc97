// The tables of history. The SQL is what ClickHouse 18.16 and today's servers both take: no DateTime64,
// no LowCardinality, no column codecs.
//
// Everything is delivered at least once (a store may die after taking a batch and before saying so), so
// each table is a ReplacingMergeTree whose sorting key names a row: the same row twice becomes one.
// Until the engine has merged, both are visible: read with FINAL where that matters
// (`SELECT ... FROM rows FINAL`). A value that could not be measured has no row.

import type { Store } from '#core/store/store.ts';

/** One value of one metric in one tick. */
export interface RowLine {
  run_id: string;
  host: string;
  source: string;
  metric: string;
  /** Wall time of the tick, ms since 1970 UTC. */
  wall_ms: number;
  value: number;
}

export interface EventLine {
  run_id: string;
  host: string;
  source: string;
  wall_ms: number;
  kind: string;
  text: string;
  /** JSON object. */
  data: string;
}

export interface HistogramLine {
  run_id: string;
  host: string;
  source: string;
  name: string;
  wall_ms: number;
  /** HdrHistogram V2 compressed, base64. */
  hdr: string;
}

export interface RunLine {
  run_id: string;
  wall_ms: number;
  /** JSON of the run record; of several lines with one run_id the latest counts. */
  record: string;
}

const MONTH = "toYYYYMM(toDateTime(intDiv(wall_ms, 1000), 'UTC'))";

/** CREATE TABLE statements by table name. */
export const TABLES: Record<'rows' | 'events' | 'histograms' | 'runs', string> = {
  rows: `CREATE TABLE IF NOT EXISTS rows (
  run_id String,
  host String,
  source String,
  metric String,
  wall_ms UInt64,
  value Float64
) ENGINE = ReplacingMergeTree()
PARTITION BY ${MONTH}
ORDER BY (run_id, source, metric, host, wall_ms)`,
  events: `CREATE TABLE IF NOT EXISTS events (
  run_id String,
  host String,
  source String,
  wall_ms UInt64,
  kind String,
  text String,
  data String
) ENGINE = ReplacingMergeTree()
PARTITION BY ${MONTH}
ORDER BY (run_id, wall_ms, source, host, kind, text, data)`,
  histograms: `CREATE TABLE IF NOT EXISTS histograms (
  run_id String,
  host String,
  source String,
  name String,
  wall_ms UInt64,
  hdr String
) ENGINE = ReplacingMergeTree()
PARTITION BY ${MONTH}
ORDER BY (run_id, source, name, host, wall_ms)`,
  runs: `CREATE TABLE IF NOT EXISTS runs (
  run_id String,
  wall_ms UInt64,
  record String
) ENGINE = ReplacingMergeTree(wall_ms)
ORDER BY run_id`,
};

/** Makes the database and the tables that are not there. Safe to call any number of times, by many. */
export async function ensureSchema(store: Store): Promise<void> {
  await store.createDatabase();
  for (const sql of Object.values(TABLES)) await store.command(sql);
}
