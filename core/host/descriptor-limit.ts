// How many files and sockets this process may have open.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Open files of this process at most (proc(5), limits; Node has raised it to the hard limit);
 * undefined where there is no /proc.
 */
export function descriptorLimit(procFolder = '/proc'): number | undefined {
  try {
    const limits = readFileSync(join(procFolder, 'self/limits'), 'utf8');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined; // Not Linux: the caller knows nothing.
  }
}
