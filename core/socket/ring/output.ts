// The way out: queues what is sent, bounded per connection and in total, keeps one send in flight per
// connection, and tells when a refused sender may go on.

import { type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { type ConnectionTable, FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { OutputSlab } from '#core/socket/ring/output-slab.ts';
import { SubmitScratch } from '#core/socket/ring/submit-scratch.ts';
import { MSG_NOSIGNAL, OP, SQE_FIXED_FILE } from '#core/socket/ring/uapi.ts';

const HEAD_SEND = OP.send | (SQE_FIXED_FILE << 8);
const HEAD_SENDMSG = OP.sendmsg | (SQE_FIXED_FILE << 8);
/** One send gathers at most this many chunks. */
const VECTORS_MAX = 64;
/** struct msghdr: pointer to the vectors at byte 16, their number at 24; 56 bytes, padded. */
const MSGHDR_WORDS = 16;
const VECTOR_WORDS = 4;
const SCRATCH_BYTES = (MSGHDR_WORDS + VECTORS_MAX * VECTOR_WORDS) * 4;
const AWAITS_SENT = FLAG.closing | FLAG.releasing | FLAG.outputEnded | FLAG.owesDrain;
const CANNOT_SEND = FLAG.closing | FLAG.releasing | FLAG.outputEnded;

export class Output {
  readonly #settings: ReactorSettings;
  readonly #table: ConnectionTable;
  readonly #lanes: Lane[];
  readonly #stats: Float64Array;
  readonly #slab: OutputSlab;
  readonly #scratch: SubmitScratch;
  #firstToFlush = 0;
  #lastToFlush = 0;
  /** Refused by the bound of the whole reactor while their own output was empty. */
  #starved: Conn[] = [];

  constructor(
    libc: Libc,
    settings: ReactorSettings,
    table: ConnectionTable,
    lanes: Lane[],
    stats: Float64Array,
  ) {
    this.#settings = settings;
    this.#table = table;
    this.#lanes = lanes;
    this.#stats = stats;
    this.#slab = new OutputSlab(libc, settings.capacity, settings.outputBytesTotalMax);
    this.#scratch = new SubmitScratch(libc, SCRATCH_BYTES);
  }

  /** Bytes queued or in flight. */
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
      stats[STAT.sendRefused]!++;
      flags[conn]! |= FLAG.owesDrain;
      if (this.#slab.bytes[conn] === 0 && (flags[conn]! & FLAG.listedStarved) === 0) {
        flags[conn]! |= FLAG.listedStarved;
        this.#starved.push(conn);
      }
      return false;
    }
    stats[STAT.outputBytes]! += count;
    this.schedule(conn);
    return true;
  }

  /** Sends now or at the end of the turn, unless a send is in flight or there is nothing to send. */
  schedule(conn: Conn): void {
    const flags = this.#table.flags[conn]!;
    const waits = (flags & (FLAG.sending | FLAG.listedToFlush)) !== 0;
    if (waits || (flags & FLAG.open) === 0 || this.#slab.bytes[conn] === 0) return;
    if (this.#settings.flush === 'immediate') {
      this.#pushSend(conn);
      this.#laneOf(conn).ring.submit();
      return;
    }
    this.#table.flags[conn] = flags | FLAG.listedToFlush;
    this.#table.nextToFlush[conn] = 0;
    if (this.#lastToFlush === 0) this.#firstToFlush = conn + 1;
    else this.#table.nextToFlush[this.#lastToFlush - 1] = conn + 1;
    this.#lastToFlush = conn + 1;
  }

  /** Pushes a send for everyone who has output; `settle` is called for those that are being released. */
  flush(settle: (conn: Conn) => void): void {
    const { flags, nextToFlush } = this.#table;
    let listed = this.#firstToFlush;
    this.#firstToFlush = 0;
    this.#lastToFlush = 0;
    while (listed !== 0) {
      const conn = listed - 1;
      listed = nextToFlush[conn]!;
      flags[conn]! &= ~FLAG.listedToFlush;
      if ((flags[conn]! & FLAG.releasing) !== 0) settle(conn);
      else if ((flags[conn]! & FLAG.sending) === 0) this.#pushSend(conn);
    }
  }

  /** `count` bytes of the send in flight have left. */
  sent(conn: Conn, count: number): void {
    this.#slab.consume(conn, count);
    this.#stats[STAT.txBytes]! += count;
    this.#stats[STAT.outputBytes]! -= count;
  }

  /** Forgets what is queued; nothing of it may be in flight. */
  drop(conn: Conn): void {
    this.#stats[STAT.outputBytes]! -= this.#slab.drop(conn);
  }

  /** True once when a refused sender has to be told that its output is empty now. */
  takeDrain(conn: Conn): boolean {
    const { flags } = this.#table;
    if ((flags[conn]! & FLAG.owesDrain) === 0 || this.#slab.bytes[conn] !== 0) return false;
    flags[conn]! &= ~FLAG.owesDrain;
    return (flags[conn]! & CANNOT_SEND) === 0;
  }

  /** Calls `each` for those whom only the bound of the reactor held up, while one full output fits again. */
  feedStarved(each: (conn: Conn) => void): void {
    if (this.#starved.length === 0) return;
    let fed = 0;
    while (fed < this.#starved.length && this.#hasTotalRoom()) {
      const conn = this.#starved[fed++]!;
      this.#table.flags[conn]! &= ~FLAG.listedStarved;
      each(conn);
    }
    this.#starved = this.#starved.slice(fed);
  }

  /** Whether a connection in the list of starved ones is being released is looked at here. */
  releaseStarved(settle: (conn: Conn) => void): void {
    if (this.#starved.length === 0) return;
    this.#starved = this.#starved.filter((conn) => {
      if ((this.#table.flags[conn]! & FLAG.releasing) === 0) return true;
      this.#table.flags[conn]! &= ~FLAG.listedStarved;
      settle(conn);
      return false;
    });
  }

  close(): void {
    this.#slab.close();
    this.#scratch.close();
  }

  #hasTotalRoom(): boolean {
    const total = this.#stats[STAT.outputBytes]! + this.#settings.outputBytesMax;
    return total <= this.#settings.outputBytesTotalMax;
  }

  #laneOf(conn: Conn): Lane {
    return this.#lanes[this.#table.lane[conn]!]!;
  }

  #pushSend(conn: Conn): void {
    const slab = this.#slab;
    const table = this.#table;
    const { ring } = this.#laneOf(conn);
    table.flags[conn]! |= FLAG.sending;
    this.#stats[STAT.sends]!++;
    const isGathered = slab.hasManyChunks(conn);
    ring.push(
      isGathered ? HEAD_SENDMSG : HEAD_SEND,
      table.slot[conn]!,
      0,
      isGathered ? this.#writeHeader(conn, ring) : slab.firstAddress(conn),
      isGathered ? 1 : slab.firstLength(conn),
      MSG_NOSIGNAL,
      conn,
      table.dataHigh(conn, TAG.send),
      0,
    );
    // Someone waits for the end of this one, or it is so large that it may leave in parts.
    const isAwaited = isGathered || (table.flags[conn]! & AWAITS_SENT) !== 0;
    if (!isAwaited) ring.quietSends++;
  }

  /** A message header over the connection's chunks; returns its address. */
  #writeHeader(conn: Conn, ring: Lane['ring']): number {
    if (!ring.hasRoomFor(1)) ring.submit();
    const offset = this.#scratch.take(ring);
    const { words } = this.#scratch;
    const at = offset >>> 2;
    words.fill(0, at, at + MSGHDR_WORDS);
    const vectors = at + MSGHDR_WORDS;
    const address = this.#scratch.address + vectors * 4;
    words[at + 4] = address;
    words[at + 5] = address / 0x100000000;
    words[at + 6] = this.#slab.writeVectors(conn, words, vectors, VECTORS_MAX);
    return this.#scratch.address + offset;
  }
}
