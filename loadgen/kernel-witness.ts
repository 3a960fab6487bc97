// The kernel as a witness: how many TCP sockets this network namespace has more than before the load
// (/proc/net/sockstat: a few numbers, whatever the number of sockets). Other programs open and close
// sockets too, so a small difference means nothing.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sockets of other programs that may have come or gone. */
const OTHERS_MAX = 500;
const OTHERS_RATIO_MAX = 0.01;

export interface KernelWitness {
  /** TCP sockets more than before. */
  sockets: number;
  /** Those that the logged-in users make. */
  expected: number;
  agrees: boolean;
}

/** TCP sockets in use, IPv4 and IPv6; undefined where the kernel does not say. */
export function tcpSockets(procFolder: string): number | undefined {
  const inUse = (file: string, label: string): number | undefined => {
    try {
      const text = readFileSync(join(procFolder, 'net', file), 'utf8');
      const match = new RegExp(`^${label}: inuse (\\d+)`, 'm').exec(text);
      return match === null ? undefined : Number(match[1]);
    } catch {
      return undefined; // Not Linux, or no IPv6.
    }
  };
  const v4 = inUse('sockstat', 'TCP');
  return v4 === undefined ? undefined : v4 + (inUse('sockstat6', 'TCP6') ?? 0);
}

/** `endsHere`: sockets of this namespace that one user makes (0, 1 or 2). */
export function kernelWitness(
  before: number | undefined,
  during: number | undefined,
  loggedIn: number,
  endsHere: number,
): KernelWitness | undefined {
  if (before === undefined || during === undefined || endsHere === 0) return undefined;
  const sockets = during - before;
  const expected = loggedIn * endsHere;
  const differenceMax = Math.max(OTHERS_MAX, expected * OTHERS_RATIO_MAX);
  return { sockets, expected, agrees: Math.abs(sockets - expected) <= differenceMax };
}
