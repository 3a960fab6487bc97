// What leaves: data as far as both windows allow, FIN behind it, acknowledgements, resets, and everything
// again that was not acknowledged in time (RFC 9293, 5681, 6298, 6582; no options but the segment size).
//
// After a timeout sending goes back to the first unacknowledged byte with a window of one segment ("go
// back N"): what the peer kept it acknowledges at once, so little is really sent twice.

import { REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { WINDOW_BYTES } from '#core/socket/stack/network-classes.ts';
import {
  PAYLOAD_START,
  type PacketHeader,
  type Segment,
  TCP_FLAG,
  writePacket,
} from '#core/socket/stack/packet.ts';
import { timeoutMs } from '#core/socket/stack/round-trip.ts';
import { sequenceAdd } from '#core/socket/stack/sequence.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import { FLAG } from '#core/socket/stack/tcp-table.ts';
import type { TimeWait } from '#core/socket/stack/time-wait.ts';

export class TcpOutput {
  readonly #parts: StackParts;
  readonly #header: PacketHeader = {
    sourceAddress: 0,
    sourcePort: 0,
    targetAddress: 0,
    targetPort: 0,
    sequence: 0,
    acknowledged: 0,
    flags: 0,
    window: 0,
  };

  constructor(parts: StackParts) {
    this.#parts = parts;
  }

  /** Sends SYN, first or again, and sets its timer. */
  sendSyn(conn: number): void {
    const { table, flights, timers, now } = this.#parts;
    const flight = flights.of(conn);
    const isFirst = flights.retries[flight] === 0;
    flights.timedUs[flight] = isFirst ? now.us : 0;
    this.#setHeader(conn, table.unacknowledged[conn]!, TCP_FLAG.syn);
    this.#header.acknowledged = 0;
    this.#send(0);
    timers.set(flight, now.us / 1000, timeoutMs(table, conn, flights.retries[flight]!));
  }

  /** Acknowledges what came, without data. */
  sendAck(conn: number): void {
    const { counters } = this.#parts;
    this.#setHeader(conn, this.#nextSequence(conn), TCP_FLAG.ack);
    this.#acknowledges(conn);
    counters[COUNT.pureAcks]!++;
    this.#send(0);
  }

  /** Tells the peer that the connection is no more. */
  sendReset(conn: number): void {
    this.#setHeader(conn, this.#nextSequence(conn), TCP_FLAG.rst | TCP_FLAG.ack);
    this.#parts.counters[COUNT.resetsSent]!++;
    this.#send(0);
  }

  /** Answers a segment that belongs to no connection (RFC 9293, 3.10.7.1). */
  replyReset(to: Segment): void {
    const { counters } = this.#parts;
    const hasAck = (to.flags & TCP_FLAG.ack) !== 0;
    const length = to.dataEnd - to.dataStart + syn(to.flags) + (to.flags & TCP_FLAG.fin);
    this.#replyTo(to);
    this.#header.sequence = hasAck ? to.acknowledged : 0;
    this.#header.acknowledged = hasAck ? 0 : sequenceAdd(to.sequence, length);
    this.#header.flags = hasAck ? TCP_FLAG.rst : TCP_FLAG.rst | TCP_FLAG.ack;
    this.#header.window = 0;
    counters[COUNT.resetsSent]!++;
    this.#send(0);
  }

  /** Acknowledges once more for a connection that is over. */
  replyTimeWait(to: Segment, timeWait: TimeWait, place: number): void {
    this.#replyTo(to);
    this.#header.sequence = timeWait.sequence(place);
    this.#header.acknowledged = timeWait.expected(place);
    this.#header.flags = TCP_FLAG.ack;
    this.#header.window = WINDOW_BYTES;
    this.#send(0);
  }

  /** Sends what both windows allow, and FIN when its turn has come. True when something left. */
  transmit(conn: number): boolean {
    const { table, flights, timers, now } = this.#parts;
    const flight = flights.of(conn);
    if (flight < 0 || (table.flags[conn]! & FLAG.open) === 0) return false;
    const { sent, sentMax, bytes } = flights;
    const endsHere = (table.flags[conn]! & FLAG.outputEnded) !== 0;
    const mss = table.remoteMss[table.remote[conn]!]!;
    const window = Math.min(table.peerWindow[conn]!, flights.congestionWindow[flight]!);
    let hasSent = false;
    for (;;) {
      const left = bytes[flight]! - sent[flight]!;
      const count = Math.min(mss, left, window - sent[flight]!);
      const withFin = endsHere && count === left;
      // FIN alone leaves whatever the window says; otherwise small pieces wait while others are out.
      const isWhole = count === mss || count === left || sent[flight] === 0;
      if (left < 0 || (left === 0 ? !withFin : count <= 0 || !isWhole)) break;
      this.#sendData(conn, flight, sent[flight]!, count, withFin);
      sent[flight]! += count + (withFin ? 1 : 0);
      if (sent[flight]! > sentMax[flight]!) sentMax[flight] = sent[flight]!;
      hasSent = true;
    }
    if (!timers.isArmed(flight) && (sentMax[flight]! > 0 || bytes[flight]! > 0)) {
      timers.set(flight, now.us / 1000, timeoutMs(table, conn, flights.retries[flight]!));
    }
    return hasSent;
  }

  /** Sends the first unacknowledged segment again. */
  retransmitFirst(conn: number): void {
    const { table, flights, timers, now } = this.#parts;
    const flight = flights.of(conn);
    const mss = table.remoteMss[table.remote[conn]!]!;
    const count = Math.min(mss, flights.bytes[flight]!, flights.sentMax[flight]!);
    const withFin =
      flights.sentMax[flight]! > flights.bytes[flight]! && count === flights.bytes[flight];
    flights.timedUs[flight] = 0;
    this.#sendData(conn, flight, 0, count, withFin);
    timers.set(flight, now.us / 1000, timeoutMs(table, conn, flights.retries[flight]!));
  }

  /** One byte beyond a closed window, so that its opening cannot be missed (RFC 9293, 3.8.6.1). */
  probeWindow(conn: number): void {
    const { table, flights, timers, counters, now } = this.#parts;
    const flight = flights.of(conn);
    counters[COUNT.windowProbes]!++;
    this.#sendData(conn, flight, 0, 1, false);
    flights.sent[flight] = 0;
    flights.sentMax[flight] = Math.max(1, flights.sentMax[flight]!);
    flights.timedUs[flight] = 0;
    timers.set(flight, now.us / 1000, timeoutMs(table, conn, flights.retries[flight]!));
  }

  #sendData(conn: number, flight: number, offset: number, count: number, withFin: boolean): void {
    const { table, flights, queue, link, stats, now, counters } = this.#parts;
    const sequence = sequenceAdd(table.unacknowledged[conn]!, offset);
    const isLast = offset + count === flights.bytes[flight];
    const flags = TCP_FLAG.ack | (isLast ? TCP_FLAG.psh : 0) | (withFin ? TCP_FLAG.fin : 0);
    if (count > 0) queue.copyOut(flight, offset, count, link.out, PAYLOAD_START);
    this.#setHeader(conn, sequence, flags);
    this.#acknowledges(conn);
    const isNew = offset >= flights.sentMax[flight]!;
    if (!isNew) counters[COUNT.retransmits]!++;
    if (isNew && flights.timedUs[flight] === 0) {
      flights.timedEnd[flight] = sequenceAdd(sequence, count + (withFin ? 1 : 0));
      flights.timedUs[flight] = now.us;
    }
    stats[STAT.sends]!++;
    this.#send(count);
  }

  #setHeader(conn: number, sequence: number, flags: number): void {
    const { table, networks } = this.#parts;
    const header = this.#header;
    const remote = table.remote[conn]!;
    header.sourceAddress = table.localAddress[conn]!;
    header.sourcePort = table.localPort[conn]!;
    header.targetAddress = table.remoteAddress[remote]!;
    header.targetPort = table.remotePort[remote]!;
    header.sequence = sequence;
    header.acknowledged = table.expected[conn]!;
    header.flags = flags;
    // Handlers get bytes at once, so what we are ready to take never fills.
    header.window = (table.flags[conn]! & FLAG.paused) === 0 ? networks.windowBytes(conn) : 0;
  }

  #replyTo(to: Segment): void {
    const header = this.#header;
    header.sourceAddress = to.targetAddress;
    header.sourcePort = to.targetPort;
    header.targetAddress = to.sourceAddress;
    header.targetPort = to.sourcePort;
  }

  /** The segment carries the acknowledgement that was owed. */
  #acknowledges(conn: number): void {
    this.#parts.table.flags[conn]! &= ~(FLAG.ackNow | FLAG.ackOwed);
  }

  /** Where a segment without data stands: behind everything that was sent. */
  #nextSequence(conn: number): number {
    const { table, flights } = this.#parts;
    const flight = flights.of(conn);
    const sent = flight < 0 ? 0 : flights.sentMax[flight]!;
    return sequenceAdd(table.unacknowledged[conn]!, sent);
  }

  #send(payloadBytes: number): void {
    const { link, counters } = this.#parts;
    counters[COUNT.packetsOut]!++;
    const length = writePacket(link.out, this.#header, payloadBytes);
    if (!link.send(length)) counters[COUNT.linkRefused]!++;
  }
}

/** SYN takes one sequence number. */
function syn(flags: number): number {
  return (flags & TCP_FLAG.syn) === 0 ? 0 : 1;
}
