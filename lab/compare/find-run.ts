// Finds the record of a run by what a person has at hand: the folder, the file, the id or its beginning.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { LADDER_SCHEMA, type LadderRecord } from '#dashboards/report/ladder-record.ts';
import { RECORD_SCHEMA, type RunRecord } from '#dashboards/report/run-record.ts';
import { RECORD_FILE } from '#lab/run/run-folder.ts';

/** What a comparison reads of a record. */
const RUN_KEYS = ['workload', 'turned', 'design', 'host', 'blocks', 'metrics', 'verdict'] as const;
/** What a fleet plan reads of a record. */
const LADDER_KEYS = ['plan', 'engines', 'steps', 'host'] as const;

/**
 * The record of an experiment.
 * @throws WsarError WSAR_ERR_USAGE when there is no such run, WSAR_ERR_FILE when it is no such record.
 */
export function findRun(name: string): RunRecord {
  return readRecord<RunRecord>(pathOf(name), RECORD_SCHEMA, RUN_KEYS);
}

/** The record of a ladder; throws as `findRun` does. */
export function findLadder(name: string): LadderRecord {
  const file = pathOf(name);
  const record = readRecord<LadderRecord>(file, LADDER_SCHEMA, LADDER_KEYS);
  const isStep = (step: unknown): boolean => typeof step === 'object' && step !== null;
  if (!Array.isArray(record.steps) || !record.steps.every(isStep)) {
    throw notARecord(file, LADDER_SCHEMA, 'its steps are no list of steps');
  }
  if (typeof record.runId === 'string') return record;
  throw notARecord(file, LADDER_SCHEMA, 'it lacks runId');
}

function pathOf(name: string): string {
  if (existsSync(name)) return statSync(name).isDirectory() ? join(name, RECORD_FILE) : name;
  const runs = stateSubfolder('runs');
  const known = readdirSync(runs).filter((id) => existsSync(join(runs, id, RECORD_FILE)));
  const matching = known.filter((id) => name !== '' && (id.startsWith(name) || id.endsWith(name)));
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

function readRecord<T extends { schema: string }>(
  file: string,
  schema: string,
  needed: readonly (keyof T)[],
): T {
  let record: Partial<T> | null;
  try {
    record = JSON.parse(readFileSync(file, 'utf8')) as Partial<T> | null;
  } catch (error) {
    throw notARecord(file, schema, (error as Error).message, error);
  }
  if (record?.schema !== schema) {
    throw notARecord(
      file,
      schema,
      `its schema is ${JSON.stringify(record?.schema)}, not '${schema}'`,
    );
  }
  const lacking = needed.filter((key) => typeof record[key] !== 'object' || record[key] === null);
  if (lacking.length > 0) throw notARecord(file, schema, `it lacks ${lacking.join(', ')}`);
  return record as T;
}

function notARecord(file: string, schema: string, reason: string, cause?: unknown): WsarError {
  const what = schema === LADDER_SCHEMA ? 'ladder' : 'run';
  const hint =
    what === 'ladder'
      ? `name a folder that wsar run made of a ladder (npm run ladder), or its ${RECORD_FILE}`
      : `name a folder that wsar run made, or its ${RECORD_FILE}`;
  const message = `${file} is no record of a ${what}: ${reason}`;
  return new WsarError('WSAR_ERR_FILE', message, hint, cause);
}
