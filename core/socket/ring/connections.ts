// The life of a connection in engine ring: receive, half-close, close, reset, release. Every method that
// a completion calls is named after what completed; user calls only queue requests, so handlers are never
// called from inside `send` or `close`.
//
// Reading, armed by poll: a multishot poll stays with the kernel (256 bytes there) and says that bytes
// came; then one receive after the other is asked for until the socket is empty. Armed by recv: a
// multishot receive stays and brings the bytes itself, which costs one request less per message and
// about 850 bytes more of kernel memory. The knob is live: each connection changes over at its next event.
//
// Release: requests that are armed are cancelled, the slot is closed, and when the last completion of the
// connection has come it is told to the handler and its number is free.

import { systemClock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  LINGER_MS,
  REACTOR_STAT as STAT,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { type ConnectionTable, FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { Output } from '#core/socket/ring/output.ts';
import type { ReceiveMemory } from '#core/socket/ring/receive-buffers.ts';
import {
  CQE_BUFFER,
  CQE_MORE,
  CQE_SOCK_NONEMPTY,
  EAGAIN,
  ECANCELED,
  ECONNRESET,
  EINTR,
  ENOBUFS,
  OP,
  POLL_ADD_MULTI,
  POLLERR,
  POLLHUP,
  POLLIN,
  SHUT_WR,
  SQE_CQE_SKIP_SUCCESS,
  SQE_FIXED_FILE,
} from '#core/socket/ring/uapi.ts';
import type { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

const HEAD_POLL = OP.pollAdd | (SQE_FIXED_FILE << 8);
const HEAD_SHUTDOWN = OP.shutdown | (SQE_FIXED_FILE << 8);
const HEAD_CLOSE = OP.close;
const HEAD_CANCEL = OP.asyncCancel | (SQE_CQE_SKIP_SUCCESS << 8);
/** A connect to AF_UNSPEC: tcp_disconnect, which sends RST (as closing with linger 0 would). */
const HEAD_RESET = OP.connect | ((SQE_FIXED_FILE | SQE_CQE_SKIP_SUCCESS) << 8);
const SOCKADDR_BYTES = 16;
/** Already listed, asked for, or armed so that bytes come by themselves. */
const IS_READING = FLAG.listedToReceive | FLAG.receiving | FLAG.streaming;

/** The flag that a request with this tag is in the kernel. */
const BUSY_OF: Record<number, number> = {
  [TAG.poll]: FLAG.polling,
  [TAG.stream]: FLAG.streaming,
  [TAG.send]: FLAG.sending,
  [TAG.connect]: FLAG.connectStep,
};

export class Connections {
  readonly #settings: ReactorSettings;
  readonly #table: ConnectionTable;
  readonly #lanes: Lane[];
  readonly #memory: ReceiveMemory;
  readonly #output: Output;
  readonly #wheel: TimerWheel;
  readonly #stats: Float64Array;
  /** Address of a sockaddr of family AF_UNSPEC. */
  readonly #unspecifiedAddress: number;

  constructor(parts: {
    settings: ReactorSettings;
    table: ConnectionTable;
    lanes: Lane[];
    memory: ReceiveMemory;
    output: Output;
    wheel: TimerWheel;
    stats: Float64Array;
    unspecifiedAddress: number;
  }) {
    this.#settings = parts.settings;
    this.#table = parts.table;
    this.#lanes = parts.lanes;
    this.#memory = parts.memory;
    this.#output = parts.output;
    this.#wheel = parts.wheel;
    this.#stats = parts.stats;
    this.#unspecifiedAddress = parts.unspecifiedAddress;
  }

  /** The connection is established and will be announced: arms its reading. */
  opened(conn: Conn): void {
    this.#table.flags[conn]! |= FLAG.open;
    this.#continueReading(conn, false);
    if (this.#output.bytes(conn) > 0) this.#output.schedule(conn);
    else this.#outputIsEmpty(conn);
  }

  pauseReceive(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & (FLAG.closing | FLAG.releasing)) !== 0) return;
    flags[conn]! |= FLAG.paused;
    if ((flags[conn]! & FLAG.streaming) !== 0) this.#endStream(conn);
  }

  resumeReceive(conn: Conn): void {
    const { flags } = this.#table;
    flags[conn]! &= ~FLAG.paused;
    if ((flags[conn]! & (FLAG.readable | FLAG.releasing)) === FLAG.readable) {
      this.#continueReading(conn, true);
    }
  }

  endOutput(conn: Conn): void {
    const { flags } = this.#table;
    flags[conn]! |= FLAG.outputEnded;
    if (this.#output.bytes(conn) === 0) this.#outputIsEmpty(conn);
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
    if (this.#output.bytes(conn) === 0) this.#outputIsEmpty(conn);
  }

  /** Lets go of the descriptor at once; for `aborted` and `stopped` with RST. */
  release(conn: Conn, reason: CloseReason, errno: number): void {
    const { flags } = this.#table;
    const before = flags[conn]!;
    if ((before & FLAG.releasing) !== 0) return;
    flags[conn] = before | FLAG.releasing;
    this.#table.reason[conn] = reason;
    this.#table.errno[conn] = errno;
    this.#wheel.clear(conn);
    if ((before & FLAG.sending) === 0) this.#output.drop(conn);
    // A shutdown runs in a kernel thread, which looks its slot up when it runs: were the slot given to another
    // connection by then, that one would be shut down. It is short; the slot is closed after it.
    if ((before & FLAG.shuttingDown) !== 0) return;
    if ((before & FLAG.connectStep) !== 0) this.#cancel(conn, TAG.connect);
    else if ((before & FLAG.hasSlot) !== 0) this.#closeSlot(conn);
    else this.settle(conn);
  }

  /** The network ended it. */
  fail(conn: Conn, errno: number): void {
    this.release(conn, CLOSE_REASON.reset, errno);
  }

  /** Ends a connection that is being released when nothing of it is in flight any more. */
  settle(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.releasing) === 0 || this.#table.isBusy(conn)) return;
    const wasOpen = (flags[conn]! & FLAG.open) !== 0;
    const reason = this.#table.reason[conn] as CloseReason;
    const errno = this.#table.errno[conn]!;
    this.#output.drop(conn);
    this.#lanes[this.#table.lane[conn]!]!.used--;
    this.#stats[STAT.connections]!--;
    if (reason === CLOSE_REASON.reset && wasOpen) this.#stats[STAT.resets]!++;
    flags[conn] = 0;
    if (wasOpen) {
      this.#stats[STAT.closed]!++;
      this.#settings.handler.onClose(conn, reason, errno);
    } else {
      this.#settings.handler.onConnect(conn, errno === 0 ? ECANCELED : errno);
    }
    this.#table.give(conn);
  }

  /**
   * Asks for bytes on behalf of those who are listed, `countMax` at most, as far as the kernel has buffers for them.
   * Returns how many of the requests complete as they are handed over.
   */
  pushReceives(lane: Lane, countMax: number): number {
    const { flags } = this.#table;
    let room = Math.min(countMax, lane.buffers.available - lane.receiving);
    let ready = 0;
    while (room > 0) {
      const conn = lane.takeToReceive();
      if (conn === -1) break;
      const now = flags[conn]!;
      if ((now & FLAG.releasing) !== 0) {
        this.settle(conn);
      } else if ((now & FLAG.ended) !== 0) {
        if ((now & FLAG.polling) === 0) this.#armPoll(conn);
      } else if ((now & (FLAG.paused | FLAG.closing)) === FLAG.paused) {
        flags[conn] = now | FLAG.readable;
      } else if (this.#settings.arming === 'recv') {
        flags[conn]! |= FLAG.streaming;
        lane.pushStream(conn);
        room--;
      } else {
        flags[conn]! |= FLAG.receiving;
        lane.pushReceive(conn);
        room--;
        ready++;
      }
    }
    return ready;
  }

  onPoll(conn: Conn, result: number, cqeFlags: number): void {
    const { flags } = this.#table;
    if ((cqeFlags & CQE_MORE) === 0) flags[conn]! &= ~FLAG.polling;
    const now = flags[conn]!;
    if ((now & FLAG.releasing) !== 0) {
      this.settle(conn);
    } else if (result < 0 && result !== -ECANCELED) {
      this.fail(conn, -result);
    } else if ((now & FLAG.ended) !== 0) {
      if (result > 0 && (result & POLLERR) !== 0) this.fail(conn, ECONNRESET);
      else this.#watchForReset(conn);
    } else if (result > 0) {
      // A receive that is in flight may have run before these bytes came: ask again after it.
      if ((now & FLAG.receiving) !== 0) flags[conn] = now | FLAG.readable;
      // The kernel's hint that a socket is not empty knows FIN (SOCK_DONE), but not a reset.
      if ((result & POLLERR) !== 0) flags[conn]! |= FLAG.broken;
      // Both directions down while our FIN has not been asked for: a reset whose errno a send has taken.
      else if ((result & POLLHUP) !== 0 && (now & (FLAG.outputEnded | FLAG.closing)) === 0) {
        flags[conn]! |= FLAG.broken;
      }
      this.#continueReading(conn, true);
    } else {
      this.#continueReading(conn, false);
    }
  }

  /** A completion of the multishot receive. */
  onStream(lane: Lane, conn: Conn, result: number, cqeFlags: number): void {
    const { flags } = this.#table;
    const goesOn = (cqeFlags & CQE_MORE) !== 0;
    if (!goesOn) flags[conn]! &= ~(FLAG.streaming | FLAG.streamEnding);
    if ((cqeFlags & CQE_BUFFER) !== 0) this.#deliver(lane, conn, result, cqeFlags >>> 16);
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.settle(conn);
    } else if (goesOn) {
      if (this.#settings.arming === 'poll') this.#endStream(conn);
    } else {
      this.#received(conn, result, true);
    }
  }

  /** A completion of a single receive. */
  onReceive(lane: Lane, conn: Conn, result: number, cqeFlags: number): void {
    const { flags } = this.#table;
    lane.receiving--;
    flags[conn]! &= ~FLAG.receiving;
    if ((cqeFlags & CQE_BUFFER) !== 0) this.#deliver(lane, conn, result, cqeFlags >>> 16);
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.settle(conn);
    } else {
      const hasMore =
        (cqeFlags & CQE_SOCK_NONEMPTY) !== 0 ||
        (flags[conn]! & (FLAG.readable | FLAG.broken)) !== 0;
      this.#received(conn, result, hasMore);
    }
  }

  onSend(conn: Conn, result: number): void {
    const { flags } = this.#table;
    flags[conn]! &= ~FLAG.sending;
    if (result > 0) this.#output.sent(conn, result);
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.settle(conn);
    } else if (result < 0 && result !== -EINTR && result !== -EAGAIN) {
      this.fail(conn, -result);
    } else if (this.#output.bytes(conn) > 0) {
      this.#output.schedule(conn);
    } else {
      if (this.#output.takeDrain(conn)) this.#settings.handler.onDrain(conn);
      if (this.#output.bytes(conn) === 0) this.#outputIsEmpty(conn);
    }
  }

  /** Tells a sender who was held up by the bound of the whole reactor. */
  onStarvedFed(conn: Conn): void {
    if ((this.#table.flags[conn]! & FLAG.releasing) !== 0) this.settle(conn);
    else if (this.#output.takeDrain(conn)) this.#settings.handler.onDrain(conn);
  }

  onShutdown(conn: Conn, result: number): void {
    const { flags } = this.#table;
    flags[conn]! &= ~FLAG.shuttingDown;
    if ((flags[conn]! & FLAG.releasing) !== 0) {
      this.#closeSlot(conn);
    } else if (result < 0) {
      this.fail(conn, -result);
    } else {
      flags[conn]! |= FLAG.finSent;
      if ((flags[conn]! & FLAG.ended) !== 0) this.release(conn, CLOSE_REASON.orderly, 0);
    }
  }

  onDeadline(conn: Conn): void {
    if ((this.#table.flags[conn]! & FLAG.lingering) !== 0) {
      this.release(conn, CLOSE_REASON.orderly, 0);
    } else {
      this.#stats[STAT.deadlines]!++;
      this.#settings.handler.onDeadline(conn);
    }
  }

  /**
   * A cancellation did not find its request: it has just ended, or it is between two steps (a link of a
   * chain, a multishot that requeues itself). While its last completion has not come, tries again.
   */
  onCancelFailed(conn: Conn, tag: number): void {
    if ((this.#table.flags[conn]! & BUSY_OF[tag]!) !== 0) this.#cancel(conn, tag);
  }

  onCloseSlot(conn: Conn): void {
    this.#table.flags[conn]! &= ~(FLAG.closingSlot | FLAG.hasSlot);
    this.settle(conn);
  }

  /** A connect that was given up has ended in the kernel: now its descriptor can go. */
  onConnectGivenUp(conn: Conn): void {
    if ((this.#table.flags[conn]! & FLAG.hasSlot) !== 0) this.#closeSlot(conn);
    else this.settle(conn);
  }

  #deliver(lane: Lane, conn: Conn, count: number, buffer: number): void {
    lane.buffers.available--;
    if ((this.#table.flags[conn]! & (FLAG.closing | FLAG.releasing)) === 0) {
      this.#stats[STAT.receives]!++;
      this.#stats[STAT.rxBytes]! += count;
      const start = buffer * this.#memory.strideBytes;
      this.#settings.handler.onData(conn, this.#memory.bytes, start, start + count);
    }
    lane.buffers.give(buffer);
  }

  /** What follows a receive that ended with `result`. */
  #received(conn: Conn, result: number, hasMore: boolean): void {
    if (result === 0 && (this.#table.flags[conn]! & FLAG.broken) !== 0) this.fail(conn, ECONNRESET);
    else if (result === 0) this.#endOfInput(conn);
    else if (result > 0) this.#continueReading(conn, hasMore);
    else if (result === -ENOBUFS) {
      this.#stats[STAT.buffersExhausted]!++;
      this.#continueReading(conn, true);
    } else if (result === -EAGAIN) this.#continueReading(conn, hasMore);
    else if (result === -EINTR || result === -ECANCELED) this.#continueReading(conn, true);
    else this.fail(conn, -result);
  }

  /**
   * Arms reading; `hasMore` = bytes (or FIN) may be there that no event will tell of. A poll that ended is
   * armed again only when the socket was read empty: with bytes in it, it would fire at once, and with a full
   * completion queue end again at once, for ever.
   */
  #continueReading(conn: Conn, hasMore: boolean): void {
    const { flags } = this.#table;
    const now = flags[conn]!;
    if ((now & FLAG.ended) !== 0) return;
    const byStream = this.#settings.arming === 'recv';
    if (byStream && (now & FLAG.polling) !== 0) this.#cancel(conn, TAG.poll);
    else if (!byStream && !hasMore && (now & (FLAG.polling | FLAG.streaming)) === 0) {
      this.#armPoll(conn);
    }
    if ((now & IS_READING) !== 0 || !(hasMore || byStream)) return;
    if ((now & FLAG.paused) !== 0 && (now & FLAG.closing) === 0) {
      flags[conn]! |= FLAG.readable;
      return;
    }
    flags[conn]! &= ~FLAG.readable;
    this.#lanes[this.#table.lane[conn]!]!.listToReceive(conn);
  }

  #endOfInput(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.ended) !== 0) return;
    flags[conn] = (flags[conn]! | FLAG.ended) & ~FLAG.readable;
    this.#watchForReset(conn);
    if ((flags[conn]! & FLAG.closing) === 0) this.#settings.handler.onEnd(conn);
    if ((flags[conn]! & FLAG.finSent) !== 0) this.release(conn, CLOSE_REASON.orderly, 0);
  }

  /** A reset of a half-open connection is still to be noticed: its poll is armed when the lane is entered next. */
  #watchForReset(conn: Conn): void {
    if ((this.#table.flags[conn]! & (FLAG.polling | FLAG.listedToReceive)) !== 0) return;
    this.#lanes[this.#table.lane[conn]!]!.listToReceive(conn);
  }

  /** All output has left: what was waiting for that? */
  #outputIsEmpty(conn: Conn): void {
    const flags = this.#table.flags[conn]!;
    if ((flags & FLAG.closing) !== 0) this.#linger(conn);
    const isEnding = (flags & (FLAG.closing | FLAG.outputEnded)) !== 0;
    const gone = FLAG.shuttingDown | FLAG.finSent | FLAG.releasing;
    if (!isEnding || (this.#table.flags[conn]! & (FLAG.open | gone)) !== FLAG.open) return;
    this.#table.flags[conn]! |= FLAG.shuttingDown;
    this.#push(conn, HEAD_SHUTDOWN, SHUT_WR, 0, TAG.shutdown);
  }

  /** `close()` has nothing left to send: done when the peer has ended, else its FIN is awaited for a while. */
  #linger(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & (FLAG.lingering | FLAG.releasing)) !== 0) return;
    if ((flags[conn]! & FLAG.ended) !== 0) {
      this.release(conn, CLOSE_REASON.orderly, 0);
      return;
    }
    flags[conn]! |= FLAG.lingering;
    this.#wheel.set(conn, systemClock.monoUs() / 1000, LINGER_MS);
  }

  #closeSlot(conn: Conn): void {
    const { flags, reason } = this.#table;
    const withReset =
      reason[conn] === CLOSE_REASON.aborted || reason[conn] === CLOSE_REASON.stopped;
    const lane = this.#lanes[this.#table.lane[conn]!]!;
    const slot = this.#table.slot[conn]!;
    if (withReset) this.pushReset(lane, slot);
    const now = flags[conn]!;
    if ((now & FLAG.polling) !== 0) this.#cancel(conn, TAG.poll);
    if ((now & FLAG.streaming) !== 0) this.#endStream(conn);
    if ((now & FLAG.sending) !== 0) this.#cancel(conn, TAG.send);
    flags[conn]! |= FLAG.closingSlot;
    const high = this.#table.dataHigh(conn, TAG.closeSlot);
    lane.ring.push(HEAD_CLOSE, 0, 0, 0, 0, 0, conn, high, slot + 1);
  }

  #armPoll(conn: Conn): void {
    this.#table.flags[conn]! |= FLAG.polling;
    this.#push(conn, HEAD_POLL, POLL_ADD_MULTI, POLLIN, TAG.poll);
  }

  #endStream(conn: Conn): void {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.streamEnding) !== 0) return;
    flags[conn]! |= FLAG.streamEnding;
    this.#cancel(conn, TAG.stream);
  }

  #push(conn: Conn, head: number, length: number, opFlags: number, tag: number): void {
    const { ring } = this.#lanes[this.#table.lane[conn]!]!;
    const high = this.#table.dataHigh(conn, tag);
    ring.push(head, this.#table.slot[conn]!, 0, 0, length, opFlags, conn, high, 0);
  }

  /** Cancels the request of `conn` with this tag; its own completion tells when it is gone. */
  #cancel(conn: Conn, tag: number): void {
    const { ring } = this.#lanes[this.#table.lane[conn]!]!;
    const told = this.#table.dataHigh(conn, tag | TAG.cancelOf);
    const entry = ring.push(HEAD_CANCEL, 0, 0, conn, 0, 0, conn, told, 0);
    // The request is named by its user data: the connection is the low word of `addr`, this the high one.
    ring.patch(entry, 5, this.#table.dataHigh(conn, tag));
  }

  /** Sends RST: the connection in `slot` of `lane` is gone for its peer when the next enter returns. */
  pushReset(lane: Lane, slot: number): void {
    const address = this.#unspecifiedAddress;
    lane.ring.push(HEAD_RESET, slot, SOCKADDR_BYTES, address, 0, 0, 0, TAG.silent, 0);
  }
}
