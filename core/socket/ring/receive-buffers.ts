// Receive buffers that the kernel fills (provided-buffer rings). The memory belongs to the reactor and is
// shared by its lanes; each lane has a ring of its own that describes all of it.
//
// Sharing is sound because completions are made only inside an enter of this thread (DEFER_TASKRUN), and
// the loop takes all completions of a lane, and with them all its filled buffers, before it enters the
// next lane. Receive entries are therefore only pushed right before such an enter, never by a handler.
//
// Layout of one ring: entries of 16 bytes { address u64, length u32, buffer id u16, - }, and in the last
// two bytes of the first entry the tail, which counts up as buffers are given back.

import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import type { Ring } from '#core/socket/ring/ring.ts';

const ENTRY_BYTES = 16;
/** Where the tail stands, in 16-bit words. */
const TAIL_INDEX = 7;
/** The only group; receive entries name it by being zero there. */
const BUFFER_GROUP = 0;
/**
 * Between two buffers, an odd number of cache lines: most messages are short, and the first lines of buffers that lie
 * whole pages apart would all fall into the same few sets of the core's cache.
 */
const GAP_BYTES = 3 * 64;

/** The memory of a reactor's receive buffers. */
export class ReceiveMemory {
  readonly bytes: Uint8Array;
  readonly address: number;
  /** A power of two, as the kernel wants it. */
  readonly count: number;
  readonly bufferBytes: number;
  /** From the start of one buffer to that of the next. */
  readonly strideBytes: number;
  readonly #mapping: Mapping;

  constructor(libc: Libc, countMin: number, bufferBytes: number) {
    this.count = 2 ** Math.ceil(Math.log2(countMin));
    this.bufferBytes = bufferBytes;
    this.strideBytes = bufferBytes + GAP_BYTES;
    this.#mapping = libc.mapMemory(this.count * this.strideBytes);
    this.bytes = new Uint8Array(this.#mapping.buffer);
    this.address = this.#mapping.address;
  }

  close(): void {
    this.#mapping.unmap();
  }
}

/** One lane's ring over the memory. */
export class BufferRing {
  /** Buffers the kernel holds; it cannot fill more. */
  available: number;
  readonly #memory: ReceiveMemory;
  readonly #mapping: Mapping;
  readonly #words32: Int32Array;
  readonly #words16: Uint16Array;
  readonly #mask: number;
  #tail = 0;

  constructor(libc: Libc, ring: Ring, memory: ReceiveMemory) {
    this.#memory = memory;
    this.#mapping = libc.mapMemory(Math.max(memory.count * ENTRY_BYTES, 4096));
    this.#words32 = new Int32Array(this.#mapping.buffer);
    this.#words16 = new Uint16Array(this.#mapping.buffer);
    this.#mask = memory.count - 1;
    ring.registerBufferRing(this.#mapping.address, memory.count, BUFFER_GROUP);
    for (let id = 0; id < memory.count; id++) this.give(id);
    this.available = memory.count;
    this.publish();
  }

  /** Gives buffer `id` back; seen by the kernel after `publish`. */
  give(id: number): void {
    const at = (this.#tail & this.#mask) * 4;
    const address = this.#memory.address + id * this.#memory.strideBytes;
    this.#words32[at] = address;
    this.#words32[at + 1] = address / 0x100000000;
    this.#words32[at + 2] = this.#memory.bufferBytes;
    this.#words16[at * 2 + 6] = id;
    this.#tail = (this.#tail + 1) & 0xffff;
    this.available++;
  }

  publish(): void {
    this.#words16[TAIL_INDEX] = this.#tail;
  }

  close(): void {
    this.#mapping.unmap();
  }
}
