// A network between the stack and its device: every packet takes half of the round-trip time each way,
// more or less (jitter), or is lost. Drawn from a seed, so the same packets meet the same fate.
//
// Packets of one connection keep their order, as on a radio link, which delivers in order: a packet is
// never due before the one before it. The last due time is kept by a hash of the addresses, 65,536 each
// way; connections that share one only wait for each other within the jitter.
//
// A wheel of 8192 slots of 1 ms; packets lie in slots of two sizes (most are acknowledgements and short
// messages). When all slots are taken the packet is dropped and counted, like the queue of a router.

import { assert } from '#core/assert.ts';
import { copyBytes } from '#core/socket/copy-bytes.ts';
import { PACKET_BYTES_MAX, VNET_BYTES } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import { hashAddresses } from '#core/socket/stack/tcp-table.ts';

/** The network of every connection. */
export interface NetworkProfile {
  /** Round-trip time beside the host's own, ms. */
  roundTripMs: number;
  /** Each way takes up to half of this more or less, ms. */
  jitterMs: number;
  /** Share of packets that are lost, each way: 0..1. */
  lossRatio: number;
  /** Fixes the fate of packets. */
  seed: number;
}

const STEP_US = 1000;
const WHEEL_SLOTS = 8192;
const WHEEL_MASK = WHEEL_SLOTS - 1;
/** The longest round trip that the wheel can hold, ms. */
export const ROUND_TRIP_MS_MAX = 8000;
const ORDER_CELLS = 65_536;
const SMALL_BYTES = 192;
const SMALL_SLOTS = 131_072;
const LARGE_BYTES = 1536;
const LARGE_SLOTS = 32_768;
const SLOTS = SMALL_SLOTS + LARGE_SLOTS;
const OUT = 0;
const IN = 1;

export class DelayLine implements PacketLink {
  readonly received = new Uint8Array(PACKET_BYTES_MAX);
  readonly #link: PacketLink;
  readonly #profile: NetworkProfile;
  readonly #counters: Float64Array;
  readonly #startUs: number;
  readonly #memory = new Uint8Array(SMALL_SLOTS * SMALL_BYTES + LARGE_SLOTS * LARGE_BYTES);
  readonly #length = new Uint16Array(SLOTS);
  readonly #isOut = new Uint8Array(SLOTS);
  /** Next packet of the same step (or free slot), plus one. */
  readonly #next = new Int32Array(SLOTS);
  readonly #first = new Int32Array(WHEEL_SLOTS);
  readonly #last = new Int32Array(WHEEL_SLOTS);
  /** Last step in which a packet of these connections is due, by direction. */
  readonly #lastDue = [new Int32Array(ORDER_CELLS), new Int32Array(ORDER_CELLS)] as const;
  #freeSmall = 0;
  #freshSmall = 0;
  #freeLarge = 0;
  #freshLarge = SMALL_SLOTS;
  #step = 0;
  /** Packets that came and are due, as a list. */
  #readyFirst = 0;
  #readyLast = 0;
  #held = 0;
  #draw: number;

  constructor(link: PacketLink, profile: NetworkProfile, counters: Float64Array, nowUs: number) {
    const { roundTripMs, jitterMs, lossRatio, seed } = profile;
    assert(roundTripMs >= 0 && roundTripMs + jitterMs <= ROUND_TRIP_MS_MAX, 'the wheel holds it');
    assert(jitterMs >= 0 && jitterMs <= roundTripMs, 'a packet does not arrive before it leaves');
    assert(lossRatio >= 0 && lossRatio < 1, 'some packets arrive');
    this.#link = link;
    this.#profile = profile;
    this.#counters = counters;
    this.#startUs = nowUs;
    this.#draw = (seed ^ 0x9e3779b9) | 1;
  }

  get out(): Uint8Array {
    return this.#link.out;
  }

  send(length: number): boolean {
    this.#hold(OUT, this.#link.out, length);
    return true;
  }

  receive(): number {
    while (this.#readyFirst === 0) {
      const length = this.#link.receive();
      if (length === 0) return 0;
      this.#hold(IN, this.#link.received, length);
      this.#release();
    }
    const slot = this.#readyFirst - 1;
    this.#readyFirst = this.#next[slot]!;
    const length = this.#length[slot]!;
    copyBytes(this.#memory, this.#address(slot), length, this.received, 0);
    this.#free(slot);
    return length;
  }

  advance(nowUs: number): void {
    this.#link.advance(nowUs);
    const step = Math.floor((nowUs - this.#startUs) / STEP_US);
    if (this.#held === 0) this.#step = Math.max(this.#step, step);
    while (this.#step < step) {
      this.#step++;
      this.#release();
    }
  }

  waitUs(nowUs: number): number {
    if (this.#readyFirst !== 0) return 0;
    const own =
      this.#held === 0
        ? Number.POSITIVE_INFINITY
        : this.#startUs + (this.#step + 1) * STEP_US - nowUs;
    return Math.max(0, Math.min(own, this.#link.waitUs(nowUs)));
  }

  reaches(address: number): boolean {
    return this.#link.reaches(address);
  }

  close(): void {
    this.#link.close();
  }

  /** Takes a packet in for its way, or loses it. */
  #hold(direction: 0 | 1, bytes: Uint8Array, length: number): void {
    if (this.#random() < this.#profile.lossRatio) {
      this.#counters[COUNT.lost]!++;
      return;
    }
    const slot = this.#take(length);
    if (slot < 0) {
      this.#counters[COUNT.queueRefused]!++;
      return;
    }
    copyBytes(bytes, 0, length, this.#memory, this.#address(slot));
    this.#length[slot] = length;
    this.#isOut[slot] = direction === OUT ? 1 : 0;
    this.#next[slot] = 0;
    this.#held++;
    const due = this.#dueStep(direction, bytes);
    const place = due & WHEEL_MASK;
    if (this.#first[place] === 0) this.#first[place] = slot + 1;
    else this.#next[this.#last[place]! - 1] = slot + 1;
    this.#last[place] = slot + 1;
    // No delay at all: it is due in the step that has been served already.
    if (due === this.#step && direction === OUT) this.#release();
  }

  #dueStep(direction: 0 | 1, bytes: Uint8Array): number {
    const { roundTripMs, jitterMs } = this.#profile;
    const wayMs = roundTripMs / 2 + (this.#random() - 0.5) * jitterMs;
    const lastDue = this.#lastDue[direction];
    const cell = orderCell(bytes, direction);
    const due = Math.max(this.#step + Math.max(0, Math.round(wayMs)), lastDue[cell]!);
    lastDue[cell] = due;
    return due;
  }

  /** Lets go what is due in the present step: out to the link, in to who receives. */
  #release(): void {
    const place = this.#step & WHEEL_MASK;
    let node = this.#first[place]!;
    this.#first[place] = 0;
    while (node !== 0) {
      const slot = node - 1;
      node = this.#next[slot]!;
      this.#held--;
      if (this.#isOut[slot] === 1) {
        copyBytes(this.#memory, this.#address(slot), this.#length[slot]!, this.#link.out, 0);
        if (!this.#link.send(this.#length[slot]!)) this.#counters[COUNT.linkRefused]!++;
        this.#free(slot);
      } else {
        this.#next[slot] = 0;
        if (this.#readyFirst === 0) this.#readyFirst = slot + 1;
        else this.#next[this.#readyLast - 1] = slot + 1;
        this.#readyLast = slot + 1;
      }
    }
  }

  /** A slot for so many bytes, or -1. */
  #take(length: number): number {
    if (length <= SMALL_BYTES) {
      if (this.#freeSmall !== 0) {
        const slot = this.#freeSmall - 1;
        this.#freeSmall = this.#next[slot]!;
        return slot;
      }
      if (this.#freshSmall < SMALL_SLOTS) return this.#freshSmall++;
    }
    if (this.#freeLarge !== 0) {
      const slot = this.#freeLarge - 1;
      this.#freeLarge = this.#next[slot]!;
      return slot;
    }
    return this.#freshLarge < SLOTS ? this.#freshLarge++ : -1;
  }

  #free(slot: number): void {
    if (slot < SMALL_SLOTS) {
      this.#next[slot] = this.#freeSmall;
      this.#freeSmall = slot + 1;
    } else {
      this.#next[slot] = this.#freeLarge;
      this.#freeLarge = slot + 1;
    }
  }

  #address(slot: number): number {
    return slot < SMALL_SLOTS
      ? slot * SMALL_BYTES
      : SMALL_SLOTS * SMALL_BYTES + (slot - SMALL_SLOTS) * LARGE_BYTES;
  }

  /** Uniform in [0, 1): xorshift (Marsaglia 2003). */
  #random(): number {
    let draw = this.#draw;
    draw ^= draw << 13;
    draw ^= draw >>> 17;
    draw ^= draw << 5;
    this.#draw = draw;
    return (draw >>> 0) / 2 ** 32;
  }
}

/** Where the order of a packet's connection is kept: by our address and port. */
function orderCell(bytes: Uint8Array, direction: 0 | 1): number {
  const address = VNET_BYTES + (direction === OUT ? 12 : 16);
  const port = VNET_BYTES + (direction === OUT ? 20 : 22);
  const high = (bytes[address]! << 24) | (bytes[address + 1]! << 16);
  const ours = high | (bytes[address + 2]! << 8) | bytes[address + 3]!;
  const ourPort = (bytes[port]! << 8) | bytes[port + 1]!;
  return hashAddresses(ours >>> 0, ourPort, 0, 0) & (ORDER_CELLS - 1);
}
