// The folder of a run: logs of its parts, the spool, record.json and report.html. Made when the checks
// before the start have passed, so that a wrong file leaves nothing behind.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { stateSubfolder } from '#core/host/state-folder.ts';
import { writeWhole } from '#core/host/whole-file.ts';
import { renderLadder } from '#dashboards/report/ladder-page.ts';
import type { LadderRecord } from '#dashboards/report/ladder-record.ts';
import { renderReport } from '#dashboards/report/report.ts';
import type { RunRecord } from '#dashboards/report/run-record.ts';

export const RECORD_FILE = 'record.json';
export const REPORT_FILE = 'report.html';

/** '20261123-091502-first-loop-3f9a': sorts by time, reads well, is unique. */
export function newRunId(name: string, wallMs: number): string {
  const time = new Date(wallMs).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  return `${time}-${name}-${randomBytes(2).toString('hex')}`;
}

/**
 * Makes the folder: `wanted`, which must not hold anything yet, or one in the state folder.
 * @throws WsarError WSAR_ERR_USAGE
 */
export function makeRunFolder(runId: string, wanted: string | undefined): string {
  const folder = wanted === undefined ? join(stateSubfolder('runs'), runId) : resolve(wanted);
  try {
    // Not recursive: that never ends in some places (/proc), and a mistyped path should not be made.
    if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    if (readdirSync(folder).length === 0) return folder;
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_USAGE',
      `the folder ${folder} cannot be made: ${(error as Error).message}`,
      'name a new folder, in one that is there and that you may write, with --output',
      error,
    );
  }
  throw new WsarError(
    'WSAR_ERR_USAGE',
    `the folder ${folder} is not empty`,
    'a run never overwrites another one: name a new folder with --output',
  );
}

/**
 * Writes record and report whole or not at all; returns the path of the report.
 * @throws WsarError WSAR_ERR_SYSTEM when they cannot be written.
 */
export function writeRun(folder: string, record: RunRecord): string {
  return writeBoth(folder, record, renderReport(record), record.verdict.sentence);
}

/** The same for a ladder. */
export function writeLadder(folder: string, record: LadderRecord): string {
  return writeBoth(folder, record, renderLadder(record), record.sentence);
}

function writeBoth(folder: string, record: object, pageText: string, sentence: string): string {
  const report = join(folder, REPORT_FILE);
  try {
    writeWhole(join(folder, RECORD_FILE), `${JSON.stringify(record, null, 1)}\n`);
    writeWhole(report, pageText);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the report cannot be written to ${folder}: ${(error as Error).message}`,
      `make room there; the result was: ${sentence}`,
      error,
    );
  }
  return report;
}
