// What each of the kernel's slabs takes, from /proc/slabinfo (root only). A line is
//
//   TCP  949483 949650 2368 13 8 : tunables 0 0 0 : slabdata 73050 73050 0
//   name  used  objects size per-slab pages-per-slab          used  slabs
//
// and a slab takes pages-per-slab pages, whether its objects are used or not. Pure but for the read, and for the
// size of a page.

import { readFileSync } from 'node:fs';
import { pageBytes } from '#core/host/page-bytes.ts';
import type { SlabGrowth } from '#dashboards/report/ladder-record.ts';

/** Smaller growth for each user than this is somebody else's. */
const GROWTH_BYTES_MIN = 2;
const SLABS_MAX = 12;

/** Bytes by name of the slab; empty where it cannot be read. */
export function readSlabs(file = '/proc/slabinfo'): Map<string, number> {
  try {
    return parseSlabs(readFileSync(file, 'latin1'));
  } catch {
    return new Map(); // Only root may read it.
  }
}

export function parseSlabs(text: string): Map<string, number> {
  const slabs = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^(\S+)(?:\s+\d+){4}\s+(\d+)\s+:.*: slabdata\s+\d+\s+(\d+)/.exec(line);
    if (match === null) continue;
    slabs.set(match[1]!, Number(match[2]) * Number(match[3]) * pageBytes());
  }
  return slabs;
}

/** The slabs that grew most for each of `users`, largest first. */
export function slabGrowth(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  users: number,
): SlabGrowth[] {
  return [...after]
    .map(([name, bytes]) => ({ name, bytesPerUser: (bytes - (before.get(name) ?? 0)) / users }))
    .filter(({ bytesPerUser }) => bytesPerUser >= GROWTH_BYTES_MIN)
    .sort((a, b) => b.bytesPerUser - a.bytesPerUser)
    .slice(0, SLABS_MAX);
}
