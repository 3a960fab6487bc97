// One process at a time in a folder: a lock file that names its owner. A lock whose owner is gone is
// taken over, so a killed process blocks nobody.
//
// The file is created with link(2), which is atomic and never overwrites. A stale one is replaced by whoever holds a
// second lock, that of its heir, so that nobody takes a lock away that another starter has just taken: rename(2) of
// the heir's file over the stale one is the takeover and the release of the second lock at once. An heir who died
// has an heir.

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WsarError } from '#core/errors.ts';
import { isRunning, ownIdentity, type ProcessIdentity } from '#core/host/process-identity.ts';

export interface FolderLock {
  release(): void;
}

const FILE = 'lock.json';
/** How often, and at what distance, one looks whether a living heir is through; he needs no millisecond. */
const LOOKS_MAX = 2000;
const LOOK_MS = 1;
const NOBODY_WAKES = new Int32Array(new SharedArrayBuffer(4));

/**
 * Takes the lock of `folder`, which exists. `what` names the user of the folder in the refusal ('store').
 * @throws WsarError WSAR_ERR_SYSTEM when a living process holds it or the folder cannot be written.
 */
export function lockFolder(folder: string, what: string): FolderLock {
  const file = join(folder, FILE);
  const identity = ownIdentity();
  // What an earlier process of this id left (in a container it is the same each time) may be the lock itself.
  const own = `${file}.${identity.pid}.${identity.startTicks}`;
  try {
    writeFileSync(own, JSON.stringify(identity), { mode: 0o600 });
  } catch (error) {
    rmSync(own, { force: true });
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the ${what} cannot write to its folder: ${(error as Error).message}`,
      'make room or rights there, or choose another folder',
      error,
    );
  }
  try {
    const holder = take(own, file);
    if (holder !== undefined) throw refusal(folder, what, holder);
  } finally {
    rmSync(own, { force: true });
  }
  return { release: () => rmSync(file, { force: true }) };
}

/** Makes `file` ours; else who holds it, and lives. */
function take(own: string, file: string): ProcessIdentity | undefined {
  for (let looks = 0; !linkIfAbsent(own, file); looks++) {
    const holder = holderOf(file);
    if (holder === 'gone') continue;
    if (holder !== 'stale') return holder;
    const heir = `${file}.heir`;
    const other = take(own, heir);
    if (other === undefined) {
      if (holderOf(file) === 'stale') {
        renameSync(heir, file);
        return undefined;
      }
      rmSync(heir);
    } else if (looks === LOOKS_MAX) return other;
    else Atomics.wait(NOBODY_WAKES, 0, 0, LOOK_MS);
  }
  return undefined;
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

/** Who stands in the file; stale too when nobody readable does (power went while it was written). */
function holderOf(file: string): ProcessIdentity | 'gone' | 'stale' {
  try {
    const { pid, startTicks } = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    const holder = { pid, startTicks: startTicks ?? null };
    return Number.isInteger(pid) && pid > 0 && isRunning(holder) ? holder : 'stale';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'stale';
  }
}

function refusal(folder: string, what: string, holder: ProcessIdentity): WsarError {
  return new WsarError(
    'WSAR_ERR_SYSTEM',
    `the ${what} in ${folder} is already open in process ${holder.pid}`,
    'use that one, end it first, or choose another folder',
  );
}
