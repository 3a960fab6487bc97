// Where wsar keeps runs, the store and journals: $WSAR_STATE_DIR, else $XDG_STATE_HOME/wsar, else
// ~/.local/state/wsar; where that cannot be written (a borrowed uid), a folder of our own in the
// temporary directory. That is said once a process when the folder was asked for by name.

import { accessSync, constants } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '#core/host/make-folder.ts';

let isTold = false;

/** Returns the folder, made if need be, mode 0700. */
export function stateFolder(
  env: NodeJS.ProcessEnv = process.env,
  talk = (text: string): void => void process.stderr.write(text),
): string {
  const asked = env['WSAR_STATE_DIR'];
  const wanted = asked ?? join(env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'wsar');
  try {
    makeFolder(wanted);
    accessSync(wanted, constants.W_OK);
    return wanted;
  } catch (error) {
    // An ordinary user with root's HOME: fall back to a place that is certainly ours.
    const own = join(tmpdir(), `wsar-${process.getuid?.() ?? 0}`);
    makeFolder(own);
    if (asked !== undefined && !isTold) {
      isTold = true;
      const { message } = error as Error;
      talk(`wsar: WSAR_STATE_DIR cannot be written, ${own} is used: ${message}; name another\n`);
    }
    return own;
  }
}

/** A folder inside the state folder, made if need be. */
export function stateSubfolder(name: string): string {
  const folder = join(stateFolder(), name);
  makeFolder(folder);
  return folder;
}
