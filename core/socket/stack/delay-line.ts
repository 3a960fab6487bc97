// The networks between the clients of a stack and its device. Every packet takes half of the round-trip
// time of its client each way, more or less (jitter), waits for the packets before it on a link that
// carries only so much, or is lost. Drawn from a seed, so the same packets meet the same fate.
//
// Packets of one connection keep their order, as on a radio link, which delivers in order: a packet is
// never due before the one before it. When the last one is due, and when the link is free again, is kept
// by connection number, at most ORDER_CELLS_MAX each way; with more connections some share a cell, and
// only wait for each other.
//
// Packets of a class without any delay, loss or bound pass untouched and uncopied: a population of which
// one in ten is on a phone pays for that one.
//
// A wheel of 8192 slots of 1 ms; packets lie in slots of two sizes (most are acknowledgements and short
// messages). When all slots are taken, or a link is QUEUE_MS_MAX behind, the packet is dropped and
// counted, like the queue of a router.

import { assert } from '#core/assert.ts';
import { ByteCopier } from '#core/byte-copier.ts';
import {
  type NetworkClass,
  type NetworkClasses,
  WINDOW_BYTES_MAX,
} from '#core/socket/stack/network-classes.ts';
import { PACKET_BYTES_MAX, VNET_BYTES } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { PacketSlots } from '#core/socket/stack/packet-slots.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { TcpTable } from '#core/socket/stack/tcp-table.ts';

const STEP_US = 1000;
const WHEEL_SLOTS = 8192;
const WHEEL_MASK = WHEEL_SLOTS - 1;
/** The longest round trip, with its jitter: half of it and a full queue still fit on the wheel, ms. */
export const ROUND_TRIP_MS_MAX = 8000;
/** What may wait for a link, in time: large buffers, as phones' networks have them, ms. */
export const QUEUE_MS_MAX = 2000;
/** The slowest link: a full packet takes 1.5 s, which fits on the wheel behind a full queue and the longest way. */
export const LINK_BYTES_PER_S_MIN = 1000;
const ORDER_CELLS_MAX = 2 ** 19;
const SMALL_SLOTS = 131_072;
const LARGE_BYTES = 1536;
const LARGE_SLOTS = 32_768;
const OUT = 0;
const IN = 1;
/** Where the addresses of an IPv4 packet stand, and the ports of its segment (packet.ts). */
const ADDRESSES = VNET_BYTES + 12;
const PORTS = VNET_BYTES + 20;

export class DelayLine implements PacketLink {
  readonly #own = new Uint8Array(PACKET_BYTES_MAX);
  readonly #link: PacketLink;
  readonly #table: TcpTable;
  readonly #networks: NetworkClasses;
  /** By class: its packets meet nothing at all. */
  readonly #passes: readonly boolean[];
  readonly #counters: Float64Array;
  readonly #startUs: number;
  readonly #slots = new PacketSlots(SMALL_SLOTS, LARGE_SLOTS, LARGE_BYTES);
  readonly #memory = this.#slots.memory;
  readonly #length = new Uint16Array(this.#slots.count);
  readonly #isOut = new Uint8Array(this.#slots.count);
  /** Next packet of the same step, plus one. */
  readonly #next = this.#slots.next;
  readonly #first = new Int32Array(WHEEL_SLOTS);
  readonly #last = new Int32Array(WHEEL_SLOTS);
  readonly #cellMask: number;
  /** Last step in which a packet of a connection is due; when its link is free (ms); by direction. */
  readonly #lastDue: readonly [Int32Array, Int32Array];
  readonly #freeMs: readonly [Float64Array, Float64Array];
  /** By direction, to and from what is kept. */
  readonly #keepers: readonly [ByteCopier, ByteCopier] = [new ByteCopier(), new ByteCopier()];
  readonly #givers: readonly [ByteCopier, ByteCopier] = [new ByteCopier(), new ByteCopier()];
  #received: Uint8Array = this.#own;
  #step = 0;
  #nowMs = 0;
  /** Packets that came and are due, as a list. */
  #readyFirst = 0;
  #readyLast = 0;
  #held = 0;
  #draw: number;

  constructor(
    link: PacketLink,
    table: TcpTable,
    networks: NetworkClasses,
    counters: Float64Array,
    draw: { seed: number; nowUs: number },
  ) {
    for (const one of networks.classes) assertPossible(one);
    this.#link = link;
    this.#table = table;
    this.#networks = networks;
    this.#passes = networks.classes.map(isUntouched);
    this.#counters = counters;
    this.#startUs = draw.nowUs;
    this.#draw = (draw.seed ^ 0x9e3779b9) | 1;
    const cells = Math.min(ORDER_CELLS_MAX, 2 ** Math.ceil(Math.log2(table.capacity + 1)));
    const linkCells = networks.classes.some(isBound) ? cells : 0;
    this.#cellMask = cells - 1;
    this.#lastDue = [new Int32Array(cells), new Int32Array(cells)];
    this.#freeMs = [new Float64Array(linkCells), new Float64Array(linkCells)];
  }

  get out(): Uint8Array {
    return this.#link.out;
  }

  get received(): Uint8Array {
    return this.#received;
  }

  send(length: number): boolean {
    const conn = this.#connOf(OUT, this.#link.out);
    const network = conn === -1 ? 0 : this.#networks.of(conn);
    if (this.#passes[network]) return this.#link.send(length);
    this.#hold(OUT, this.#link.out, length, conn, network);
    return true;
  }

  receive(): number {
    while (this.#readyFirst === 0) {
      const length = this.#link.receive();
      if (length === 0) return 0;
      const conn = this.#connOf(IN, this.#link.received);
      const network = conn === -1 ? 0 : this.#networks.of(conn);
      if (this.#passes[network]) {
        this.#received = this.#link.received;
        return length;
      }
      this.#hold(IN, this.#link.received, length, conn, network);
      this.#release();
    }
    const slot = this.#readyFirst - 1;
    this.#readyFirst = this.#next[slot]!;
    const length = this.#length[slot]!;
    this.#received = this.#own;
    this.#give(slot, IN, this.#own);
    this.#slots.free(slot);
    return length;
  }

  advance(nowUs: number): void {
    this.#link.advance(nowUs);
    this.#nowMs = (nowUs - this.#startUs) / 1000;
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
  #hold(direction: 0 | 1, bytes: Uint8Array, length: number, conn: number, network: number): void {
    const one = this.#networks.classes[network]!;
    if (one.lossRatio > 0 && this.#random() < one.lossRatio) {
      this.#counters[COUNT.lost]!++;
      return;
    }
    const cell = conn & this.#cellMask;
    const linkMs = this.#linkMs(direction, one, cell, length - VNET_BYTES);
    const slot = linkMs < 0 ? -1 : this.#slots.take(length);
    if (slot < 0) {
      this.#counters[COUNT.queueRefused]!++;
      return;
    }
    this.#keepers[direction].copy(this.#memory, this.#slots.address(slot), bytes, 0, length);
    this.#length[slot] = length;
    this.#isOut[slot] = direction === OUT ? 1 : 0;
    this.#next[slot] = 0;
    this.#held++;
    const wayMs = one.roundTripMs / 2 + (this.#random() - 0.5) * one.jitterMs;
    const due = this.#dueStep(direction, cell, linkMs + wayMs);
    const place = due & WHEEL_MASK;
    if (this.#first[place] === 0) this.#first[place] = slot + 1;
    else this.#next[this.#last[place]! - 1] = slot + 1;
    this.#last[place] = slot + 1;
    // No delay at all: it is due in the step that has been served already.
    if (due === this.#step && direction === OUT) this.#release();
  }

  /** Until the link has carried these bytes behind those before them, ms; -1 when its queue is full. */
  #linkMs(direction: 0 | 1, one: NetworkClass, cell: number, bytes: number): number {
    const perS = direction === OUT ? one.upBytesPerS : one.downBytesPerS;
    if (perS === Number.POSITIVE_INFINITY) return 0;
    const freeMs = this.#freeMs[direction];
    const waitMs = Math.max(0, freeMs[cell]! - this.#nowMs);
    if (waitMs > QUEUE_MS_MAX) return -1;
    const untilMs = waitMs + (bytes * 1000) / perS;
    freeMs[cell] = this.#nowMs + untilMs;
    return untilMs;
  }

  #dueStep(direction: 0 | 1, cell: number, ms: number): number {
    const lastDue = this.#lastDue[direction];
    const due = Math.max(this.#step + Math.max(0, Math.round(ms)), lastDue[cell]!);
    lastDue[cell] = due;
    return due;
  }

  /** The connection of a packet, by its addresses; -1 for a stray one. */
  #connOf(direction: 0 | 1, bytes: Uint8Array): number {
    // Source and target stand side by side; ours is the first of them on the way out.
    const ours = direction;
    const theirs = 1 - direction;
    const theirPort = port(bytes, PORTS + 2 * theirs);
    const remote = this.#table.knownRemote(address(bytes, ADDRESSES + 4 * theirs), theirPort);
    if (remote === -1) return -1;
    const ourPort = port(bytes, PORTS + 2 * ours);
    return this.#table.find(address(bytes, ADDRESSES + 4 * ours), ourPort, remote);
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
        this.#give(slot, OUT, this.#link.out);
        if (!this.#link.send(this.#length[slot]!)) this.#counters[COUNT.linkRefused]!++;
        this.#slots.free(slot);
      } else {
        this.#next[slot] = 0;
        if (this.#readyFirst === 0) this.#readyFirst = slot + 1;
        else this.#next[this.#readyLast - 1] = slot + 1;
        this.#readyLast = slot + 1;
      }
    }
  }

  #give(slot: number, direction: 0 | 1, target: Uint8Array): void {
    const start = this.#slots.address(slot);
    this.#givers[direction].copy(target, 0, this.#memory, start, start + this.#length[slot]!);
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

function assertPossible(one: NetworkClass): void {
  const { roundTripMs, jitterMs, lossRatio, windowBytes } = one;
  assert(roundTripMs >= 0 && roundTripMs + jitterMs <= ROUND_TRIP_MS_MAX, 'the wheel holds it');
  assert(jitterMs >= 0 && jitterMs <= roundTripMs, 'a packet does not arrive before it leaves');
  assert(lossRatio >= 0 && lossRatio < 1, 'some packets arrive');
  const slowest = Math.min(one.downBytesPerS, one.upBytesPerS);
  assert(slowest >= LINK_BYTES_PER_S_MIN, 'the wheel holds a packet for as long as its link takes');
  assert(windowBytes > 0 && windowBytes <= WINDOW_BYTES_MAX, 'a window is shifted so far');
}

function isBound({ downBytesPerS, upBytesPerS }: NetworkClass): boolean {
  return Math.min(downBytesPerS, upBytesPerS) < Number.POSITIVE_INFINITY;
}

function isUntouched(one: NetworkClass): boolean {
  return one.roundTripMs === 0 && one.lossRatio === 0 && !isBound(one);
}

function address(bytes: Uint8Array, at: number): number {
  const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16);
  return (high | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function port(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
