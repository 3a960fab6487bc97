// Writes docs/two-million.md and the record beside it from the records of ladders:
//
//   npm run two-million -- RUN_FOLDER...      a folder with record.json, or such a file
//
// Without arguments it makes the page again from the record that is there. The record in docs has fewer points of its
// plots (POINTS_MAX) and no name of the host.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WsarError } from '#core/errors.ts';
import { LADDER_SCHEMA, type LadderRecord } from '#dashboards/report/ladder-record.ts';
import { ladderText } from '#dashboards/report/ladder-text.ts';
import type { TimeSeries } from '#dashboards/report/run-record.ts';

const POINTS_MAX = 480;
const DOCS = fileURLToPath(new URL('../docs/', import.meta.url));
const PAGE = join(DOCS, 'two-million.md');
const RECORD = join(DOCS, 'two-million.json');

const given = process.argv.slice(2);
const records = given.length === 0 ? readKept() : given.map(readRecord);
writeFileSync(RECORD, `${JSON.stringify(records.map(forDocs))}\n`);
writeFileSync(PAGE, ladderText(records.map(forDocs), 'npm run two-million'));
process.stdout.write(`${PAGE}\n${RECORD}\n`);

function readKept(): LadderRecord[] {
  return JSON.parse(readFileSync(RECORD, 'utf8')) as LadderRecord[];
}

function readRecord(path: string): LadderRecord {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, 'record.json') : path;
  const record = JSON.parse(readFileSync(file, 'utf8')) as LadderRecord;
  if (record.schema === LADDER_SCHEMA) return record;
  throw new WsarError(
    'WSAR_ERR_FILE',
    `${file} is no record of a ladder (${LADDER_SCHEMA}), but of ${record.schema}`,
    'give the folder of a run of lab/experiments/ladder.yaml',
  );
}

function forDocs(record: LadderRecord): LadderRecord {
  const { name: _, ...host } = record.host;
  return { ...record, host, series: thinned(record.series) };
}

/** Fewer points: of each piece of time the one with the largest value, so that a plot still shows its peaks. */
function thinned(series: TimeSeries): TimeSeries {
  const count = series.wallMs.length;
  if (count <= POINTS_MAX) return series;
  const starts = Array.from({ length: POINTS_MAX + 1 }, (_, index) =>
    Math.floor((index * count) / POINTS_MAX),
  );
  const pieces = starts.slice(0, -1).map((from, index) => ({ from, to: starts[index + 1]! }));
  const column = (values: readonly (number | null)[]): (number | null)[] =>
    pieces.map(({ from, to }) => {
      const known = values.slice(from, to).filter((value) => value !== null);
      return known.length === 0 ? null : Math.max(...known);
    });
  const { wallMs, ...others } = series;
  const thin = Object.entries(others).map(([name, values]) => [name, column(values)]);
  return { wallMs: pieces.map(({ from }) => wallMs[from]!), ...Object.fromEntries(thin) };
}
