// What a process may still take of this host's memory. MemAvailable is no measure where there are many connections: it
// counts the kernel's dentries and socket inodes as reclaimable, which are exactly what connections are made of, and
// overstates by gigabytes. MemFree alone understates: pages in the lists of free pages of a CPU are in it no more
// (mm/page_alloc.c, free_unref_page), were 0.1 to 0.4 GiB of 24 while connections came and 2.4 after they had gone,
// and are given back before anything is reclaimed (drain_all_pages). So: MemFree, these lists, and file pages that
// nobody used lately, or less where a control group allows less (Documentation/admin-guide/cgroup-v2.rst), its own or
// one above it. Cost: 0.07 ms of CPU on two cores.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pageBytes } from '#core/host/page-bytes.ts';

/** Levels of control groups that are looked at. */
const GROUPS_MAX = 16;

/** Bytes; undefined where it cannot be read. `procFolder` and `cgroupFolder` are /proc and /sys/fs/cgroup. */
export function readFreeBytes(procFolder: string, cgroupFolder: string): number | undefined {
  const meminfo = textOf(join(procFolder, 'meminfo'));
  const kib = (name: string): number => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo);
    return match === null ? Number.NaN : Number(match[1]) * 1024;
  };
  const host = kib('MemFree') + (kib('Inactive\\(file\\)') || 0) + listedBytes(procFolder);
  let free = Number.isNaN(host) ? Number.POSITIVE_INFINITY : host;
  const own = /^0::(\/.*)$/m.exec(textOf(join(procFolder, 'self/cgroup')))?.[1] ?? '/';
  const parts = own.split('/').filter((part) => part !== '' && part !== '..');
  for (let depth = Math.min(parts.length, GROUPS_MAX); depth >= 0; depth--) {
    const group = groupFreeBytes(join(cgroupFolder, ...parts.slice(0, depth)));
    if (group < free) free = group;
  }
  return Number.isFinite(free) ? free : undefined;
}

/** Free pages in the lists of the CPUs, of every zone: the lines "count:" below "pagesets" (mm/vmstat.c, zoneinfo). */
function listedBytes(procFolder: string): number {
  let pages = 0;
  for (const match of textOf(join(procFolder, 'zoneinfo')).matchAll(/^ +count: +(\d+)$/gm)) {
    pages += Number(match[1]);
  }
  return pages * pageBytes();
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
