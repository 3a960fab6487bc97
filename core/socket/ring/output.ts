// The way out of engine ring: one send in flight per connection, gathered when its output has many chunks.

import { OutputQueue, VECTORS_MAX } from '#core/socket/output-queue.ts';
import { type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { type ConnectionTable, FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Lane } from '#core/socket/ring/lane.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { SubmitScratch } from '#core/socket/ring/submit-scratch.ts';
import { MSG_NOSIGNAL, OP, SQE_FIXED_FILE } from '#core/socket/ring/uapi.ts';

const HEAD_SEND = OP.send | (SQE_FIXED_FILE << 8);
const HEAD_SENDMSG = OP.sendmsg | (SQE_FIXED_FILE << 8);
/** struct msghdr: pointer to the vectors at byte 16, their number at 24; 56 bytes, padded. */
const MSGHDR_WORDS = 16;
const VECTOR_WORDS = 4;
const SCRATCH_BYTES = (MSGHDR_WORDS + VECTORS_MAX * VECTOR_WORDS) * 4;
const AWAITS_SENT = FLAG.closing | FLAG.releasing | FLAG.outputEnded | FLAG.owesDrain;

export class Output extends OutputQueue {
  readonly #table: ConnectionTable;
  readonly #lanes: Lane[];
  readonly #scratch: SubmitScratch;

  constructor(
    libc: Libc,
    settings: ReactorSettings,
    table: ConnectionTable,
    lanes: Lane[],
    stats: Float64Array,
  ) {
    // One send is in flight at a time.
    super(libc, settings, table, stats, FLAG.sending);
    this.#table = table;
    this.#lanes = lanes;
    this.#scratch = new SubmitScratch(libc, SCRATCH_BYTES);
  }

  override close(): void {
    super.close();
    this.#scratch.close();
  }

  protected sendNow(conn: Conn): void {
    this.send(conn);
    this.#laneOf(conn).ring.submit();
  }

  #laneOf(conn: Conn): Lane {
    return this.#lanes[this.#table.lane[conn]!]!;
  }

  protected send(conn: Conn): void {
    const { slab } = this;
    const table = this.#table;
    const { ring } = this.#laneOf(conn);
    table.flags[conn]! |= FLAG.sending;
    this.stats[STAT.sends]!++;
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
    words[at + 6] = this.slab.writeVectors(conn, words, vectors, VECTORS_MAX);
    return this.#scratch.address + offset;
  }
}
