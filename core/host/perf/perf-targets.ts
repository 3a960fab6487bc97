// What counters stand on: the processors that are switched on, or the threads of a process.

import { readdirSync, readFileSync } from 'node:fs';
import type { PerfTarget } from '#core/host/perf/perf-group.ts';

const ONLINE_FILE = '/sys/devices/system/cpu/online';
/** Threads that are looked at; a process of millions of connections has tens. */
const THREADS_MAX = 4096;

/** The list of processors that are on, as the kernel writes it: `0-3,6`. */
export function onlineText(file = ONLINE_FILE): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return '0'; // A kernel without hotplug has no such file; the first processor is always there.
  }
}

/** The numbers in a list of processors. */
export function parseCpuList(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last)) return [];
    return Array.from({ length: Math.max(0, last! - first! + 1) }, (_, i) => first! + i);
  });
}

export function cpuTargets(text: string): PerfTarget[] {
  return parseCpuList(text).map((cpu) => ({ pid: -1, cpu }));
}

/** The threads of a process, the main thread first; empty when it is gone. Those they start later are inherited. */
export function threadTargets(pid: number, root = '/proc'): PerfTarget[] {
  try {
    return readdirSync(`${root}/${pid}/task`)
      .slice(0, THREADS_MAX)
      .map((thread) => ({ pid: Number(thread), cpu: -1 }));
  } catch {
    return [];
  }
}
