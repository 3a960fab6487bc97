// The way out of engine epoll: a send is a system call; a socket that takes no more is left alone until its event.

import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { type EpollTable, FLAG } from '#core/socket/epoll/epoll-table.ts';
import { OutputQueue, VECTORS_MAX } from '#core/socket/output-queue.ts';
import { type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import { EAGAIN, EINTR } from '#core/socket/ring/uapi.ts';

/** struct msghdr: pointer to the vectors at byte 16, their number at 24; 56 bytes, padded. */
const MSGHDR_WORDS = 16;
const VECTOR_WORDS = 4;
const SCRATCH_WORDS = MSGHDR_WORDS + VECTORS_MAX * VECTOR_WORDS;

export class EpollOutput extends OutputQueue {
  readonly #calls: EpollCalls;
  readonly #table: EpollTable;
  readonly #scratch: Mapping;
  readonly #words: Int32Array;
  /** Called when the last byte of a connection has left. */
  readonly #onEmpty: (conn: Conn) => void;

  constructor(
    libc: Libc,
    calls: EpollCalls,
    settings: ReactorSettings,
    table: EpollTable,
    stats: Float64Array,
    onEmpty: (conn: Conn) => void,
  ) {
    super(libc, settings, table, stats, FLAG.blocked | FLAG.failed);
    this.#calls = calls;
    this.#table = table;
    this.#onEmpty = onEmpty;
    this.#scratch = libc.mapMemory(SCRATCH_WORDS * 4);
    this.#words = new Int32Array(this.#scratch.buffer, 0, SCRATCH_WORDS);
    const vectors = this.#scratch.address + MSGHDR_WORDS * 4;
    this.#words[4] = vectors;
    this.#words[5] = vectors / 0x100000000;
  }

  /** The socket takes more again. */
  unblocked(conn: Conn): void {
    this.#table.flags[conn]! &= ~FLAG.blocked;
    this.send(conn);
  }

  override close(): void {
    super.close();
    this.#scratch.unmap();
  }

  /** Hands the socket all it takes. No handler is called: what must be told is listed to be tended. */
  protected send(conn: Conn): void {
    const table = this.#table;
    while (this.slab.bytesOf(conn) > 0) {
      const result = this.#sendOnce(conn);
      if (result >= 0) {
        this.sent(conn, result);
      } else if (result === -EAGAIN) {
        table.flags[conn]! |= FLAG.blocked;
        return;
      } else if (result !== -EINTR) {
        table.flags[conn]! |= FLAG.failed;
        table.errno[conn] = -result;
        table.listToTend(conn);
        return;
      }
    }
    if ((table.flags[conn]! & FLAG.owesDrain) !== 0) table.listToTend(conn);
    this.#onEmpty(conn);
  }

  /** Every send leaves at once. */
  protected sendNow(conn: Conn): void {
    this.send(conn);
  }

  #sendOnce(conn: Conn): number {
    const fd = this.#table.fd[conn]!;
    this.stats[STAT.sends]!++;
    this.stats[STAT.enters]!++;
    if (!this.slab.hasManyChunks(conn)) {
      return this.#calls.send(fd, this.slab.firstAddress(conn), this.slab.firstLength(conn));
    }
    this.#words[6] = this.slab.writeVectors(conn, this.#words, MSGHDR_WORDS, VECTORS_MAX);
    return this.#calls.sendMessage(fd, this.#scratch.address);
  }
}
