// Files that people write for the server: read whole, or refused in one sentence.

import { readFileSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';

/** The text of `file`, which the sentence calls `name`. Throws WSAR_ERR_FILE with `hint`. */
export function readTextFile(
  file: string,
  name = file,
  hint = 'name a file that this user may read',
): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new WsarError('WSAR_ERR_FILE', `${name} cannot be read (${code})`, hint, error);
  }
}
