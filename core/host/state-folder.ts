// Where wsar keeps runs, the store and journals: $WSAR_STATE_DIR, else $XDG_STATE_HOME/wsar, else
// ~/.local/state/wsar; where that cannot be written (a borrowed uid), a folder of our own in the
// temporary directory.

import { accessSync, constants } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '#core/host/make-folder.ts';

/** Returns the folder, made if need be, mode 0700. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const wanted =
    env['WSAR_STATE_DIR'] ??
    join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'wsar');
  try {
    makeFolder(wanted);
    accessSync(wanted, constants.W_OK);
    return wanted;
  } catch {
    // An ordinary user with root's HOME: fall back to a place that is certainly ours.
    const own = join(tmpdir(), `wsar-${process.getuid?.() ?? 0}`);
    makeFolder(own);
    return own;
  }
}

/** A folder inside the state folder, made if need be. */
export function stateSubfolder(name: string): string {
  const folder = join(stateFolder(), name);
  makeFolder(folder);
  return folder;
}
