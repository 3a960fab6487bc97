// Where /sys is, seen from a /proc: beside it. A copy of both is a folder with `proc` and `sys` in it; a
// copy of /proc alone may have the other one in its folder `sysfs`.

import { basename, dirname, join } from 'node:path';

/** The folder that stands for /sys when `procRoot` stands for /proc; it need not exist. */
export function sysfsRoot(procRoot: string): string {
  return basename(procRoot) === 'proc' ? join(dirname(procRoot), 'sys') : join(procRoot, 'sysfs');
}
