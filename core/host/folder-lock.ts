// One process at a time in a folder: a lock file that names its owner. A lock whose owner is gone is
// taken over, so a killed process blocks nobody.
//
// The file is created with link(2), which is atomic and never overwrites. Taking over moves the stale
// file aside and looks at what was moved: should another starter have been faster, its lock is put back.

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { isRunning, ownIdentity, type ProcessIdentity } from '#core/host/process-identity.ts';

export interface FolderLock {
  release(): void;
}

const FILE = 'lock.json';

/**
 * Takes the lock of `folder`, which exists. `what` names the user of the folder in the refusal ('store').
 * @throws WsarError WSAR_ERR_SYSTEM when a living process holds it or the folder cannot be written.
 */
export function lockFolder(folder: string, what: string): FolderLock {
  const file = join(folder, FILE);
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, JSON.stringify(ownIdentity()), { mode: 0o600 });
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the ${what} cannot write to its folder: ${(error as Error).message}`,
      'make room or rights there, or choose another folder',
      error,
    );
  }
  try {
    while (!linkIfAbsent(own, file)) {
      const holder = readIdentity(file);
      if (holder !== undefined && isRunning(holder)) throw refusal(folder, what, holder);
      removeStale(file, `${own}.stale`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  return { release: () => rmSync(file, { force: true }) };
}

function removeStale(file: string, aside: string): void {
  try {
    renameSync(file, aside);
  } catch (error) {
    // Somebody else moved it first: look again.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const moved = readIdentity(aside);
  if (moved !== undefined && isRunning(moved)) linkIfAbsent(aside, file);
  rmSync(aside, { force: true });
}

function linkIfAbsent(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Who stands in the file; undefined when nobody readable does (power went while it was written). */
function readIdentity(file: string): ProcessIdentity | undefined {
  try {
    const { pid, startTicks } = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return Number.isInteger(pid) && pid > 0 ? { pid, startTicks: startTicks ?? null } : undefined;
  } catch {
    return undefined;
  }
}

function refusal(folder: string, what: string, holder: ProcessIdentity): WsarError {
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `the ${what} in ${folder} is already open in process ${holder.pid}`,
    'use that one, end it first, or choose another folder',
  );
}
