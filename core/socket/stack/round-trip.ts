// Round-trip times and the retransmission timeout (RFC 6298). Kept in 16 bits each, in units of 1/8 ms, so
// that an idle connection remembers its network in four bytes; longer than 8.19 s counts as that.

import type { TcpTable } from '#core/socket/stack/tcp-table.ts';

const US_PER_UNIT = 125;
const UNITS_PER_MS = 8;
const UNITS_MAX = 65_535;
/** Before the first measurement, ms. */
const TIMEOUT_MS_INITIAL = 1000;
/**
 * Added to the round trip at least. RFC 6298 has a minimum of 1 s for the whole; this is what Linux does, and
 * phones therefore do. Added, because a peer may hold its acknowledgement back for 200 ms.
 */
const SPREAD_MS_MIN = 200;
const TIMEOUT_MS_MAX = 60_000;

/** Takes one measurement in. */
export function measured(table: TcpTable, conn: number, roundTripUs: number): void {
  const { roundTrip, roundTripVariation } = table;
  const now = Math.max(1, Math.min(UNITS_MAX, Math.round(roundTripUs / US_PER_UNIT)));
  const smooth = roundTrip[conn]!;
  table.endBackoff(conn);
  if (smooth === 0) {
    roundTrip[conn] = now;
    roundTripVariation[conn] = now >>> 1;
    return;
  }
  const apart = Math.abs(smooth - now);
  roundTripVariation[conn] = Math.round((3 * roundTripVariation[conn]! + apart) / 4);
  roundTrip[conn] = Math.max(1, Math.round((7 * smooth + now) / 8));
}

/** How long to wait for an acknowledgement after `retries` timeouts in a row, and those before them, ms. */
export function timeoutMs(table: TcpTable, conn: number, retries: number): number {
  const smooth = table.roundTrip[conn]!;
  const first =
    smooth === 0
      ? TIMEOUT_MS_INITIAL
      : smooth / UNITS_PER_MS +
        Math.max(SPREAD_MS_MIN, (4 * table.roundTripVariation[conn]!) / UNITS_PER_MS);
  return Math.min(TIMEOUT_MS_MAX, first * 2 ** Math.max(retries, table.backoffs(conn)));
}
