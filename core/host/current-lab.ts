// The running lab writes where it can be reached; `wsar top` and people's own tools find it here.
// One file of mode 0600 (it holds the bus token), replaced atomically, removed at the end.

import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { stateFolder } from '#core/host/state-folder.ts';
import { writeWhole } from '#core/host/whole-file.ts';

export interface CurrentLab {
  pid: number;
  lab: string;
  runId: string;
  busUrl: string;
  storeUrl: string;
}

const FILE = 'current-lab.json';

/** Throws WSAR_ERR_SYSTEM when the state folder cannot be written. */
export function writeCurrentLab(lab: CurrentLab): void {
  const folder = stateFolder();
  try {
    writeWhole(join(folder, FILE), JSON.stringify(lab));
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the state folder ${folder} cannot be written: ${(error as Error).message}`,
      'make room there, or name another folder in WSAR_STATE_DIR',
      error,
    );
  }
}

/** The lab that runs now, or undefined when there is none or its process is gone. */
export function readCurrentLab(): CurrentLab | undefined {
  try {
    const lab = JSON.parse(readFileSync(join(stateFolder(), FILE), 'utf8')) as CurrentLab;
    process.kill(lab.pid, 0);
    return lab;
  } catch {
    // No file, half a file or a dead process all mean the same to the caller.
    return undefined;
  }
}

/** Removes the file when it is ours. */
export function removeCurrentLab(pid: number): void {
  if (readCurrentLab()?.pid === pid) rmSync(join(stateFolder(), FILE), { force: true });
}
