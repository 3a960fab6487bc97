// The running lab writes where it can be reached; `wsar top` and people's own tools find it here.
// One file of mode 0600 (it holds the bus token), replaced atomically, removed at the end.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stateFolder } from '#core/host/state-folder.ts';

export interface CurrentLab {
  pid: number;
  lab: string;
  runId: string;
  busUrl: string;
  storeUrl: string;
}

const FILE = 'current-lab.json';

export function writeCurrentLab(lab: CurrentLab): void {
  const file = join(stateFolder(), FILE);
  writeFileSync(`${file}.new`, JSON.stringify(lab), { mode: 0o600 });
  renameSync(`${file}.new`, file);
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
