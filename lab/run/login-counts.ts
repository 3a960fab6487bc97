// Users logged in, counted three ways that know nothing of each other: CONNACKs at the generator,
// sessions in the server, and sockets of the kernel, which has two for every connection of this host.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberText } from '#dashboards/report/number-text.ts';
import type { LoginCounts } from '#dashboards/report/run-record.ts';

/** Sockets that bus, store and other programs may open or close meanwhile: 64, or 1 % of what is counted. */
const OTHER_SOCKETS_MAX = 64;
const OTHER_SOCKETS_RATIO_MAX = 0.01;
/** Reads of the kernel's table, which is no snapshot. */
const READS_MAX = 3;

/** TCP sockets in use in this network namespace, IPv4, or null where the kernel does not tell. */
export function readSocketsInUse(procFolder = '/proc'): number | null {
  try {
    const text = readFileSync(join(procFolder, 'net/sockstat'), 'latin1');
    const match = /^TCP: inuse (\d+)/m.exec(text);
    return match === null ? null : Number(match[1]);
  } catch {
    return null; // No /proc here; the sentence says that two counts had to do.
  }
}

/**
 * Established connections of 127.0.0.1:`port`, both ends together, from the kernel's table itself. It
 * lists every socket of the host, so it is asked only when other programs blur the difference. The table
 * is read in pieces while sockets come and go: an entry may be listed twice or passed over, so entries are
 * counted by their addresses, and the table is read again (at most READS_MAX times) until `wanted` are seen.
 */
export function countInKernelTable(
  port: number,
  wanted: number,
  procFolder = '/proc',
): number | null {
  // "  12: 0100007F:1F90 0100007F:C350 01 ...": local, remote, state 01 = ESTABLISHED. The address counts
  // too: somebody else's connection may come from the same port of another address.
  const end = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const other = '\\w+:\\w+';
  const line = new RegExp(`^ *\\d+: (${end} ${other}|${other} ${end}) 01 `, 'gm');
  const ends = new Set<string>();
  for (let read = 0; read < READS_MAX && ends.size < wanted; read++) {
    try {
      const text = readFileSync(join(procFolder, 'net/tcp'), 'latin1');
      for (const match of text.matchAll(line)) ends.add(match[1]!);
    } catch {
      return null; // No /proc here, or more sockets than fit into one text: the difference has to do.
    }
  }
  return ends.size;
}

export interface CountedLogins {
  wanted: number;
  generator: number | null;
  server: number | null;
  socketsBefore: number | null;
  socketsAfter: number | null;
  /** Asked only when the difference of the sockets does not fit. */
  countInTable: () => number | null;
}

/** Do they agree, and if not, what explains it? */
export function judgeCounts(counted: CountedLogins): LoginCounts {
  const { wanted, generator, server, socketsBefore, socketsAfter, countInTable } = counted;
  const isSame = generator === wanted && server === wanted;
  const told = `generator ${numberText(generator)}, server ${numberText(server)}, `;
  const result = { wanted, generator, server };
  if (socketsBefore === null || socketsAfter === null) {
    const sentence = `${told}sockets not counted (no /proc/net/sockstat)`;
    return { ...result, sockets: null, agree: isSame, sentence };
  }
  const sockets = socketsAfter - socketsBefore;
  const others = sockets - 2 * wanted;
  const allowed = Math.max(OTHER_SOCKETS_MAX, 2 * wanted * OTHER_SOCKETS_RATIO_MAX);
  if (Math.abs(others) <= allowed) {
    const sentence = `${told}sockets ${numberText(sockets)} for both ends${explainOthers(others)}`;
    return { ...result, sockets, agree: isSame, sentence };
  }
  const inTable = countInTable();
  return {
    ...result,
    sockets: inTable ?? sockets,
    agree: isSame && inTable === 2 * wanted,
    sentence:
      `${told}sockets ${numberText(sockets)} more than before, which other programs blur; ` +
      `the kernel's table lists ${numberText(inTable)} ends of the server's port`,
  };
}

function explainOthers(others: number): string {
  if (others === 0) return '';
  return others > 0
    ? ` (${numberText(others)} more: bus, store and other programs)`
    : ` (${numberText(-others)} fewer: other programs closed theirs)`;
}
