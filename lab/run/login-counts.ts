// Users logged in, counted three ways that know nothing of each other: CONNACKs at the generator,
// sessions in the server, and sockets of the kernel, which has two for every connection of this host.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberText } from '#dashboards/report/number-text.ts';
import type { LoginCounts } from '#dashboards/report/run-record.ts';

/** Sockets that bus, store and other programs may open or close meanwhile: 64, or 1 % of what is counted. */
const OTHER_SOCKETS_MAX = 64;
const OTHER_SOCKETS_RATIO_MAX = 0.01;

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

export interface CountedLogins {
  wanted: number;
  generator: number | null;
  server: number | null;
  socketsBefore: number | null;
  socketsAfter: number | null;
}

/** Pure: do they agree, and if not, what explains it? */
export function judgeCounts(counted: CountedLogins): LoginCounts {
  const { wanted, generator, server, socketsBefore, socketsAfter } = counted;
  const sockets =
    socketsBefore === null || socketsAfter === null ? null : socketsAfter - socketsBefore;
  const others = sockets === null ? 0 : sockets - 2 * wanted;
  const allowed = Math.max(OTHER_SOCKETS_MAX, 2 * wanted * OTHER_SOCKETS_RATIO_MAX);
  const isSame = generator === wanted && server === wanted;
  return {
    wanted,
    generator,
    server,
    sockets,
    agree: isSame && Math.abs(others) <= allowed,
    sentence:
      `generator ${numberText(generator)}, server ${numberText(server)}, ` +
      (sockets === null
        ? 'sockets not counted (no /proc/net/sockstat)'
        : `sockets ${numberText(sockets)} for both ends${explainOthers(others)}`),
  };
}

function explainOthers(others: number): string {
  if (others === 0) return '';
  return others > 0
    ? ` (${numberText(others)} more: bus, store and other programs)`
    : ` (${numberText(-others)} fewer: other programs closed theirs)`;
}
