// What a process may still take of this host's memory. MemAvailable is no measure where there are many connections: it
// counts the kernel's dentries and socket inodes as reclaimable, which are exactly what connections are made of, and
// overstates by gigabytes. So: MemFree and file pages that nobody used lately, or less where a control group allows
// less (Documentation/admin-guide/cgroup-v2.rst), its own or one above it. Cost: about 0.1 ms.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Levels of control groups that are looked at. */
const GROUPS_MAX = 16;

/** Bytes; undefined where it cannot be read. `procFolder` and `cgroupFolder` are /proc and /sys/fs/cgroup. */
export function readFreeBytes(procFolder: string, cgroupFolder: string): number | undefined {
  const meminfo = textOf(join(procFolder, 'meminfo'));
  const kib = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo);
    return match === null ? Number.NaN : Number(match[1]) * 1024;
  };
  const host = kib('MemFree') + (kib('Inactive\\(file\\)') || 0);
  let free = Number.isNaN(host) ? Number.POSITIVE_INFINITY : host;
  const own = /^0::(\/.*)$/m.exec(textOf(join(procFolder, 'self/cgroup')))?.[1] ?? '/';
  const parts = own.split('/').filter((part) => part !== '' && part !== '..');
  for (let depth = Math.min(parts.length, GROUPS_MAX); depth >= 0; depth--) {
    const group = groupFreeBytes(join(cgroupFolder, ...parts.slice(0, depth)));
    if (group < free) free = group;
  }
  return Number.isFinite(free) ? free : undefined;
}

/** What one group allows; Infinity when it sets no limit ('max' and no file are none). */
function groupFreeBytes(folder: string): number {
  const limit = Number.parseInt(textOf(join(folder, 'memory.max')), 10);
  const current = Number.parseInt(textOf(join(folder, 'memory.current')), 10);
  if (Number.isNaN(limit - current)) return Number.POSITIVE_INFINITY;
  const unused = /^inactive_file (\d+)$/m.exec(textOf(join(folder, 'memory.stat')))?.[1];
  return Math.max(0, limit - current + Number(unused ?? 0));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return ''; // Not on this platform: the caller then knows nothing and refuses nothing.
  }
}
