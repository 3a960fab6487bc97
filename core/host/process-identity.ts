// Tells whether a process that once wrote its identity somewhere still lives. A bare process id is
// reused by the kernel; with the start time beside it, it is not.

import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  pid: number;
  /** Start of the process in clock ticks since boot (field 22 of /proc/PID/stat, proc(5)); null elsewhere. */
  startTicks: number | null;
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, startTicks: startTicks(process.pid) };
}

/** True when that very process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return identity.startTicks === null || startTicks(identity.pid) === identity.startTicks;
}

function startTicks(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in brackets and may hold anything, also brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[19]);
  } catch {
    // No /proc on this platform, or the process is gone.
    return null;
  }
}
