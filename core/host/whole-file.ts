// Replaces a small file as a whole: its readers see the old text or the new one, never half of it. Not for what must
// survive the loss of power (nothing is synced).

import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** Writes `file`, mode 0600. Throws the error of the system call and leaves the old file, and nothing else. */
export function writeWhole(file: string, text: string): void {
  const fresh = `${file}.new`;
  try {
    writeFileSync(fresh, text, { mode: 0o600 });
    // One that a killed process left keeps the mode it had.
    chmodSync(fresh, 0o600);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}
