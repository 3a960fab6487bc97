// What a connection does when its time is up: SYN, data or a probe once more, or giving up.

import { constants } from 'node:os';
import { CLOSE_REASON, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { RECOVERY } from '#core/socket/stack/flights.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import type { TcpLife } from '#core/socket/stack/tcp-life.ts';
import type { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { FLAG } from '#core/socket/stack/tcp-table.ts';

const { ETIMEDOUT } = constants.errno;
/** As Linux: net.ipv4.tcp_syn_retries and tcp_retries2. About two minutes, and a quarter of an hour. */
const SYN_RETRIES_MAX = 6;
const RETRIES_MAX = 15;

/** The timer of a flight fired. */
export function onTimeout(
  parts: StackParts,
  life: TcpLife,
  output: TcpOutput,
  flight: number,
): void {
  const { table, flights, counters } = parts;
  const conn = flights.conn[flight]!;
  const isConnecting = (table.flags[conn]! & FLAG.connecting) !== 0;
  counters[COUNT.timeouts]!++;
  if (flights.retries[flight] === (isConnecting ? SYN_RETRIES_MAX : RETRIES_MAX)) {
    life.release(conn, CLOSE_REASON.reset, ETIMEDOUT);
    return;
  }
  flights.retries[flight]!++;
  if (isConnecting) output.sendSyn(conn);
  else if (table.sendWindow(conn) === 0 && flights.bytes[flight]! > 0) output.probeWindow(conn);
  else {
    flights.backOff(flight);
    if (flights.retries[flight] === 1) flights.shrink(flight, true);
    flights.sent[flight] = 0;
    const isSelective = flights.sacked.boardOf[flight] !== 0;
    flights.beginRecovery(flight, isSelective ? RECOVERY.timeout : RECOVERY.none);
    flights.duplicateAcks[flight] = 0;
    flights.timedUs[flight] = 0;
    output.transmit(conn);
  }
}

/** The deadline of a connection passed: the user's, or the bound of waiting for the peer's FIN. */
export function onDeadline(parts: StackParts, life: TcpLife, conn: number): void {
  if ((parts.table.flags[conn]! & FLAG.lingering) !== 0) {
    life.release(conn, CLOSE_REASON.orderly, 0);
    return;
  }
  parts.stats[STAT.deadlines]!++;
  parts.handler.onDeadline(conn);
}

/** Nothing has come from the peer for a while: asks, or gives up. */
export function onSilence(
  parts: StackParts,
  life: TcpLife,
  output: TcpOutput,
  conn: number,
  isTooLong: boolean,
): void {
  if (isTooLong) {
    life.release(conn, CLOSE_REASON.reset, ETIMEDOUT);
    return;
  }
  parts.counters[COUNT.keepAlives]!++;
  output.sendKeepAlive(conn);
}
