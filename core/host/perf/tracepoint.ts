// The number by which perf knows a tracepoint of the kernel: a file in tracefs. On most hosts only root sees it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where tracefs is mounted; the second one before Linux 4.1. */
export const TRACEFS_ROOTS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'];

/** The id of `subsystem:event`, or the reason why there is none. */
export function tracepointId(
  name: string,
  roots: readonly string[] = TRACEFS_ROOTS,
): number | string {
  let reason = `tracefs is not mounted at ${roots.join(' or ')}`;
  for (const root of roots) {
    try {
      const id = Number(readFileSync(join(root, 'events', ...name.split(':'), 'id'), 'latin1'));
      return Number.isInteger(id) && id > 0 ? id : `tracefs tells no id of ${name}`;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EACCES' || code === 'EPERM') return `only root may read ${root}`;
      if (isMounted(root)) reason = `this kernel has no tracepoint ${name}`;
    }
  }
  return reason;
}

function isMounted(root: string): boolean {
  try {
    readFileSync(join(root, 'current_tracer'));
    return true;
  } catch {
    return false; // The other place is tried.
  }
}
