// Round-trip times and the retransmission timeout (RFC 6298). Kept in 16 bits each, in units of 1/8 ms, so
// that an idle connection remembers its network in the word of its flight; longer than 8.19 s counts as that.

import type { Flights } from '#core/socket/stack/flights.ts';

const US_PER_UNIT = 125;
export const UNITS_PER_MS = 8;
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
export function measured(flights: Flights, flight: number, roundTripUs: number): void {
  const { roundTrip, roundTripVariation } = flights;
  const now = Math.max(1, Math.min(UNITS_MAX, Math.round(roundTripUs / US_PER_UNIT)));
  const smooth = roundTrip[flight]!;
  flights.backoffs[flight] = 0;
  if (smooth === 0) {
    roundTrip[flight] = now;
    roundTripVariation[flight] = now >>> 1;
    return;
  }
  const apart = Math.abs(smooth - now);
  roundTripVariation[flight] = Math.round((3 * roundTripVariation[flight]! + apart) / 4);
  roundTrip[flight] = Math.max(1, Math.round((7 * smooth + now) / 8));
}

/** How long to wait for an acknowledgement after the timeouts of a flight, and those before it, ms. */
export function timeoutMs(flights: Flights, flight: number): number {
  const smooth = flights.roundTrip[flight]!;
  const doublings = Math.max(flights.retries[flight]!, flights.backoffs[flight]!);
  const first =
    smooth === 0
      ? TIMEOUT_MS_INITIAL
      : smooth / UNITS_PER_MS +
        Math.max(SPREAD_MS_MIN, (4 * flights.roundTripVariation[flight]!) / UNITS_PER_MS);
  return Math.min(TIMEOUT_MS_MAX, first * 2 ** doublings);
}
