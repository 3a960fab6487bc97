// Where wsar keeps runs, the store and journals: $WSAR_STATE_DIR, else $XDG_STATE_HOME/wsar, else
// ~/.local/state/wsar; where that cannot be written (a borrowed uid), a folder of our own in the
// temporary directory.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Returns the folder, made if need be, mode 0700. */
export function stateFolder(env: NodeJS.ProcessEnv = process.env): string {
  const wanted =
    env['WSAR_STATE_DIR'] ??
    join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'wsar');
  try {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    accessSync(wanted, constants.W_OK);
    return wanted;
  } catch {
    // An ordinary user with root's HOME: fall back to a place that is certainly ours.
    const own = join(tmpdir(), `wsar-${process.getuid?.() ?? 0}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return own;
  }
}

/** A folder inside the state folder, made if need be. */
export function stateSubfolder(name: string): string {
  const folder = join(stateFolder(), name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}
