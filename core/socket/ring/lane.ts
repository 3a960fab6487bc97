// A lane: one ring with its table of direct descriptors and its view of the receive buffers. The kernel
// checks each table against RLIMIT_NOFILE by itself, so a reactor has as many lanes as its capacity needs.
//
// A lane also holds the list of its connections that want to receive: how many receive entries go out at
// a time is bounded by the buffers the kernel holds, so that none is refused for want of a buffer.

import type { ConnectionTable } from '#core/socket/ring/connection-table.ts';
import { FLAG, TAG } from '#core/socket/ring/connection-table.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { BufferRing, type ReceiveMemory } from '#core/socket/ring/receive-buffers.ts';
import { Ring } from '#core/socket/ring/ring.ts';
import {
  MSG_DONTWAIT,
  OP,
  RECV_MULTISHOT,
  SQE_BUFFER_SELECT,
  SQE_FIXED_FILE,
} from '#core/socket/ring/uapi.ts';

const RECEIVE_FLAGS = (SQE_FIXED_FILE | SQE_BUFFER_SELECT) << 8;
const HEAD_RECEIVE = OP.recv | RECEIVE_FLAGS;
const HEAD_STREAM = OP.recv | RECEIVE_FLAGS | (RECV_MULTISHOT << 16);

/**
 * Slots of the table beyond the lane's connections: accepts that are armed hold some, and a connection that
 * came although the reactor is full waits in one.
 */
export const SPARE_SLOTS = 64;

export interface LaneSize {
  slots: number;
  sqEntries: number;
  cqEntries: number;
}

export class Lane {
  readonly index: number;
  /** Connections meant for this lane. */
  readonly slots: number;
  readonly ring: Ring;
  readonly buffers: BufferRing;
  /** Slots that are taken by a connection or promised to a connect. */
  used = 0;
  /** Slots that single accepts with the kernel may take. */
  promised = 0;
  /** Receives handed to the kernel whose completion was not taken yet. */
  receiving = 0;
  /** The last enter brought completions: there may be more that no flag tells of. */
  isWarm = true;
  readonly #table: ConnectionTable;
  #firstToReceive = 0;
  #lastToReceive = 0;

  constructor(
    index: number,
    size: LaneSize,
    libc: Libc,
    memory: ReceiveMemory,
    table: ConnectionTable,
    stats: Float64Array,
  ) {
    this.index = index;
    this.slots = size.slots;
    this.#table = table;
    this.ring = new Ring(libc, size.sqEntries, size.cqEntries, stats);
    try {
      this.ring.registerFiles(size.slots + SPARE_SLOTS);
      this.buffers = new BufferRing(libc, this.ring, memory);
    } catch (error) {
      this.ring.close();
      throw error;
    }
  }

  /** Room by intention: negative when spare slots are in use. */
  get freeSlots(): number {
    return this.slots - this.used - this.promised;
  }

  /** Room in the kernel's table. */
  get tableRoom(): number {
    return this.freeSlots + SPARE_SLOTS;
  }

  /** Puts `conn` into the list of those to receive from; it is not in it. */
  listToReceive(conn: number): void {
    this.#table.flags[conn]! |= FLAG.listedToReceive;
    this.#table.nextToReceive[conn] = 0;
    if (this.#lastToReceive === 0) this.#firstToReceive = conn + 1;
    else this.#table.nextToReceive[this.#lastToReceive - 1] = conn + 1;
    this.#lastToReceive = conn + 1;
  }

  get hasToReceive(): boolean {
    return this.#firstToReceive !== 0;
  }

  /** Takes the first of the list, or -1. */
  takeToReceive(): number {
    const conn = this.#firstToReceive - 1;
    if (conn === -1) return -1;
    this.#firstToReceive = this.#table.nextToReceive[conn]!;
    if (this.#firstToReceive === 0) this.#lastToReceive = 0;
    this.#table.flags[conn]! &= ~FLAG.listedToReceive;
    return conn;
  }

  /** One receive of at most one buffer; completes at once, with EAGAIN when there is nothing. */
  pushReceive(conn: number): void {
    this.receiving++;
    this.#pushReceive(HEAD_RECEIVE, conn, MSG_DONTWAIT, TAG.receive);
  }

  /** A receive that stays armed and brings a completion for every buffer it fills. */
  pushStream(conn: number): void {
    this.#pushReceive(HEAD_STREAM, conn, 0, TAG.stream);
  }

  close(): void {
    this.ring.close();
    this.buffers.close();
  }

  #pushReceive(head: number, conn: number, messageFlags: number, tag: number): void {
    // The buffer group is 0, as an entry is when it is pushed.
    this.ring.push(
      head,
      this.#table.slot[conn]!,
      0,
      0,
      0,
      messageFlags,
      conn,
      this.#table.dataHigh(conn, tag),
      0,
    );
  }
}
