// Finds the record of a run by what a person has at hand: the folder, the file, the id or its beginning.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { RECORD_SCHEMA, type RunRecord } from '#dashboards/report/run-record.ts';
import { RECORD_FILE } from '#lab/run/run-folder.ts';

/** @throws WsarError WSAR_ERR_USAGE when there is no such run, WSAR_ERR_FILE when it is no record. */
export function findRun(name: string): RunRecord {
  return readRecord(pathOf(name));
}

function pathOf(name: string): string {
  if (existsSync(name)) return statSync(name).isDirectory() ? join(name, RECORD_FILE) : name;
  const runs = stateSubfolder('runs');
  const known = readdirSync(runs).filter((id) => existsSync(join(runs, id, RECORD_FILE)));
  const matching = known.filter((id) => id.startsWith(name) || id.endsWith(name));
  const exact = matching.includes(name) ? [name] : matching;
  if (exact.length === 1) return join(runs, exact[0]!, RECORD_FILE);
  const newest = known.sort().slice(-3).reverse().join(', ');
  throw new WsarError(
    'WSAR_ERR_USAGE',
    exact.length === 0
      ? `there is no run '${name}'`
      : `'${name}' fits ${exact.length} runs: ${exact.slice(0, 3).join(', ')}`,
    known.length === 0
      ? 'make one with `wsar run`'
      : `give a folder or an id; the newest are ${newest}`,
  );
}

function readRecord(file: string): RunRecord {
  let record: Partial<RunRecord> | null;
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as Partial<RunRecord> | null;
  } catch (error) {
    throw notARecord(file, (error as Error).message, error);
  }
  if (record?.schema !== RECORD_SCHEMA) {
    throw notARecord(
      file,
      `its schema is ${JSON.stringify(record?.schema)}, not '${RECORD_SCHEMA}'`,
    );
  }
  const lacking = NEEDED.filter((key) => typeof record[key] !== 'object' || record[key] === null);
  if (lacking.length > 0) throw notARecord(file, `it lacks ${lacking.join(', ')}`);
  return record as RunRecord;
}

/** What a comparison reads of a record. */
const NEEDED = ['workload', 'turned', 'design', 'host', 'blocks', 'metrics', 'verdict'] as const;

function notARecord(file: string, reason: string, cause?: unknown): WsarError {
  const hint = `name a folder that wsar run made, or its ${RECORD_FILE}`;
  return new WsarError('WSAR_ERR_FILE', `${file} is no record of a run: ${reason}`, hint, cause);
}
