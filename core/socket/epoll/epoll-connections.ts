// The life of a connection in engine epoll: events, reading, half-close, close, reset, release. User calls
// act on the socket at once but only list what must be told, so handlers are never called from inside
// `send` or `close`; `tend` tells it, in the next turn.
//
// Edge-triggered: an event comes once for what is new. So a read goes on until the socket is empty: a short
// read proves that too, unless an event told of the end of input or an error behind it. One connection is
// read for a while only, then it goes to the end of the list.

import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { EpollOutput } from '#core/socket/epoll/epoll-output.ts';
import { EPOLL } from '#core/socket/epoll/epoll-set.ts';
import type { EpollSockets } from '#core/socket/epoll/epoll-sockets.ts';
import { type EpollTable, FLAG } from '#core/socket/epoll/epoll-table.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ConnectOptions,
  LINGER_MS,
  REACTOR_STAT as STAT,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import { EAGAIN, ECANCELED, ECONNRESET, EINTR, SHUT_WR } from '#core/socket/ring/uapi.ts';
import type { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

/** Receives of one connection before others have their turn. */
const READS_MAX = 16;
const NO_FD = -1;

export interface EpollParts {
  libc: Libc;
  calls: EpollCalls;
  settings: ReactorSettings;
  table: EpollTable;
  sockets: EpollSockets;
  wheel: TimerWheel;
  stats: Float64Array;
}

export class EpollConnections {
  readonly output: EpollOutput;
  readonly #calls: EpollCalls;
  readonly #settings: ReactorSettings;
  readonly #table: EpollTable;
  readonly #sockets: EpollSockets;
  readonly #wheel: TimerWheel;
  readonly #stats: Float64Array;
  readonly #memory: Mapping;
  readonly #bytes: Uint8Array;

  constructor({ libc, calls, settings, table, sockets, wheel, stats }: EpollParts) {
    this.#calls = calls;
    this.#settings = settings;
    this.#table = table;
    this.#sockets = sockets;
    this.#wheel = wheel;
    this.#stats = stats;
    this.#memory = libc.mapMemory(settings.receiveBufferBytes);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.output = new EpollOutput(libc, calls, settings, table, stats, (conn) =>
      this.#outputIsEmpty(conn),
    );
  }

  /** Starts a connect on behalf of a number that was just taken. */
  connect(conn: Conn, options: ConnectOptions): void {
    this.#table.flags[conn] = FLAG.connecting;
    const fd = this.#sockets.connect(options, conn, this.#table.generation[conn]!);
    this.#table.fd[conn] = fd < 0 ? NO_FD : fd;
    if (fd < 0) this.release(conn, CLOSE_REASON.reset, -fd);
  }

  /** Takes an accepted descriptor over and announces it; false when it could not be watched. */
  accepted(conn: Conn, fd: number, listener: number): void {
    this.#table.fd[conn] = fd;
    this.#table.flags[conn] = FLAG.open;
    this.#stats[STAT.accepted]!++;
    const errno = -this.#sockets.watch(fd, conn, this.#table.generation[conn]!);
    this.#settings.handler.onAccept(conn, listener);
    if (errno > 0) this.release(conn, CLOSE_REASON.reset, errno);
  }

  pauseReceive(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & (FLAG.closing | FLAG.releasing)) === 0) flags[conn]! |= FLAG.paused;
  }

  resumeReceive(conn: Conn): void {
    const { flags } = this.#table;
    flags[conn]! &= ~FLAG.paused;
    const now = flags[conn]! & (FLAG.readable | FLAG.releasing);
    if (now === FLAG.readable) this.#table.listToTend(conn);
  }

  endOutput(conn: Conn): void {
    this.#table.flags[conn]! |= FLAG.outputEnded;
    if (this.output.bytes(conn) === 0) this.#outputIsEmpty(conn);
  }

  close(conn: Conn): void {
    const flags = this.#table.flags[conn]!;
    if ((flags & (FLAG.closing | FLAG.releasing)) !== 0) return;
    if ((flags & FLAG.open) === 0) {
      this.release(conn, CLOSE_REASON.aborted, 0);
      return;
    }
    this.#table.flags[conn] = flags | FLAG.closing;
    // Goes on reading (and dropping), so that a peer that sends first and reads later gets our output.
    this.resumeReceive(conn);
    if (this.output.bytes(conn) === 0) this.#outputIsEmpty(conn);
  }

  /** Lets go of the descriptor; for `aborted` and `stopped` with RST. Its end is told in the next turn. */
  release(conn: Conn, reason: CloseReason, errno: number): void {
    const { flags, fd } = this.#table;
    if ((flags[conn]! & FLAG.releasing) !== 0) return;
    const withReset = reason === CLOSE_REASON.aborted || reason === CLOSE_REASON.stopped;
    flags[conn]! |= FLAG.releasing;
    this.#table.reason[conn] = reason;
    this.#table.errno[conn] = errno;
    this.#wheel.clear(conn);
    this.output.drop(conn);
    if (fd[conn] !== NO_FD) {
      this.#sockets.close(fd[conn]!, withReset && (flags[conn]! & FLAG.open) !== 0);
      fd[conn] = NO_FD;
    }
    this.#table.listToTend(conn);
  }

  onEvent(conn: Conn, generation: number, events: number): void {
    const { flags } = this.#table;
    if (this.#table.generation[conn] !== generation) return;
    if ((flags[conn]! & FLAG.connecting) !== 0 && !this.#connected(conn)) return;
    if ((flags[conn]! & FLAG.releasing) !== 0) return;
    this.#note(conn, events);
    if ((events & EPOLL.out) !== 0 && (flags[conn]! & FLAG.blocked) !== 0) {
      this.output.unblocked(conn);
    }
    if ((events & ~EPOLL.out) !== 0) this.#read(conn);
  }

  /** Tells what user calls and the flush left to be told. */
  tend(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.#settle(conn);
      return;
    }
    if ((flags[conn]! & FLAG.failed) !== 0) {
      this.release(conn, CLOSE_REASON.reset, this.#table.errno[conn]!);
      return;
    }
    // Who waits for the bound of the whole reactor is told when that has room.
    const isStarved = (flags[conn]! & FLAG.listedStarved) !== 0;
    if (!isStarved && this.output.takeDrain(conn)) this.#settings.handler.onDrain(conn);
    if ((flags[conn]! & FLAG.readable) !== 0) this.#read(conn);
  }

  onDeadline(conn: Conn): void {
    if ((this.#table.flags[conn]! & FLAG.lingering) !== 0) {
      this.release(conn, CLOSE_REASON.orderly, 0);
    } else {
      this.#stats[STAT.deadlines]!++;
      this.#settings.handler.onDeadline(conn);
    }
  }

  /** Ends memory, and the sockets that a handler that threw has left. */
  closeAll(): void {
    const { flags, fd, end } = this.#table;
    for (let conn = 0; conn < end; conn++) {
      if (flags[conn] !== 0 && fd[conn] !== NO_FD) this.#sockets.close(fd[conn]!, true);
    }
    flags.fill(0);
    this.output.close();
    this.#memory.unmap();
  }

  /** A connect has ended; true when the connection stands. */
  #connected(conn: Conn): boolean {
    const { flags, fd } = this.#table;
    if ((flags[conn]! & FLAG.releasing) !== 0) return false;
    const errno = this.#sockets.takeError(fd[conn]!);
    if (errno !== 0) {
      this.release(conn, CLOSE_REASON.reset, errno);
      return false;
    }
    flags[conn] = (flags[conn]! & ~FLAG.connecting) | FLAG.open;
    this.#stats[STAT.connected]!++;
    if (this.output.bytes(conn) > 0) this.output.schedule(conn);
    else this.#outputIsEmpty(conn);
    this.#settings.handler.onConnect(conn, 0);
    return true;
  }

  /** Keeps what an event says beyond "look": the end of input, an error, a reset. */
  #note(conn: Conn, events: number): void {
    const { flags } = this.#table;
    const ends = EPOLL.error | EPOLL.hangUp | EPOLL.readHangUp;
    if ((events & ends) === 0) return;
    flags[conn]! |= FLAG.hung;
    const isOurEnd = (flags[conn]! & (FLAG.outputEnded | FLAG.closing)) !== 0;
    if ((events & EPOLL.error) !== 0) flags[conn]! |= FLAG.broken;
    // Both directions down while our FIN has not been asked for: a reset whose errno a send has taken.
    else if ((events & EPOLL.hangUp) !== 0 && !isOurEnd) flags[conn]! |= FLAG.broken;
  }

  #read(conn: Conn): void {
    const { flags } = this.#table;
    const { receiveBufferBytes } = this.#settings;
    for (let reads = 0; reads < READS_MAX; reads++) {
      const now = flags[conn]!;
      // A send that failed has taken the errno: a receive would now take the reset for a FIN. `tend` releases it.
      if ((now & (FLAG.releasing | FLAG.failed)) !== 0) return;
      if ((now & FLAG.ended) !== 0) {
        if ((now & FLAG.broken) !== 0) this.release(conn, CLOSE_REASON.reset, ECONNRESET);
        return;
      }
      if ((now & (FLAG.paused | FLAG.closing)) === FLAG.paused) {
        flags[conn] = now | FLAG.readable;
        return;
      }
      this.#stats[STAT.enters]!++;
      const count = this.#calls.receive(
        this.#table.fd[conn]!,
        this.#memory.address,
        receiveBufferBytes,
      );
      if (count > 0) this.#deliver(conn, count);
      const isEmpty = count > 0 && count < receiveBufferBytes && (now & FLAG.hung) === 0;
      if (isEmpty || (count <= 0 && count !== -EINTR)) {
        flags[conn]! &= ~FLAG.readable;
        if (count <= 0) this.#readEnded(conn, count);
        return;
      }
    }
    flags[conn]! |= FLAG.readable;
    this.#table.listToTend(conn);
  }

  #deliver(conn: Conn, count: number): void {
    if ((this.#table.flags[conn]! & FLAG.closing) !== 0) return;
    this.#stats[STAT.receives]!++;
    this.#stats[STAT.rxBytes]! += count;
    this.#settings.handler.onData(conn, this.#bytes, 0, count);
  }

  #readEnded(conn: Conn, result: number): void {
    const { flags } = this.#table;
    if (result === -EAGAIN) return;
    if (result < 0) this.release(conn, CLOSE_REASON.reset, -result);
    else if ((flags[conn]! & FLAG.broken) !== 0) {
      this.release(conn, CLOSE_REASON.reset, ECONNRESET);
    } else {
      flags[conn]! |= FLAG.ended;
      if ((flags[conn]! & FLAG.closing) === 0) this.#settings.handler.onEnd(conn);
      if ((flags[conn]! & FLAG.finSent) !== 0) this.release(conn, CLOSE_REASON.orderly, 0);
    }
  }

  /** All output has left: what was waiting for that? */
  #outputIsEmpty(conn: Conn): void {
    const { flags, fd } = this.#table;
    const now = flags[conn]!;
    const isEnding = (now & (FLAG.closing | FLAG.outputEnded)) !== 0;
    const gone = FLAG.finSent | FLAG.releasing;
    if (isEnding && (now & (FLAG.open | gone)) === FLAG.open) {
      this.#stats[STAT.enters]!++;
      const errno = -this.#calls.shutdown(fd[conn]!, SHUT_WR);
      if (errno > 0) {
        flags[conn]! |= FLAG.failed;
        this.#table.errno[conn] = errno;
        this.#table.listToTend(conn);
        return;
      }
      flags[conn]! |= FLAG.finSent;
      if ((now & FLAG.ended) !== 0) this.release(conn, CLOSE_REASON.orderly, 0);
    }
    if ((now & FLAG.closing) !== 0) this.#linger(conn);
  }

  /** `close()` has nothing left to send: the peer's FIN is awaited for a while. */
  #linger(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & (FLAG.lingering | FLAG.releasing)) !== 0) return;
    flags[conn]! |= FLAG.lingering;
    this.#wheel.set(conn, systemClock.monoUs() / 1000, LINGER_MS);
  }

  /** Tells the end of a connection that is in no other list. */
  #settle(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & (FLAG.listedToFlush | FLAG.listedStarved)) !== 0) return;
    const wasOpen = (flags[conn]! & FLAG.open) !== 0;
    const reason = this.#table.reason[conn] as CloseReason;
    const errno = this.#table.errno[conn]!;
    assert(this.output.bytes(conn) === 0, 'what is released has no output');
    this.#stats[STAT.connections]!--;
    flags[conn] = 0;
    if (wasOpen) {
      if (reason === CLOSE_REASON.reset) this.#stats[STAT.resets]!++;
      this.#stats[STAT.closed]!++;
      this.#settings.handler.onClose(conn, reason, errno);
    } else {
      this.#settings.handler.onConnect(conn, errno === 0 ? ECANCELED : errno);
    }
    this.#table.give(conn);
  }
}
