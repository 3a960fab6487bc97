// The life of a connection from its first SYN to the last word about it: connect, output, half-close,
// close, abort, release. Nothing here calls a handler except `tellEnds`, which the loop calls at the end
// of a turn, so that handlers are never called from inside `send` or `close`.
//
// Closing (RFC 9293, 3.6): FIN leaves behind the output; the connection is over when our FIN is
// acknowledged and the peer's was taken, in whatever order (also both at once). No state for each of the
// orders is kept: three flags say it. TIME_WAIT is a place in time-wait.ts and no connection.

import { constants } from 'node:os';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ConnectOptions,
  LINGER_MS,
  REACTOR_STAT as STAT,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { NO_FLIGHT } from '#core/socket/stack/flights.ts';
import { IntQueue } from '#core/socket/stack/int-queue.ts';
import { sequenceAdd } from '#core/socket/stack/sequence.ts';
import { SourcePicker } from '#core/socket/stack/source-picker.ts';
import type { StackParts } from '#core/socket/stack/stack-parts.ts';
import type { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { FLAG, hashAddresses, LIST_FLAGS, MARK } from '#core/socket/stack/tcp-table.ts';

const { EADDRINUSE, EADDRNOTAVAIL, ECANCELED, EHOSTUNREACH, ENOBUFS } = constants.errno;
const CANNOT_SEND = FLAG.closing | FLAG.outputEnded | FLAG.gone;
/** Initial sequence numbers move on by one every 4 us (RFC 6528, 3). */
const SEQUENCE_STEP_US = 4;
/** After a pause in which something was dropped: so many make the peer send it again at once. */
const DUPLICATE_ACKS = 3;

export class TcpLife {
  readonly #parts: StackParts;
  readonly #settings: ReactorSettings;
  readonly #output: TcpOutput;
  readonly #sources: SourcePicker;
  /** Who is to be looked at at the end of the turn; whom only the bound of the reactor held up. */
  readonly #listed = new IntQueue();
  readonly #starved = new IntQueue();
  /** Ended connections of which the handler does not know yet: number, reason and errno. */
  readonly #ends = new IntQueue();
  readonly #endings = new IntQueue();

  constructor(parts: StackParts, settings: ReactorSettings, output: TcpOutput) {
    this.#parts = parts;
    this.#settings = settings;
    this.#output = output;
    this.#sources = new SourcePicker(parts.block, parts.table, parts.secret);
  }

  /** Starts a connection; -1 when there is no number left. */
  connect(options: ConnectOptions): Conn {
    const { table, stats } = this.#parts;
    const conn = table.take();
    if (conn === -1) {
      stats[STAT.connectRefused]!++;
      return -1;
    }
    stats[STAT.connections]!++;
    table.flags[conn]! |= FLAG.connecting;
    const errno = this.#start(conn, options);
    if (errno !== 0) {
      table.flags[conn]! |= FLAG.gone;
      this.#end(conn, CLOSE_REASON.reset, errno);
    }
    return conn;
  }

  /** Queues a copy; false when a bound refuses it. */
  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const { table, flights, queue, stats } = this.#parts;
    if ((table.flags[conn]! & CANNOT_SEND) !== 0) return false;
    const count = end - start;
    if (count === 0) return true;
    const { outputBytesMax, outputBytesTotalMax } = this.#settings;
    const fits =
      this.outputBytes(conn) + count <= outputBytesMax &&
      stats[STAT.outputBytes]! + count <= outputBytesTotalMax &&
      queue.append(flights.borrow(conn), bytes, start, end);
    if (!fits) {
      this.#refuse(conn);
      return false;
    }
    stats[STAT.outputBytes]! += count;
    this.#leave(conn);
    return true;
  }

  outputBytes(conn: Conn): number {
    const { flights } = this.#parts;
    const flight = flights.of(conn);
    return flight === NO_FLIGHT ? 0 : flights.bytes[flight]!;
  }

  pauseReceive(conn: Conn): void {
    const { flags } = this.#parts.table;
    if ((flags[conn]! & (FLAG.closing | FLAG.gone)) === 0) flags[conn]! |= FLAG.paused;
  }

  /** Opens the window again; what was dropped meanwhile is asked for. */
  resumeReceive(conn: Conn): void {
    const { flags, marks } = this.#parts.table;
    const before = flags[conn]!;
    if ((before & FLAG.paused) === 0) return;
    flags[conn] = before & ~(FLAG.paused | FLAG.heldOff);
    if ((before & (FLAG.open | FLAG.gone)) !== FLAG.open) return;
    if ((marks[conn]! & (MARK.kept | MARK.resumed)) === MARK.kept) {
      marks[conn]! |= MARK.resumed;
      this.#parts.resumed.push(conn);
    }
    this.#output.sendAck(conn);
    const again = (before & FLAG.heldOff) === 0 ? 0 : DUPLICATE_ACKS;
    for (let sent = 0; sent < again; sent++) this.#output.sendAck(conn);
  }

  /** FIN after what is queued. */
  endOutput(conn: Conn): void {
    const { table, flights } = this.#parts;
    if ((table.flags[conn]! & (FLAG.outputEnded | FLAG.gone)) !== 0) return;
    table.flags[conn]! |= FLAG.outputEnded;
    flights.borrow(conn);
    this.#leave(conn);
  }

  close(conn: Conn): void {
    const { table } = this.#parts;
    const flags = table.flags[conn]!;
    if ((flags & (FLAG.closing | FLAG.gone)) !== 0) return;
    if ((flags & FLAG.open) === 0) {
      this.release(conn, CLOSE_REASON.aborted, 0);
      return;
    }
    table.flags[conn] = flags | FLAG.closing;
    // Goes on reading (and dropping), so that a peer that sends first and reads later gets our output.
    this.resumeReceive(conn);
    if ((flags & FLAG.finAcked) !== 0) this.outputIsOver(conn);
    else this.endOutput(conn);
  }

  /** Our FIN was acknowledged. */
  outputIsOver(conn: Conn): void {
    const { table, deadlines, now } = this.#parts;
    const flags = table.flags[conn]!;
    table.flags[conn] = flags | FLAG.finAcked;
    if ((flags & FLAG.peerEnded) !== 0) {
      this.release(conn, CLOSE_REASON.orderly, 0);
    } else if ((flags & FLAG.closing) !== 0) {
      table.flags[conn]! |= FLAG.lingering;
      deadlines.set(conn, now.us / 1000, LINGER_MS);
    }
  }

  /** Forgets the connection at once; for `aborted` and `stopped` with RST. */
  release(conn: Conn, reason: CloseReason, errno: number): void {
    const { table, deadlines, kept } = this.#parts;
    const flags = table.flags[conn]!;
    if ((flags & FLAG.gone) !== 0) return;
    if ((flags & FLAG.open) !== 0) {
      const isOurs = reason === CLOSE_REASON.aborted || reason === CLOSE_REASON.stopped;
      const isOrderly = reason === CLOSE_REASON.orderly;
      if (isOurs) this.#output.sendReset(conn);
      // A peer that has reset the connection would answer with another reset.
      else if (isOrderly && (flags & (FLAG.ackNow | FLAG.ackOwed)) !== 0)
        this.#output.sendAck(conn);
      if (isOrderly && (flags & FLAG.peerEnded) !== 0) this.#remember(conn);
    }
    table.flags[conn]! |= FLAG.gone;
    kept.forget(conn);
    this.#dropFlight(conn);
    deadlines.clear(conn);
    table.unlink(conn);
    this.#end(conn, reason, errno);
  }

  /** Puts a connection on the list for the end of the turn. */
  list(conn: Conn): void {
    const { flags } = this.#parts.table;
    if ((flags[conn]! & FLAG.listed) !== 0) return;
    flags[conn]! |= FLAG.listed;
    this.#listed.push(conn);
  }

  /** Sends for everybody who is listed: data, else the acknowledgement that is due. */
  flush(): void {
    const { flags } = this.#parts.table;
    for (let left = this.#listed.length; left > 0; left--) {
      const conn = this.#listed.shift();
      flags[conn]! &= ~FLAG.listed;
      if ((flags[conn]! & (FLAG.open | FLAG.gone)) !== FLAG.open) continue;
      this.#output.transmit(conn);
      if ((flags[conn]! & FLAG.ackNow) !== 0) this.#output.sendAck(conn);
    }
  }

  /** Gives a flight back that nobody needs any more. */
  settleFlight(conn: Conn): void {
    const { table, flights, timers } = this.#parts;
    const flight = flights.of(conn);
    if (flight === NO_FLIGHT) return;
    const owesFin = (table.flags[conn]! & (FLAG.outputEnded | FLAG.finAcked)) === FLAG.outputEnded;
    if (flights.bytes[flight] !== 0 || flights.sentMax[flight] !== 0 || owesFin) return;
    timers.clear(flight);
    flights.giveBack(flight);
  }

  /** Tells a refused sender that its output is empty, once. */
  drained(conn: Conn): void {
    const { table, handler } = this.#parts;
    if ((table.flags[conn]! & FLAG.owesDrain) === 0 || this.outputBytes(conn) !== 0) return;
    table.flags[conn]! &= ~FLAG.owesDrain;
    const canSend = (table.flags[conn]! & (CANNOT_SEND | FLAG.open)) === FLAG.open;
    if (canSend) handler.onDrain(conn);
  }

  /** Tells those whom only the bound of the reactor held up, while one full output fits again. */
  feedStarved(): void {
    const { outputBytesMax, outputBytesTotalMax } = this.#settings;
    const { table, stats } = this.#parts;
    for (let left = this.#starved.length; left > 0; left--) {
      if (stats[STAT.outputBytes]! + outputBytesMax > outputBytesTotalMax) return;
      const conn = this.#starved.shift();
      table.flags[conn]! &= ~FLAG.starved;
      if ((table.flags[conn]! & FLAG.gone) === 0) this.drained(conn);
    }
  }

  /** Tells the handler of every end since the last call. */
  tellEnds(): void {
    const { table, stats, handler } = this.#parts;
    while (this.#ends.length > 0) {
      const conn = this.#ends.shift();
      const ending = this.#endings.shift();
      const reason = (ending & 0xff) as CloseReason;
      const errno = ending >>> 8;
      const wasOpen = (table.flags[conn]! & FLAG.open) !== 0;
      table.flags[conn]! &= LIST_FLAGS;
      stats[STAT.connections]!--;
      if (wasOpen) {
        stats[STAT.closed]!++;
        if (reason === CLOSE_REASON.reset) stats[STAT.resets]!++;
        handler.onClose(conn, reason, errno);
      } else {
        handler.onConnect(conn, errno === 0 ? ECANCELED : errno);
      }
      table.give(conn);
    }
  }

  /** Microseconds until somebody has to be told something; 0 or Infinity. */
  get waitUs(): number {
    const waiting = this.#ends.length + this.#listed.length + this.#parts.resumed.length;
    return waiting > 0 ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Sends the first SYN; returns an errno when it cannot. */
  #start(conn: Conn, options: ConnectOptions): number {
    const { table, flights, link, networks, now, secret } = this.#parts;
    const { remoteAddress, remotePort } = options;
    const isKnown = table.knownRemote(remoteAddress, remotePort) !== -1;
    if (!isKnown && !link.reaches(remoteAddress)) return EHOSTUNREACH;
    const remote = table.remoteIndex(remoteAddress, remotePort);
    if (remote === -1) return ENOBUFS;
    const { localAddress = 0, localPort = 0 } = options;
    if (localAddress !== 0 && !this.#sources.isOurs(localAddress)) return EADDRNOTAVAIL;
    const source = this.#sources.pick(localAddress, localPort, remote);
    if (source === undefined) return localPort === 0 ? EADDRNOTAVAIL : EADDRINUSE;
    const { address, port } = source;
    const hash = hashAddresses(address, port, remote, 0);
    const place = this.#parts.timeWait.find(hash, address, port, remote, now.us / 1000);
    if (place !== -1) this.#parts.timeWait.forget(place);
    const clock = Math.floor(now.us / SEQUENCE_STEP_US) % 2 ** 32;
    const first = sequenceAdd(hashAddresses(address, port, remote, secret), clock);
    table.unacknowledged[conn] = first;
    table.expected[conn] = 0;
    table.peerWindow[conn] = 0;
    table.link(conn, address, port, remote);
    networks.join(conn, options.network ?? 0);
    flights.borrow(conn);
    this.#output.sendSyn(conn);
    return 0;
  }

  /** Output is there: it leaves at once, or at the end of the turn. */
  #leave(conn: Conn): void {
    if ((this.#parts.table.flags[conn]! & FLAG.open) === 0) return;
    if (this.#settings.flush === 'immediate') this.#output.transmit(conn);
    else this.list(conn);
  }

  #refuse(conn: Conn): void {
    const { table, stats } = this.#parts;
    stats[STAT.sendRefused]!++;
    table.flags[conn]! |= FLAG.owesDrain;
    if (this.outputBytes(conn) !== 0) return;
    if ((table.flags[conn]! & FLAG.open) !== 0) this.settleFlight(conn);
    if ((table.flags[conn]! & FLAG.starved) !== 0) return;
    table.flags[conn]! |= FLAG.starved;
    this.#starved.push(conn);
  }

  #dropFlight(conn: Conn): void {
    const { flights, queue, timers, stats } = this.#parts;
    const flight = flights.of(conn);
    if (flight === NO_FLIGHT) return;
    stats[STAT.outputBytes]! -= flights.bytes[flight]!;
    queue.consume(flight, flights.bytes[flight]!);
    timers.clear(flight);
    flights.giveBack(flight);
  }

  /** Its last segments may come again. */
  #remember(conn: Conn): void {
    const { table, timeWait, now } = this.#parts;
    const address = table.localAddress(conn);
    const port = table.localPort[conn]!;
    const remote = table.remote[conn]!;
    const answer = {
      sequence: table.unacknowledged[conn]!,
      expected: table.expected[conn]!,
      timestamp:
        (table.marks[conn]! & MARK.timestamps) === 0 ? undefined : table.peerTimestamp[conn],
    };
    const hash = hashAddresses(address, port, remote, 0);
    timeWait.add(hash, address, port, remote, answer, now.us / 1000);
  }

  #end(conn: Conn, reason: CloseReason, errno: number): void {
    this.#ends.push(conn);
    this.#endings.push((errno << 8) | reason);
  }
}
