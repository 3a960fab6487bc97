// What arrives: finds the connection of a segment and follows RFC 9293, 3.10.7, with the sanity checks of
// RFC 5961: a reset must stand exactly at the expected byte, a SYN never ends a connection, and an
// acknowledgement of what was not sent is no acknowledgement; each is answered by one of ours, within a limit.
//
// Handlers get bytes where they lie in the packet. What comes behind a gap, or while reading is paused, is kept
// (kept-segments.ts) and reported by selective acknowledgements.

import { constants } from 'node:os';
import { CLOSE_REASON, type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import { FLIGHT_BYTES_MAX, NO_FLIGHT, RECOVERY } from '#core/socket/stack/flights.ts';
import { KEEPING, type Keeping } from '#core/socket/stack/kept-segments.ts';
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
import { MSS_DEFAULT } from '#core/socket/stack/tcp-options.ts';
import type { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { FLAG, hashAddresses, MARK } from '#core/socket/stack/tcp-table.ts';

const { ECONNREFUSED, ECONNRESET } = constants.errno;
/** Answers to segments that prove nothing, in a second (RFC 5961, 7). */
const CHALLENGES_PER_S_MAX = 1000;
const SECOND_US = 1_000_000;
/** An acknowledgement older than any window is no late one, it is made up (RFC 5961, 5.2). */
const OLD_ACK_MAX = FLIGHT_BYTES_MAX;
/** A peer that wants less gets this all the same: room for options and some payload, as Linux has it. */
const MSS_MIN = 48;
/** An echo that is older is none of ours. */
const ECHO_MS_MAX = 60_000;
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
        const isEmpty =
          segment.dataStart === segment.dataEnd &&
          (segment.flags & (TCP_FLAG.syn | TCP_FLAG.fin)) === 0;
        // The other side's last word needs none of ours: both in this state would answer each other for ever.
        if (isEmpty && segment.sequence === timeWait.expected(place)) return;
        counters[COUNT.timeWaitAnswers]!++;
        this.#output.replyTimeWait(segment, timeWait, place);
        return;
      }
    }
    counters[COUNT.strays]!++;
    this.#output.replyReset(segment);
  }

  #connecting(conn: Conn, segment: Segment): void {
    const { table } = this.#parts;
    const { flags } = segment;
    const hasAck = (flags & TCP_FLAG.ack) !== 0;
    const hasSyn = (flags & TCP_FLAG.syn) !== 0;
    const hasTheirs = (table.flags[conn]! & FLAG.synTaken) !== 0;
    const isOurs = segment.acknowledged === sequenceAdd(table.unacknowledged[conn]!, 1);
    if (hasAck && !isOurs) {
      if ((flags & TCP_FLAG.rst) === 0) this.#output.replyReset(segment);
      return;
    }
    if ((flags & TCP_FLAG.rst) !== 0) {
      const isInPlace = hasTheirs && segment.sequence === table.expected[conn];
      if (hasAck || isInPlace) this.#life.release(conn, CLOSE_REASON.reset, ECONNREFUSED);
      return;
    }
    if (hasSyn) this.#agree(conn, segment);
    if (!hasAck) {
      // Both sides open at once (RFC 9293, 3.5, figure 8): our SYN again, with our acknowledgement of theirs.
      if (!hasSyn) return;
      table.flags[conn]! |= FLAG.synTaken;
      this.#output.sendSyn(conn);
    } else if (hasSyn) this.#opened(conn, segment);
    else if (hasTheirs && segment.sequence === table.expected[conn]) {
      this.#opened(conn, segment);
      if ((table.flags[conn]! & FLAG.gone) === 0) this.#established(conn, segment);
    }
  }

  /** Takes the peer's SYN in, and what it agrees to of what we offer. */
  #agree(conn: Conn, segment: Segment): void {
    const { table, tcp } = this.#parts;
    const { options } = segment;
    const mss = Math.max(MSS_MIN, options.mss === 0 ? MSS_DEFAULT : options.mss);
    table.remoteMss[table.remote[conn]!] = Math.min(mss, SEGMENT_BYTES_MAX);
    table.expected[conn] = sequenceAdd(segment.sequence, 1);
    table.peerWindow[conn] = segment.window;
    if (tcp.sack && options.isSackPermitted) table.marks[conn]! |= MARK.sack;
    if (tcp.scaling && options.windowShift >= 0) table.scale(conn, options.windowShift);
    if (tcp.timestamps && options.hasTimestamp) {
      table.marks[conn]! |= MARK.timestamps;
      table.peerTimestamp[conn] = options.timestamp;
    }
  }

  /** Our SYN was acknowledged and theirs was taken. */
  #opened(conn: Conn, segment: Segment): void {
    const { table, flights, timers, stats, handler, now, silence } = this.#parts;
    const flight = flights.of(conn);
    table.unacknowledged[conn] = segment.acknowledged;
    if (flights.timedUs[flight]! > 0) measured(flights, flight, now.us - flights.timedUs[flight]!);
    timers.clear(flight);
    flights.begin(flight);
    silence?.heard(conn);
    const before = table.flags[conn]! & ~(FLAG.connecting | FLAG.synTaken);
    table.flags[conn] = before | FLAG.open | FLAG.ackNow;
    this.#life.list(conn);
    stats[STAT.connected]!++;
    handler.onConnect(conn, 0);
    this.#life.settleFlight(conn);
  }

  #established(conn: Conn, segment: Segment): void {
    const { table, networks, silence } = this.#parts;
    const { flags, sequence } = segment;
    silence?.heard(conn);
    if ((flags & TCP_FLAG.rst) !== 0) {
      this.#reset(conn, sequence);
      return;
    }
    const hasTimestamps = (table.marks[conn]! & MARK.timestamps) !== 0;
    if (hasTimestamps && !this.#isTimely(conn, segment)) return;
    if ((flags & TCP_FLAG.syn) !== 0) {
      // Most likely SYN-ACK once more, because our acknowledgement of it was lost.
      if ((flags & TCP_FLAG.ack) !== 0) this.#output.sendAck(conn);
      else this.#challenge(conn);
      return;
    }
    if ((flags & TCP_FLAG.ack) === 0) return;
    const length = segment.dataEnd - segment.dataStart + (flags & TCP_FLAG.fin);
    const ahead = sequenceDistance(sequence, table.expected[conn]!);
    const window = networks.windowBytes(conn);
    if (ahead > window || ahead + length < 0 || (length > 0 && ahead + length === 0)) {
      this.#outside(conn, segment, ahead, length);
      return;
    }
    if (hasTimestamps && ahead <= 0) this.#noteTimestamp(conn, segment);
    if (!this.#acknowledged(conn, segment, length)) return;
    const isGone = (table.flags[conn]! & FLAG.gone) !== 0;
    if (!isGone && length > 0) this.#data(conn, segment, -ahead);
  }

  /** False for a segment of long ago, or one without the timestamp that was agreed (RFC 7323, 5.2 and 3.2). */
  #isTimely(conn: Conn, { options }: Segment): boolean {
    const { table, counters } = this.#parts;
    if (options.hasTimestamp) {
      if (sequenceDistance(options.timestamp, table.peerTimestamp[conn]!) >= 0) return true;
      this.#output.sendAck(conn);
    }
    counters[COUNT.pawsRefused]!++;
    return false;
  }

  /** What is echoed is the timestamp of the first segment that is not acknowledged yet (RFC 7323, 4.3). */
  #noteTimestamp(conn: Conn, { options }: Segment): void {
    const { flags, peerTimestamp } = this.#parts.table;
    if ((flags[conn]! & (FLAG.ackOwed | FLAG.ackNow)) === 0)
      peerTimestamp[conn] = options.timestamp;
  }

  #reset(conn: Conn, sequence: number): void {
    const { table, networks } = this.#parts;
    const ahead = sequenceDistance(sequence, table.expected[conn]!);
    if (ahead === 0) this.#life.release(conn, CLOSE_REASON.reset, ECONNRESET);
    else if (ahead > 0 && ahead < networks.windowBytes(conn)) this.#challenge(conn);
  }

  /** A segment of which nothing lies within the window. */
  #outside(conn: Conn, { sequence }: Segment, ahead: number, length: number): void {
    if (length > 0 && ahead < 0) {
      this.#parts.counters[COUNT.duplicates]!++;
      this.#output.sendDuplicateAck(conn, sequence, sequenceAdd(sequence, length));
      // Without data one byte back it is a question whether we live (keep-alive); else an old word.
    } else if (length > 0 || ahead === -1) this.#output.sendAck(conn);
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
    const isSelective = (table.marks[conn]! & MARK.sack) !== 0;
    const isNews = isSelective && segment.options.sackCount > 0 && this.#reported(conn, segment);
    if (count > 0) this.#advance(conn, flight, count, segment);
    else if (segment.window === 0) {
      flights.retries[flight] = Math.min(flights.retries[flight]!, ANSWERED_RETRIES_MAX);
    } else if (isSelective) {
      if (isNews) flights.duplicateAcks[flight]!++;
    } else if (length === 0 && segment.window === windowBefore && outstanding > 0) {
      this.#duplicate(conn, flight);
    }
    if (isNews) this.#fillGaps(conn);
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
  #advance(conn: Conn, flight: number, count: number, segment: Segment): void {
    const { table, flights, queue, stats, timers, now } = this.#parts;
    const { acknowledged } = segment;
    const bytes = Math.min(count, flights.bytes[flight]!);
    const isFin = count > bytes;
    table.unacknowledged[conn] = acknowledged;
    queue.consume(flight, bytes);
    stats[STAT.outputBytes]! -= bytes;
    stats[STAT.txBytes]! += bytes;
    flights.sent[flight] = Math.max(0, flights.sent[flight]! - count);
    flights.sentMax[flight]! -= count;
    flights.filled[flight] = Math.max(0, flights.filled[flight]! - count);
    flights.sacked.advance(flight, acknowledged);
    this.#measure(conn, flight, segment);
    flights.retries[flight] = 0;
    flights.duplicateAcks[flight] = 0;
    if (flights.sentMax[flight] === 0) timers.clear(flight);
    else timers.set(flight, now.us / 1000, timeoutMs(flights, flight));
    const recovery = flights.recovery[flight]!;
    const isRecovered = sequenceDistance(acknowledged, flights.recoverUntil[flight]!) >= 0;
    if (recovery !== RECOVERY.fast) flights.grow(flight, count);
    if (recovery !== RECOVERY.none && isRecovered) flights.recovery[flight] = RECOVERY.none;
    else if (recovery === RECOVERY.fast && flights.sentMax[flight]! > 0) {
      // Part of it: the next gap, unless it was filled already and is on its way.
      if (flights.filled[flight] === 0) this.#output.retransmitFirst(conn);
    }
    if (isFin) this.#life.outputIsOver(conn);
    if ((table.flags[conn]! & FLAG.gone) !== 0) return;
    this.#life.settleFlight(conn);
    this.#life.drained(conn);
  }

  /** One round trip: of the segment that is timed, else by what the peer echoes (also of one that was sent twice). */
  #measure(conn: Conn, flight: number, { acknowledged, options }: Segment): void {
    const { table, flights, now } = this.#parts;
    const { timedUs, timedEnd } = flights;
    if (timedUs[flight]! > 0) {
      if (sequenceDistance(acknowledged, timedEnd[flight]!) < 0) return;
      // In a recovery it may have waited over there for what was missing before it.
      if (flights.recovery[flight] === RECOVERY.none)
        measured(flights, flight, now.us - timedUs[flight]!);
      timedUs[flight] = 0;
    } else if ((table.marks[conn]! & MARK.timestamps) !== 0 && options.hasTimestamp) {
      const ms = sequenceDistance(this.#output.timestamp(now.us), options.timestampEcho);
      // An echo from before it was sent again: perhaps only its acknowledgement was lost, and then what was waited for
      // is no round trip (it would double each time).
      const again = this.#output.timestamp(-timedUs[flight]!);
      const isSince = timedUs[flight] === 0 || sequenceDistance(options.timestampEcho, again) >= 0;
      if (isSince && ms >= 0 && ms < ECHO_MS_MAX) measured(flights, flight, ms * 1000);
    }
  }

  /** The timed segment has arrived, though the ones before it have not. */
  #measureBehindGap(flight: number, start: number, end: number): void {
    const { flights, now } = this.#parts;
    const { timedUs, timedEnd } = flights;
    const isIt =
      timedUs[flight]! > 0 &&
      sequenceDistance(timedEnd[flight]!, start) > 0 &&
      sequenceDistance(timedEnd[flight]!, end) <= 0;
    if (!isIt) return;
    measured(flights, flight, now.us - timedUs[flight]!);
    timedUs[flight] = 0;
  }

  /** The peer got something, but not what it waits for. */
  #duplicate(conn: Conn, flight: number): void {
    const { flights } = this.#parts;
    if (flights.recovery[flight] !== RECOVERY.none) return;
    if (++flights.duplicateAcks[flight]! === DUPLICATE_ACKS) this.#recover(conn, flight);
  }

  #recover(conn: Conn, flight: number): void {
    const { flights, counters } = this.#parts;
    counters[COUNT.fastRetransmits]!++;
    flights.shrink(flight, false);
    flights.beginRecovery(flight, RECOVERY.fast);
    this.#output.retransmitFirst(conn);
  }

  /** Notes what the peer has beyond a gap; true when some of it was news. */
  #reported(conn: Conn, { acknowledged, options }: Segment): boolean {
    const { table, flights, counters } = this.#parts;
    const flight = flights.of(conn);
    const first = table.unacknowledged[conn]!;
    let isNews = false;
    for (let block = 0; block < options.sackCount; block++) {
      const start = options.sacks[2 * block]!;
      const end = options.sacks[2 * block + 1]!;
      if (sequenceDistance(end, acknowledged) <= 0) {
        counters[COUNT.duplicateReports]!++;
        // It was late and not lost, and so is what followed, when more is acknowledged than was sent again (RFC 5682);
        // else perhaps only the acknowledgement of it was lost.
        const isLate = sequenceDistance(acknowledged, first) > flights.sent[flight]!;
        if (isLate && flights.recovery[flight] !== RECOVERY.fast)
          flights.sent[flight] = flights.sentMax[flight]!;
      }
      const isBeyond = sequenceDistance(start, acknowledged) > 0;
      const isSent = sequenceDistance(end, first) <= flights.sentMax[flight]!;
      if (!isBeyond || !isSent || sequenceDistance(end, start) <= 0) continue;
      if (flights.sacked.add(flight, start, end)) isNews = true;
      this.#measureBehindGap(flight, start, end);
    }
    return isNews;
  }

  /** More has arrived behind a gap: enough of it means that the gap was lost (RFC 6675, 5). */
  #fillGaps(conn: Conn): void {
    const { table, flights } = this.#parts;
    const flight = flights.of(conn);
    if (flight === NO_FLIGHT || flights.sacked.boardOf[flight] === 0) return;
    if (flights.recovery[flight] === RECOVERY.none) {
      const first = table.unacknowledged[conn]!;
      const isLost =
        flights.duplicateAcks[flight]! >= DUPLICATE_ACKS ||
        flights.sacked.lostBefore(flight, first, table.segmentBytes(conn)) > 0;
      if (isLost) this.#recover(conn, flight);
    }
    this.#life.list(conn);
  }

  /** Data or FIN; the first `known` sequence numbers of it came before (below 0: some are missing). */
  #data(conn: Conn, segment: Segment, known: number): void {
    const { table, stats, counters, delayedAcks, handler, link, now, kept } = this.#parts;
    const flags = table.flags[conn]!;
    if ((flags & FLAG.peerEnded) !== 0) return;
    if (known < 0) counters[COUNT.outOfOrder]!++;
    const hasKept = (table.marks[conn]! & MARK.kept) !== 0;
    if (known < 0 || (flags & FLAG.paused) !== 0 || (hasKept && kept.ready(conn) >= 0)) {
      this.#keep(conn, segment, known);
      return;
    }
    const start = segment.dataStart + known;
    const end = segment.dataEnd;
    if (start < end) {
      table.expected[conn] = sequenceAdd(table.expected[conn]!, end - start);
      stats[STAT.rxBytes]! += end - start;
      stats[STAT.receives]!++;
      if ((flags & FLAG.ackOwed) === 0) delayedAcks.owe(conn, now.us);
      else this.#ackSoon(conn);
      if (hasKept) kept.dropBelow(conn, table.expected[conn]!);
      if ((flags & FLAG.closing) === 0) handler.onData(conn, link.received, start, end);
    }
    if (hasKept) this.#closeGap(conn);
    // The handler has ended it within its last bytes: what is kept now would stay for ever.
    const isGone = (table.flags[conn]! & FLAG.gone) !== 0;
    if (isGone || (segment.flags & TCP_FLAG.fin) === 0) return;
    if ((table.flags[conn]! & FLAG.paused) === 0) this.#fin(conn);
    // The handler has paused within its last bytes.
    else this.#store(conn, segment, table.expected[conn]!);
  }

  /** Keeps a segment for later, where there is room; else it has to come again. */
  #keep(conn: Conn, segment: Segment, known: number): void {
    const { table } = this.#parts;
    const from = sequenceAdd(segment.sequence, Math.max(0, known));
    // What is closing drops bytes anyway: only those in order are acknowledged.
    const isClosing = (table.flags[conn]! & FLAG.closing) !== 0;
    const hasRoom = !isClosing && this.#store(conn, segment, from) !== KEEPING.refused;
    if (hasRoom && known >= 0) this.#closeGap(conn);
    if ((table.flags[conn]! & FLAG.gone) === 0) this.#output.sendGapAck(conn, from);
  }

  #store(conn: Conn, segment: Segment, from: number): Keeping {
    const { table, kept, link, counters } = this.#parts;
    const keeping = kept.keep(conn, segment, link.received, from);
    if (keeping === KEEPING.kept) counters[COUNT.kept]!++;
    else if (keeping === KEEPING.known) counters[COUNT.duplicates]!++;
    else {
      counters[COUNT.keptRefused]!++;
      table.flags[conn]! |= table.flags[conn]! & FLAG.paused ? FLAG.heldOff : 0;
    }
    return keeping;
  }

  /** Takes what follows without a gap now, and gives it to the handler. */
  #closeGap(conn: Conn): void {
    const { table, kept } = this.#parts;
    if ((table.marks[conn]! & MARK.kept) === 0) return;
    const before = table.expected[conn]!;
    table.expected[conn] = kept.reach(conn, before);
    if (table.expected[conn] !== before) this.#ackSoon(conn);
    this.#giveKept(conn);
  }

  /** Gives the handler what was kept, as far as it reads and nothing is missing. */
  #giveKept(conn: Conn): void {
    const { table, kept, stats, handler } = this.#parts;
    while ((table.flags[conn]! & (FLAG.paused | FLAG.gone)) === 0) {
      const slot = kept.ready(conn);
      if (slot < 0) return;
      const start = kept.start[slot]!;
      const end = start + kept.length[slot]!;
      if (start < end) {
        stats[STAT.rxBytes]! += end - start;
        stats[STAT.receives]!++;
        const isClosing = (table.flags[conn]! & FLAG.closing) !== 0;
        if (!isClosing) handler.onData(conn, kept.memory, start, end);
        if ((table.flags[conn]! & FLAG.gone) !== 0) return;
        kept.given(slot);
        if (kept.hasFin[slot] === 1) continue;
      }
      const isEnd = kept.hasFin[slot] === 1;
      kept.removeFirst(conn);
      if (isEnd) this.#fin(conn);
    }
  }

  /** For those who read again: what came while they did not. */
  giveToResumed(): void {
    const { table, resumed } = this.#parts;
    for (let left = resumed.length; left > 0; left--) {
      const conn = resumed.shift();
      table.marks[conn]! &= ~MARK.resumed;
      if ((table.flags[conn]! & (FLAG.open | FLAG.gone)) === FLAG.open) this.#giveKept(conn);
    }
  }

  #fin(conn: Conn): void {
    const { table, handler } = this.#parts;
    const flags = table.flags[conn]!;
    // One that was kept behind a gap may come again with what was missing.
    if ((flags & (FLAG.gone | FLAG.peerEnded)) !== 0) return;
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
