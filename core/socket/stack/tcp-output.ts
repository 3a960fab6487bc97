// What leaves: data as far as both windows allow, FIN behind it, acknowledgements, resets, and everything
// again that was not acknowledged in time (RFC 9293, 5681, 6298, 6582). What a peer has reported behind a gap is
// sent-gaps.ts.
//
// After a timeout sending goes back to the first unacknowledged byte with a window of one segment ("go
// back N"): what the peer kept it acknowledges at once, so little is really sent twice.

import { REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { WINDOW_BYTES } from '#core/socket/stack/network-classes.ts';
import {
  type PacketHeader,
  payloadStart,
  SEGMENT_BYTES_MAX,
  type Segment,
  TCP_FLAG,
  writePacket,
} from '#core/socket/stack/packet.ts';
import { timeoutMs } from '#core/socket/stack/round-trip.ts';
import { transmitGaps } from '#core/socket/stack/sent-gaps.ts';
import { sequenceAdd, sequenceDistance } from '#core/socket/stack/sequence.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import { SACK_BLOCKS_MAX, TcpOptions, WINDOW_FIELD_MAX } from '#core/socket/stack/tcp-options.ts';
import { FLAG, MARK } from '#core/socket/stack/tcp-table.ts';
import type { TimeWait } from '#core/socket/stack/time-wait.ts';

const US_PER_MS = 1000;

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
    options: new TcpOptions(),
  };

  constructor(parts: StackParts) {
    this.#parts = parts;
  }

  /**
   * Sends SYN with what we offer, first or again, and sets its timer; when the peer's own SYN was taken, with its
   * acknowledgement and what both sides offered.
   */
  sendSyn(conn: number): void {
    const { table, flights, timers, now, networks, tcp } = this.#parts;
    const flight = flights.of(conn);
    const isFirst = flights.retries[flight] === 0;
    flights.timedUs[flight] = isFirst ? now.us : 0;
    const marks = table.marks[conn]!;
    const isAnswer = (table.flags[conn]! & FLAG.synTaken) !== 0;
    this.#setHeader(
      conn,
      table.unacknowledged[conn]!,
      TCP_FLAG.syn | (isAnswer ? TCP_FLAG.ack : 0),
    );
    const header = this.#header;
    const { options } = header;
    if (!isAnswer) header.acknowledged = 0;
    // The window of a SYN is not shifted (RFC 7323, 2.2).
    header.window = Math.min(WINDOW_FIELD_MAX, networks.windowBytes(conn));
    options.mss = SEGMENT_BYTES_MAX;
    options.isSackPermitted = isAnswer ? (marks & MARK.sack) !== 0 : tcp.sack;
    const isScaled = isAnswer ? table.isScaled(conn) : tcp.scaling;
    if (isScaled) options.windowShift = networks.windowShift(conn);
    const isStamped = isAnswer ? (marks & MARK.timestamps) !== 0 : tcp.timestamps;
    if (isStamped) this.#stamp(isAnswer ? table.peerTimestamp[conn]! : 0);
    this.#send(0);
    timers.set(flight, now.us / US_PER_MS, timeoutMs(flights, flight));
  }

  /** Acknowledges what came, without data. */
  sendAck(conn: number): void {
    this.#setHeader(conn, this.#nextSequence(conn), TCP_FLAG.ack);
    if ((this.#parts.table.marks[conn]! & MARK.kept) !== 0) this.#report(conn, 0);
    this.#sendPureAck(conn);
  }

  /** Acknowledges at once what came behind a gap: `latest` is a sequence number of it. */
  sendGapAck(conn: number, latest: number): void {
    this.#setHeader(conn, this.#nextSequence(conn), TCP_FLAG.ack);
    this.#report(conn, latest);
    this.#sendPureAck(conn);
  }

  /** Says that [start, end) came twice: the peer then knows that it sent again in vain (RFC 2883). */
  sendDuplicateAck(conn: number, start: number, end: number): void {
    this.#setHeader(conn, this.#nextSequence(conn), TCP_FLAG.ack);
    if ((this.#parts.table.marks[conn]! & MARK.sack) !== 0) {
      this.#header.options.addSack(start, end);
      this.#report(conn, 0);
    }
    this.#sendPureAck(conn);
  }

  /** Asks whether the peer is there: an acknowledgement one number back, which it has to answer. */
  sendKeepAlive(conn: number): void {
    this.#setHeader(conn, sequenceAdd(this.#nextSequence(conn), -1), TCP_FLAG.ack);
    this.#sendPureAck(conn);
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
    this.#header.options.clear();
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
    this.#header.options.clear();
    this.#replyTo(to);
    this.#header.sequence = timeWait.sequence(place);
    this.#header.acknowledged = timeWait.expected(place);
    this.#header.flags = TCP_FLAG.ack;
    this.#header.window = WINDOW_BYTES;
    if (timeWait.hasTimestamp(place)) this.#stamp(timeWait.timestamp(place));
    this.#send(0);
  }

  /** Sends what both windows allow, and FIN when its turn has come. True when something left. */
  transmit(conn: number): boolean {
    const { table, flights, timers, now } = this.#parts;
    const flight = flights.of(conn);
    if (flight < 0 || (table.flags[conn]! & FLAG.open) === 0) return false;
    if (flights.sacked.boardOf[flight] !== 0) return transmitGaps(this.#parts, this, conn, flight);
    const { sent, sentMax, bytes } = flights;
    const endsHere = (table.flags[conn]! & FLAG.outputEnded) !== 0;
    const mss = table.segmentBytes(conn);
    const window = Math.min(table.sendWindow(conn), flights.congestionWindow[flight]!);
    let hasSent = false;
    for (;;) {
      const left = bytes[flight]! - sent[flight]!;
      const count = Math.min(mss, left, window - sent[flight]!);
      const withFin = endsHere && count === left;
      // FIN alone leaves whatever the window says; otherwise small pieces wait while others are out.
      const isWhole = count === mss || count === left || sent[flight] === 0;
      if (left < 0 || (left === 0 ? !withFin : count <= 0 || !isWhole)) break;
      this.sendNext(conn, flight, count, withFin);
      hasSent = true;
    }
    if (!timers.isArmed(flight) && (sentMax[flight]! > 0 || bytes[flight]! > 0)) {
      timers.set(flight, now.us / 1000, timeoutMs(flights, flight));
    }
    return hasSent;
  }

  /** Sends the first unacknowledged segment again, as far as the peer lacks it. */
  retransmitFirst(conn: number): void {
    const { table, flights, timers, now } = this.#parts;
    const flight = flights.of(conn);
    const gap = flights.sacked.arrivedFrom(flight, table.unacknowledged[conn]!, 0);
    const mss = Math.min(table.segmentBytes(conn), gap);
    const count = Math.min(mss, flights.bytes[flight]!, flights.sentMax[flight]!);
    const withFin =
      flights.sentMax[flight]! > flights.bytes[flight]! && count === flights.bytes[flight];
    this.sendAgain(conn, flight, 0, count, withFin);
    if (gap < Number.POSITIVE_INFINITY) flights.filled[flight] = count;
    timers.set(flight, now.us / 1000, timeoutMs(flights, flight));
  }

  /** One byte beyond a closed window, so that its opening cannot be missed (RFC 9293, 3.8.6.1). */
  probeWindow(conn: number): void {
    const { flights, timers, counters, now } = this.#parts;
    const flight = flights.of(conn);
    counters[COUNT.windowProbes]!++;
    this.sendAgain(conn, flight, 0, 1, false);
    flights.sent[flight] = 0;
    flights.sentMax[flight] = Math.max(1, flights.sentMax[flight]!);
    timers.set(flight, now.us / 1000, timeoutMs(flights, flight));
  }

  /** Sends `count` bytes from where sending stands, and moves on. */
  sendNext(conn: number, flight: number, count: number, withFin: boolean): void {
    const { sent, sentMax } = this.#parts.flights;
    this.#sendData(conn, flight, sent[flight]!, count, withFin);
    sent[flight]! += count + (withFin ? 1 : 0);
    if (sent[flight]! > sentMax[flight]!) sentMax[flight] = sent[flight]!;
  }

  /**
   * Sends `count` bytes from `offset` on that were sent before; their round trip tells nothing, nor that of what
   * follows them, unless the peer reports it for itself.
   */
  sendAgain(conn: number, flight: number, offset: number, count: number, withFin: boolean): void {
    const { table, flights } = this.#parts;
    this.#sendData(conn, flight, offset, count, withFin);
    const timedEnd = sequenceDistance(flights.timedEnd[flight]!, table.unacknowledged[conn]!);
    const isBehind = flights.sacked.boardOf[flight] !== 0 && timedEnd > offset + count + 1;
    if (!isBehind) flights.timedUs[flight] = -this.#parts.now.us;
  }

  #sendData(conn: number, flight: number, offset: number, count: number, withFin: boolean): void {
    const { table, flights, queue, link, stats, now, counters } = this.#parts;
    const sequence = sequenceAdd(table.unacknowledged[conn]!, offset);
    const isLast = offset + count === flights.bytes[flight];
    const flags = TCP_FLAG.ack | (isLast ? TCP_FLAG.psh : 0) | (withFin ? TCP_FLAG.fin : 0);
    this.#setHeader(conn, sequence, flags);
    if (count > 0) {
      queue.copyOut(flight, offset, count, link.out, payloadStart(this.#header.options));
    }
    this.#acknowledges(conn);
    const isNew = offset >= flights.sentMax[flight]!;
    if (!isNew) counters[COUNT.retransmits]!++;
    if (flights.timedUs[flight]! <= 0) {
      flights.timedEnd[flight] = sequenceAdd(sequence, count + (withFin ? 1 : 0));
      flights.timedUs[flight] = isNew ? now.us : -now.us;
    }
    stats[STAT.sends]!++;
    this.#send(count);
  }

  #setHeader(conn: number, sequence: number, flags: number): void {
    const { table, networks } = this.#parts;
    const header = this.#header;
    const remote = table.remote[conn]!;
    header.sourceAddress = table.localAddress(conn);
    header.sourcePort = table.localPort[conn]!;
    header.targetAddress = table.remoteAddress[remote]!;
    header.targetPort = table.remotePort[remote]!;
    header.sequence = sequence;
    header.acknowledged = table.expected[conn]!;
    header.flags = flags;
    header.options.clear();
    const isStamped = (table.marks[conn]! & MARK.timestamps) !== 0;
    if (isStamped && (flags & (TCP_FLAG.rst | TCP_FLAG.syn)) === 0) {
      this.#stamp(table.peerTimestamp[conn]!);
    }
    // Handlers get bytes at once, so what we are ready to take never fills.
    if ((table.flags[conn]! & FLAG.paused) !== 0) header.window = 0;
    else if (!table.isScaled(conn)) {
      header.window = Math.min(WINDOW_FIELD_MAX, networks.windowBytes(conn));
    } else header.window = networks.windowBytes(conn) >>> networks.windowShift(conn);
  }

  /** Our time in ms, and the peer's latest. */
  #stamp(theirs: number): void {
    const { options } = this.#header;
    options.hasTimestamp = true;
    options.timestamp = this.timestamp(this.#parts.now.us);
    options.timestampEcho = theirs;
  }

  /** Our clock of timestamps: ms, from a number that nobody knows (RFC 7323, 5.4 and 7.1). */
  timestamp(us: number): number {
    return (Math.floor(us / US_PER_MS) + this.#parts.secret) >>> 0;
  }

  /** Adds what lies beyond a gap. */
  #report(conn: number, latest: number): void {
    const { table, kept } = this.#parts;
    if ((table.marks[conn]! & MARK.sack) === 0) return;
    const { options } = this.#header;
    kept.report(conn, latest, options, SACK_BLOCKS_MAX - (options.hasTimestamp ? 1 : 0));
  }

  #sendPureAck(conn: number): void {
    this.#acknowledges(conn);
    this.#parts.counters[COUNT.pureAcks]!++;
    this.#send(0);
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
