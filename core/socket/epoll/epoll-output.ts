// The way out of engine epoll: queues what is sent, bounded per connection and in total, hands it to the
// sockets at the end of a turn (or at once), and tells when a refused sender may go on. A socket that takes
// no more is left alone until its event.

import type { EpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { type EpollTable, FLAG } from '#core/socket/epoll/epoll-table.ts';
import { type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import { OutputSlab } from '#core/socket/ring/output-slab.ts';
import { EAGAIN, EINTR } from '#core/socket/ring/uapi.ts';

/** One send gathers at most this many chunks. */
const VECTORS_MAX = 64;
/** struct msghdr: pointer to the vectors at byte 16, their number at 24; 56 bytes, padded. */
const MSGHDR_WORDS = 16;
const VECTOR_WORDS = 4;
const SCRATCH_WORDS = MSGHDR_WORDS + VECTORS_MAX * VECTOR_WORDS;
const CANNOT_SEND = FLAG.closing | FLAG.releasing | FLAG.outputEnded;

export class EpollOutput {
  readonly #calls: EpollCalls;
  readonly #settings: ReactorSettings;
  readonly #table: EpollTable;
  readonly #stats: Float64Array;
  readonly #slab: OutputSlab;
  readonly #scratch: Mapping;
  readonly #words: Int32Array;
  /** Called when the last byte of a connection has left. */
  readonly #onEmpty: (conn: Conn) => void;
  #firstToFlush = 0;
  #lastToFlush = 0;
  /** Refused by the bound of the whole reactor while their own output was empty. */
  #starved: Conn[] = [];

  constructor(
    libc: Libc,
    calls: EpollCalls,
    settings: ReactorSettings,
    table: EpollTable,
    stats: Float64Array,
    onEmpty: (conn: Conn) => void,
  ) {
    this.#calls = calls;
    this.#settings = settings;
    this.#table = table;
    this.#stats = stats;
    this.#onEmpty = onEmpty;
    this.#slab = new OutputSlab(libc, settings.capacity, settings.outputBytesTotalMax);
    this.#scratch = libc.mapMemory(SCRATCH_WORDS * 4);
    this.#words = new Int32Array(this.#scratch.buffer, 0, SCRATCH_WORDS);
    const vectors = this.#scratch.address + MSGHDR_WORDS * 4;
    this.#words[4] = vectors;
    this.#words[5] = vectors / 0x100000000;
  }

  bytes(conn: Conn): number {
    return this.#slab.bytes[conn]!;
  }

  /** Queues a copy; false when a bound refuses it. The connection is open or connecting. */
  queue(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const { flags } = this.#table;
    if ((flags[conn]! & CANNOT_SEND) !== 0) return false;
    const count = end - start;
    const stats = this.#stats;
    const fits =
      this.#slab.bytes[conn]! + count <= this.#settings.outputBytesMax &&
      stats[STAT.outputBytes]! + count <= this.#settings.outputBytesTotalMax &&
      this.#slab.append(conn, bytes, start, end);
    if (!fits) {
      this.#refuse(conn);
      return false;
    }
    stats[STAT.outputBytes]! += count;
    this.schedule(conn);
    return true;
  }

  /** Sends now or at the end of the turn, unless the socket is full or there is nothing to send. */
  schedule(conn: Conn): void {
    const flags = this.#table.flags[conn]!;
    const waits = (flags & (FLAG.blocked | FLAG.failed | FLAG.listedToFlush)) !== 0;
    if (waits || (flags & FLAG.open) === 0 || this.#slab.bytes[conn] === 0) return;
    if (this.#settings.flush === 'immediate') {
      this.send(conn);
      return;
    }
    this.#table.flags[conn] = flags | FLAG.listedToFlush;
    this.#table.nextToFlush[conn] = 0;
    if (this.#lastToFlush === 0) this.#firstToFlush = conn + 1;
    else this.#table.nextToFlush[this.#lastToFlush - 1] = conn + 1;
    this.#lastToFlush = conn + 1;
  }

  /** Sends for everyone who has output. */
  flush(): void {
    const { flags, nextToFlush } = this.#table;
    let listed = this.#firstToFlush;
    this.#firstToFlush = 0;
    this.#lastToFlush = 0;
    while (listed !== 0) {
      const conn = listed - 1;
      listed = nextToFlush[conn]!;
      flags[conn]! &= ~FLAG.listedToFlush;
      if ((flags[conn]! & FLAG.releasing) !== 0) this.#table.listToTend(conn);
      else this.send(conn);
    }
  }

  /** Hands the socket all it takes. No handler is called: what must be told is listed to be tended. */
  send(conn: Conn): void {
    const table = this.#table;
    while (this.#slab.bytes[conn]! > 0) {
      const result = this.#sendOnce(conn);
      if (result >= 0) {
        this.#slab.consume(conn, result);
        this.#stats[STAT.txBytes]! += result;
        this.#stats[STAT.outputBytes]! -= result;
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

  /** Forgets what is queued. */
  drop(conn: Conn): void {
    this.#stats[STAT.outputBytes]! -= this.#slab.drop(conn);
  }

  /** True once when a refused sender has to be told that its output is empty now. */
  takeDrain(conn: Conn): boolean {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.owesDrain) === 0 || this.#slab.bytes[conn] !== 0) return false;
    if ((flags[conn]! & FLAG.listedStarved) !== 0) return false;
    flags[conn]! &= ~FLAG.owesDrain;
    return (flags[conn]! & CANNOT_SEND) === 0;
  }

  /** Lists those whom only the bound of the reactor held up, while one full output fits again, or who are gone. */
  feedStarved(): void {
    if (this.#starved.length === 0) return;
    const { flags } = this.#table;
    const total = this.#stats[STAT.outputBytes]! + this.#settings.outputBytesMax;
    let room = this.#settings.outputBytesTotalMax - total;
    this.#starved = this.#starved.filter((conn) => {
      if ((flags[conn]! & FLAG.releasing) === 0) {
        if (room < 0) return true;
        room -= this.#settings.outputBytesMax;
      }
      flags[conn]! &= ~FLAG.listedStarved;
      this.#table.listToTend(conn);
      return false;
    });
  }

  close(): void {
    this.#slab.close();
    this.#scratch.unmap();
  }

  #refuse(conn: Conn): void {
    const { flags } = this.#table;
    this.#stats[STAT.sendRefused]!++;
    flags[conn]! |= FLAG.owesDrain;
    if (this.#slab.bytes[conn] !== 0 || (flags[conn]! & FLAG.listedStarved) !== 0) return;
    flags[conn]! |= FLAG.listedStarved;
    this.#starved.push(conn);
  }

  #sendOnce(conn: Conn): number {
    const fd = this.#table.fd[conn]!;
    this.#stats[STAT.sends]!++;
    this.#stats[STAT.enters]!++;
    if (!this.#slab.hasManyChunks(conn)) {
      return this.#calls.send(fd, this.#slab.firstAddress(conn), this.#slab.firstLength(conn));
    }
    this.#words[6] = this.#slab.writeVectors(conn, this.#words, MSGHDR_WORDS, VECTORS_MAX);
    return this.#calls.sendMessage(fd, this.#scratch.address);
  }
}
