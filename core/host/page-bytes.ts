// The size of a page of this host's memory, which some counts of the kernel are in (getauxval(3), AT_PAGESZ).

import { readFileSync } from 'node:fs';

const AT_PAGESZ = 6n;
const PAGE_BYTES_USUAL = 4096;

let known: number | undefined;

/** Bytes; read once. */
export function pageBytes(): number {
  known ??= readPageBytes();
  return known;
}

function readPageBytes(): number {
  try {
    const vector = readFileSync('/proc/self/auxv');
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // Hidden in some containers; the usual size is right on all but a few arm64 kernels.
  }
  return PAGE_BYTES_USUAL;
}
