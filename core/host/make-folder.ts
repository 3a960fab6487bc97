// Makes a folder and those above it, one level at a time. `mkdirSync` with `recursive` does the same, except
// that below /proc and its like, where the kernel answers ENOENT for a folder that cannot be made, it tries
// for ever (Node 24).

import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const OWNER_ONLY = 0o700;

/** Makes `folder` if need be, mode 0700. Throws the error of mkdir(2) when it cannot be. */
export function makeFolder(folder: string): void {
  const path = resolve(folder);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    mkdirSync(path, { mode: OWNER_ONLY });
  } catch (error) {
    // Another process may have made it meanwhile.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    throw error;
  }
}
