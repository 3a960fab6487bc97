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
