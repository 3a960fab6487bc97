// Bytes of packets whose rest has not arrived, one block of an arena a connection. A block grows with
// what has come, never with what a header claims, so ten thousand claims of 256 MiB cost what was sent.

import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';

const NONE = -1;

export class PartialPackets {
  /** A connection's bytes are [start(conn), start(conn) + length(conn)) of it. */
  readonly bytes: Uint8Array;
  readonly #arena: SlabArena;
  /** One more than the block of each connection, 0 = none: pages of connections without one stay untouched. */
  readonly #blockOf: Int32Array;
  readonly #length: Uint32Array;

  /** `packetBytesMax`: no packet is larger. */
  constructor(connections: number, bytesMax: number, packetBytesMax: number) {
    this.#arena = new SlabArena(bytesMax, packetBytesMax);
    this.bytes = this.#arena.bytes;
    this.#blockOf = new Int32Array(connections);
    this.#length = new Uint32Array(connections);
  }

  /** Bytes of memory that blocks take now. */
  get usedBytes(): number {
    return this.#arena.usedBytes;
  }

  /** A new connection has none. */
  open(conn: number): void {
    if (this.#blockOf[conn] === 0) return;
    this.#blockOf[conn] = 0;
    this.#length[conn] = 0;
  }

  length(conn: number): number {
    return this.#length[conn]!;
  }

  start(conn: number): number {
    return this.#arena.offset(this.#block(conn));
  }

  /** Appends [from, to) of `bytes`; false when there is no memory for it. */
  append(conn: number, bytes: Uint8Array, from: number, to: number): boolean {
    const have = this.#length[conn]!;
    const length = have + to - from;
    let block = this.#block(conn);
    if (length > this.#arena.blockBytesMax) return false;
    if (block === NONE || length > this.#arena.capacity(block)) {
      const larger = this.#arena.alloc(length);
      if (larger === NONE) return false;
      if (block !== NONE) {
        const old = this.#arena.offset(block);
        copyBytes(this.bytes, this.#arena.offset(larger), this.bytes, old, old + have);
        this.#arena.free(block, have);
      }
      block = larger;
      this.#blockOf[conn] = block + 1;
    }
    copyBytes(this.bytes, this.#arena.offset(block) + have, bytes, from, to);
    this.#length[conn] = length;
    return true;
  }

  /**
   * Takes the block away from its connection, which has none then: its packet is about to be handled
   * and may close the connection. The caller gives it back with `release`.
   */
  detach(conn: number): number {
    const block = this.#block(conn);
    this.open(conn);
    return block;
  }

  /** Ends the use of a detached block that held `length` bytes. */
  release(block: number, length: number): void {
    this.#arena.free(block, length);
  }

  /** The connection is gone. */
  drop(conn: number): void {
    const block = this.#block(conn);
    if (block !== NONE) this.#arena.free(block, this.#length[conn]!);
    this.open(conn);
  }

  #block(conn: number): number {
    return this.#blockOf[conn]! - 1;
  }
}
