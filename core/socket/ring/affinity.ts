// Which CPUs the calling thread may run on (sched_setaffinity(2), of the thread, not the process), through koffi.
// The mask is one bit a CPU, least significant first; CPUS_MAX of them.

import { createRequire } from 'node:module';

const CPUS_MAX = 4096;

/** Restricts the calling thread to `cpus`; false where that is refused or not Linux. */
export function pinThread(cpus: readonly number[]): boolean {
  const calls = load();
  if (calls === undefined) return false;
  const mask = Buffer.alloc(CPUS_MAX / 8);
  for (const cpu of cpus) if (cpu < CPUS_MAX) mask[cpu >>> 3]! |= 1 << (cpu & 7);
  return calls.set(0, mask.length, mask) === 0;
}

/** The CPUs that the calling thread may run on; undefined where the kernel does not say. */
export function threadCpus(): number[] | undefined {
  const calls = load();
  if (calls === undefined) return undefined;
  const mask = Buffer.alloc(CPUS_MAX / 8);
  if (calls.get(0, mask.length, mask) < 0) return undefined;
  return Array.from({ length: CPUS_MAX }, (_, cpu) => cpu).filter(
    (cpu) => (mask[cpu >>> 3]! & (1 << (cpu & 7))) !== 0,
  );
}

interface AffinityCalls {
  set(pid: number, bytes: number, mask: Uint8Array): number;
  get(pid: number, bytes: number, mask: Uint8Array): number;
}

function load(): AffinityCalls | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load('libc.so.6');
    return {
      set: library.func('int sched_setaffinity(int, size_t, void *)'),
      get: library.func('int sched_getaffinity(int, size_t, void *)'),
    };
  } catch {
    // No koffi or another C library: nobody is pinned, which is what the caller is told.
    return undefined;
  }
}
