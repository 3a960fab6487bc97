// What connections cost this host: what is free (core/host/free-memory.ts says what that is), the slabs, and the
// resident memory of processes.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readFreeBytes } from '#core/host/free-memory.ts';

export interface HostMemory {
  freeBytes: number | null;
  slabBytes: number | null;
}

export function readHostMemory(procFolder = '/proc', cgroupFolder = '/sys/fs/cgroup'): HostMemory {
  return {
    freeBytes: readFreeBytes(procFolder, cgroupFolder) ?? null,
    slabBytes: kibibytes(readText(join(procFolder, 'meminfo')), 'Slab'),
  };
}

/** Looks in a row within which what the kernel keeps must not have fallen further, and by how much it may. */
const STILL_LOOKS = 5;
const STILL_RATIO = 0.005;

/**
 * Whether the kernel has given back what it will: connections that are closed are freed after a while (RCU), and what
 * is left of them would be missing in the growth of the next step.
 */
export class SlabRest {
  readonly #looks: number[] = [];

  /** With every look at the slabs; true where they cannot be seen. */
  isStill(slabBytes: number | null): boolean {
    if (slabBytes === null) return true;
    this.#looks.push(slabBytes);
    if (this.#looks.length <= STILL_LOOKS) return false;
    return this.#looks.shift()! - slabBytes <= slabBytes * STILL_RATIO;
  }
}

/** Resident memory of a process, bytes; null when it is gone. */
export function readResidentBytes(pid: number): number | null {
  return kibibytes(readText(`/proc/${pid}/status`), 'VmRSS');
}

/**
 * Lets the kernel give back what it keeps of files: clean pages, names and inodes, which were 0.35 GiB on a host of 24
 * (Documentation/admin-guide/sysctl/vm.rst: 3 = all of these): an act, not a setting. False where this user may not.
 */
export function dropFileCache(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

/** When memory runs out, the kernel takes this process first, and nobody else's. */
export function offerToKernel(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // It is gone, or there is no such file here: the guard remains.
  }
}

function kibibytes(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
  return match === null ? null : Number(match[1]) * 1024;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
