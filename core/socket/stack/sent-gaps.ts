// Sending while the peer has reported something behind a gap (RFC 6675): what is lost is sent again, each gap once,
// then new data, as much as the congestion window leaves beside what is really on its way. After a timeout
// sending begins again at the first gap and passes over what has arrived.

import { RECOVERY } from '#core/socket/stack/flights.ts';
import { timeoutMs } from '#core/socket/stack/round-trip.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import type { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { FLAG } from '#core/socket/stack/tcp-table.ts';

/** Sends what both windows allow of a flight that has a scoreboard. True when something left. */
export function transmitGaps(
  parts: StackParts,
  output: TcpOutput,
  conn: number,
  flight: number,
): boolean {
  const { table, flights, timers, now } = parts;
  const { sacked, congestionWindow } = flights;
  const first = table.unacknowledged[conn]!;
  const lostBefore =
    flights.recovery[flight] === RECOVERY.fast
      ? sacked.lostBefore(flight, first, table.segmentBytes(conn))
      : 0;
  let room = congestionWindow[flight]! - onItsWay(parts, flight, first, lostBefore);
  let hasSent = false;
  for (;;) {
    let count = lostBefore > 0 ? fillGap(parts, output, conn, flight, lostBefore, room) : 0;
    if (count === 0) count = sendFurther(parts, output, conn, flight, room);
    if (count <= 0) break;
    room -= count;
    hasSent = true;
  }
  if (!timers.isArmed(flight) && (flights.sentMax[flight]! > 0 || flights.bytes[flight]! > 0)) {
    timers.set(flight, now.us / 1000, timeoutMs(flights, flight));
  }
  return hasSent;
}

/** Sequence numbers that are in the network (Pipe): sent and neither arrived nor lost, and what was sent again. */
function onItsWay(
  { flights }: StackParts,
  flight: number,
  first: number,
  lostBefore: number,
): number {
  const { sacked } = flights;
  const sent = flights.sent[flight]!;
  const behind = sent - lostBefore - sacked.arrived(flight, first, lostBefore, sent);
  const filled = Math.min(flights.filled[flight]!, lostBefore);
  return Math.max(0, behind) + filled - sacked.arrived(flight, first, 0, filled);
}

/** Sends one segment of the next gap; 0 when there is none, -1 when there is no room for it. */
function fillGap(
  { table, flights }: StackParts,
  output: TcpOutput,
  conn: number,
  flight: number,
  lostBefore: number,
  room: number,
): number {
  const { sacked, filled } = flights;
  const first = table.unacknowledged[conn]!;
  const start = sacked.missingFrom(flight, first, filled[flight]!);
  if (start >= lostBefore) return 0;
  const end = Math.min(lostBefore, sacked.arrivedFrom(flight, first, start));
  const count = Math.min(table.segmentBytes(conn), end - start);
  if (count > room) return -1;
  sendAgain(flights, output, conn, flight, start, count);
  filled[flight] = start + count;
  return count;
}

/** Sends `count` sequence numbers from `offset` on once more; the last of them may be FIN. */
function sendAgain(
  { bytes }: StackParts['flights'],
  output: TcpOutput,
  conn: number,
  flight: number,
  offset: number,
  count: number,
): void {
  const payload = Math.min(count, Math.max(0, bytes[flight]! - offset));
  output.sendAgain(conn, flight, offset, payload, payload < count);
}

/** One segment from where sending stands; what is sent of it, 0 when nothing. */
function sendFurther(
  { table, flights }: StackParts,
  output: TcpOutput,
  conn: number,
  flight: number,
  room: number,
): number {
  const { sacked, sent, sentMax, bytes } = flights;
  const first = table.unacknowledged[conn]!;
  const mss = table.segmentBytes(conn);
  sent[flight] = Math.min(sentMax[flight]!, sacked.missingFrom(flight, first, sent[flight]!));
  const from = sent[flight]!;
  const left = bytes[flight]! - from;
  const endsHere = (table.flags[conn]! & FLAG.outputEnded) !== 0;
  const until = sacked.arrivedFrom(flight, first, from) - from;
  const count = Math.min(mss, left, room, until, table.sendWindow(conn) - from);
  const withFin = endsHere && count === left;
  if (left < 0 || (left === 0 ? !withFin : count <= 0)) return 0;
  // Small pieces wait while others are out, except where they fill a gap; the first one waits for nobody.
  if (from > 0 && count < mss && count < left && count < until) return 0;
  output.sendNext(conn, flight, count, withFin);
  return count + (withFin ? 1 : 0);
}
