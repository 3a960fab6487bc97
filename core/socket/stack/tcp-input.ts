// What arrives: finds the connection of a segment and follows RFC 9293, 3.10.7, with the sanity checks of
// RFC 5961: a reset must stand exactly at the expected byte, a SYN never ends a connection, and an
// acknowledgement of what was not sent is no acknowledgement; each is answered by one of ours, within a limit.
//
// Bytes out of order are dropped and acknowledged again at once ("go back N"), so nothing is stored here:
// handlers get the bytes where they lie in the packet.

import { constants } from 'node:os';
import { CLOSE_REASON, type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { NO_FLIGHT } from '#core/socket/stack/flights.ts';
import { WINDOW_BYTES } from '#core/socket/stack/network-classes.ts';
import {
  PACKET_FLAW,
  readPacket,
  SEGMENT_BYTES_MAX,
  Segment,
  TCP_FLAG,
} from '#core/socket/stack/packet.ts';
import { measured, timeoutMs } from '#core/socket/stack/round-trip.ts';
import { sequenceAdd, sequenceDistance } from '#core/socket/stack/sequence.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import type { TcpLife } from '#core/socket/stack/tcp-life.ts';
import type { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { FLAG, hashAddresses } from '#core/socket/stack/tcp-table.ts';

const { ECONNREFUSED, ECONNRESET } = constants.errno;
/** Answers to segments that prove nothing, in a second (RFC 5961, 7). */
const CHALLENGES_PER_S_MAX = 1000;
const SECOND_US = 1_000_000;
/** An acknowledgement older than any window is no late one, it is made up (RFC 5961, 5.2). */
const OLD_ACK_MAX = 65_535;
/** As many equal acknowledgements mean that a segment was lost (RFC 5681). */
const DUPLICATE_ACKS = 3;
/** A peer whose window is closed but who answers is not given up: so far its time-out may grow. */
const ANSWERED_RETRIES_MAX = 4;

export class TcpInput {
  readonly #parts: StackParts;
  readonly #life: TcpLife;
  readonly #output: TcpOutput;
  readonly #segment = new Segment();
  #challengeSecondUs = 0;
  #challenges = 0;

  constructor(parts: StackParts, life: TcpLife, output: TcpOutput) {
    this.#parts = parts;
    this.#life = life;
    this.#output = output;
  }

  /** Takes the packet of `length` bytes that the link has received. */
  take(length: number): void {
    const { link, table, counters } = this.#parts;
    const segment = this.#segment;
    counters[COUNT.packetsIn]!++;
    const flaw = readPacket(link.received, length, segment);
    if (flaw !== PACKET_FLAW.none) {
      counters[flaw === PACKET_FLAW.notTcp ? COUNT.notTcp : COUNT.malformed]!++;
      return;
    }
    const remote = table.knownRemote(segment.sourceAddress, segment.sourcePort);
    const { targetAddress, targetPort } = segment;
    const conn = remote === -1 ? -1 : table.find(targetAddress, targetPort, remote);
    if (conn === -1) this.#stray(segment, remote);
    else if ((table.flags[conn]! & FLAG.connecting) !== 0) this.#connecting(conn, segment);
    else this.#established(conn, segment);
  }

  #stray(segment: Segment, remote: number): void {
    const { timeWait, counters, now } = this.#parts;
    if ((segment.flags & TCP_FLAG.rst) !== 0) return;
    const { targetAddress, targetPort } = segment;
    if (remote !== -1) {
      const hash = hashAddresses(targetAddress, targetPort, remote, 0);
      const place = timeWait.find(hash, targetAddress, targetPort, remote, now.us / 1000);
      if (place !== -1) {
        counters[COUNT.timeWaitAnswers]!++;
        this.#output.replyTimeWait(segment, timeWait, place);
        return;
      }
    }
    counters[COUNT.strays]!++;
    this.#output.replyReset(segment);
  }

  #connecting(conn: Conn, segment: Segment): void {
    const { table, flights, timers, stats, handler, now } = this.#parts;
    const { flags } = segment;
    const hasAck = (flags & TCP_FLAG.ack) !== 0;
    const isOurs = segment.acknowledged === sequenceAdd(table.unacknowledged[conn]!, 1);
    if (hasAck && !isOurs) {
      if ((flags & TCP_FLAG.rst) === 0) this.#output.replyReset(segment);
      return;
    }
    if ((flags & TCP_FLAG.rst) !== 0) {
      if (hasAck) this.#life.release(conn, CLOSE_REASON.reset, ECONNREFUSED);
      return;
    }
    // SYN without ACK would be an open from both sides: a client's port is no place to connect to.
    if (!hasAck || (flags & TCP_FLAG.syn) === 0) return;
    const flight = flights.of(conn);
    table.unacknowledged[conn] = segment.acknowledged;
    table.expected[conn] = sequenceAdd(segment.sequence, 1);
    table.peerWindow[conn] = segment.window;
    table.remoteMss[table.remote[conn]!] = Math.min(segment.mss, SEGMENT_BYTES_MAX);
    if (flights.timedUs[flight] !== 0) measured(table, conn, now.us - flights.timedUs[flight]!);
    timers.clear(flight);
    flights.begin(flight);
    table.flags[conn] = (table.flags[conn]! & ~FLAG.connecting) | FLAG.open | FLAG.ackNow;
    this.#life.list(conn);
    stats[STAT.connected]!++;
    handler.onConnect(conn, 0);
    this.#life.settleFlight(conn);
  }

  #established(conn: Conn, segment: Segment): void {
    const { table } = this.#parts;
    const { flags, sequence } = segment;
    if ((flags & TCP_FLAG.rst) !== 0) {
      this.#reset(conn, sequence);
      return;
    }
    if ((flags & TCP_FLAG.syn) !== 0) {
      // Most likely SYN-ACK once more, because our acknowledgement of it was lost.
      if ((flags & TCP_FLAG.ack) !== 0) this.#output.sendAck(conn);
      else this.#challenge(conn);
      return;
    }
    if ((flags & TCP_FLAG.ack) === 0) return;
    const length = segment.dataEnd - segment.dataStart + (flags & TCP_FLAG.fin);
    const ahead = sequenceDistance(sequence, table.expected[conn]!);
    if (ahead > WINDOW_BYTES || ahead + length < 0 || (length > 0 && ahead + length === 0)) {
      this.#outside(conn, ahead, length);
      return;
    }
    if (!this.#acknowledged(conn, segment, length)) return;
    const isGone = (table.flags[conn]! & FLAG.gone) !== 0;
    if (!isGone && length > 0) this.#data(conn, segment, -ahead);
  }

  #reset(conn: Conn, sequence: number): void {
    const ahead = sequenceDistance(sequence, this.#parts.table.expected[conn]!);
    if (ahead === 0) this.#life.release(conn, CLOSE_REASON.reset, ECONNRESET);
    else if (ahead > 0 && ahead < WINDOW_BYTES) this.#challenge(conn);
  }

  /** A segment of which nothing lies within the window. */
  #outside(conn: Conn, ahead: number, length: number): void {
    const { counters } = this.#parts;
    if (length > 0) counters[COUNT.duplicates]!++;
    // Without data one byte back it is a question whether we live (keep-alive); else an old word.
    if (length > 0 || ahead === -1) this.#output.sendAck(conn);
  }

  /** Takes acknowledgement and window in. False when the segment is not to be believed. */
  #acknowledged(conn: Conn, segment: Segment, length: number): boolean {
    const { table, flights } = this.#parts;
    const flight = flights.of(conn);
    const count = sequenceDistance(segment.acknowledged, table.unacknowledged[conn]!);
    const outstanding = flight === NO_FLIGHT ? 0 : flights.sentMax[flight]!;
    if (count > outstanding || count < -OLD_ACK_MAX) {
      this.#challenge(conn);
      return false;
    }
    if (count < 0) return true;
    const windowBefore = table.peerWindow[conn]!;
    table.peerWindow[conn] = segment.window;
    if (flight === NO_FLIGHT) return true;
    if (count > 0) this.#advance(conn, flight, count, segment.acknowledged);
    else if (segment.window === 0) {
      flights.retries[flight] = Math.min(flights.retries[flight]!, ANSWERED_RETRIES_MAX);
    } else if (length === 0 && segment.window === windowBefore && outstanding > 0) {
      this.#duplicate(conn, flight);
    }
    if (windowBefore === 0 && segment.window > 0) this.#windowOpened(conn);
    if (count > 0 || segment.window > windowBefore) this.#life.list(conn);
    return true;
  }

  #windowOpened(conn: Conn): void {
    const { flights, timers } = this.#parts;
    const flight = flights.of(conn);
    if (flight === NO_FLIGHT) return;
    flights.retries[flight] = 0;
    timers.clear(flight);
  }

  /** `count` more sequence numbers have arrived over there. */
  #advance(conn: Conn, flight: number, count: number, acknowledged: number): void {
    const { table, flights, queue, stats, timers, now } = this.#parts;
    const bytes = Math.min(count, flights.bytes[flight]!);
    const isFin = count > bytes;
    table.unacknowledged[conn] = acknowledged;
    queue.consume(flight, bytes);
    stats[STAT.outputBytes]! -= bytes;
    stats[STAT.txBytes]! += bytes;
    flights.sent[flight] = Math.max(0, flights.sent[flight]! - count);
    flights.sentMax[flight]! -= count;
    if (flights.timedUs[flight] !== 0) {
      if (sequenceDistance(acknowledged, flights.timedEnd[flight]!) >= 0) {
        measured(table, conn, now.us - flights.timedUs[flight]!);
        flights.timedUs[flight] = 0;
      }
    }
    flights.retries[flight] = 0;
    flights.duplicateAcks[flight] = 0;
    if (flights.sentMax[flight] === 0) timers.clear(flight);
    else timers.set(flight, now.us / 1000, timeoutMs(table, conn, 0));
    if (flights.isRecovering[flight] === 0) flights.grow(flight, count);
    else if (sequenceDistance(acknowledged, flights.recoverUntil[flight]!) >= 0) {
      flights.isRecovering[flight] = 0;
    } else if (flights.sentMax[flight]! > 0) this.#output.retransmitFirst(conn);
    if (isFin) this.#life.outputIsOver(conn);
    if ((table.flags[conn]! & FLAG.gone) !== 0) return;
    this.#life.settleFlight(conn);
    this.#life.drained(conn);
  }

  /** The peer got something, but not what it waits for. */
  #duplicate(conn: Conn, flight: number): void {
    const { flights, counters } = this.#parts;
    if (flights.isRecovering[flight] === 1) return;
    if (++flights.duplicateAcks[flight]! !== DUPLICATE_ACKS) return;
    counters[COUNT.fastRetransmits]!++;
    flights.shrink(flight, false);
    flights.beginRecovery(flight);
    this.#output.retransmitFirst(conn);
  }

  /** Data or FIN; the first `known` sequence numbers of it came before (below 0: some are missing). */
  #data(conn: Conn, segment: Segment, known: number): void {
    const { table, stats, counters, delayedAcks, handler, link, now } = this.#parts;
    if (known < 0) {
      counters[COUNT.outOfOrder]!++;
      this.#output.sendAck(conn);
      return;
    }
    const isClosing = (table.flags[conn]! & FLAG.closing) !== 0;
    if ((table.flags[conn]! & FLAG.paused) !== 0) {
      table.flags[conn]! |= FLAG.heldOff;
      this.#output.sendAck(conn);
      return;
    }
    if ((table.flags[conn]! & FLAG.peerEnded) !== 0) return;
    const start = segment.dataStart + known;
    const end = segment.dataEnd;
    const hasFin = (segment.flags & TCP_FLAG.fin) !== 0;
    if (start < end) {
      table.expected[conn] = sequenceAdd(table.expected[conn]!, end - start);
      stats[STAT.rxBytes]! += end - start;
      stats[STAT.receives]!++;
      if ((table.flags[conn]! & FLAG.ackOwed) === 0) delayedAcks.owe(conn, now.us);
      else this.#ackSoon(conn);
      if (!isClosing) handler.onData(conn, link.received, start, end);
    }
    if (hasFin) this.#fin(conn);
  }

  #fin(conn: Conn): void {
    const { table, handler } = this.#parts;
    const flags = table.flags[conn]!;
    if ((flags & FLAG.gone) !== 0) return;
    if ((flags & FLAG.paused) !== 0) {
      table.flags[conn] = flags | FLAG.heldOff;
      return;
    }
    table.expected[conn] = sequenceAdd(table.expected[conn]!, 1);
    table.flags[conn] = flags | FLAG.peerEnded;
    this.#ackSoon(conn);
    if ((flags & FLAG.closing) === 0) handler.onEnd(conn);
    const isOver = (table.flags[conn]! & (FLAG.finAcked | FLAG.gone)) === FLAG.finAcked;
    if (isOver) this.#life.release(conn, CLOSE_REASON.orderly, 0);
  }

  #ackSoon(conn: Conn): void {
    this.#parts.table.flags[conn]! |= FLAG.ackNow;
    this.#life.list(conn);
  }

  #challenge(conn: Conn): void {
    const { counters, now } = this.#parts;
    if (now.us - this.#challengeSecondUs >= SECOND_US) {
      this.#challengeSecondUs = now.us;
      this.#challenges = 0;
    }
    if (this.#challenges === CHALLENGES_PER_S_MAX) {
      counters[COUNT.challengesRefused]!++;
      return;
    }
    this.#challenges++;
    counters[COUNT.challenges]!++;
    this.#output.sendAck(conn);
  }
}
