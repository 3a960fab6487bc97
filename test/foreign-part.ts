// Foreign parts that tests run against (a broker, a database, a terminal). On a person's machine a
// missing part skips the test with its reason; in CI nothing is skipped: there a missing part fails.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** For node:test's `skip` option: false when every program is on PATH, else the reason. Throws in CI. */
export function needPrograms(...programs: string[]): false | string {
  return skipUnless(
    programs.filter((program) => !isOnPath(program)),
    'install it',
  );
}

/** The same for any condition: `lacks` lists what is missing, in words. */
export function skipUnless(lacks: string[], remedy: string): false | string {
  if (lacks.length === 0) return false;
  const reason = `${lacks.join(', ')} missing; ${remedy}`;
  if (process.env['CI'] === 'true') throw new Error(`in CI nothing is skipped: ${reason}`);
  return reason;
}

function isOnPath(program: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
