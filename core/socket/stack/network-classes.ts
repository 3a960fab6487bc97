// The networks of the clients of one stack: a few classes (a phone on a bad link, the host's own), and one
// byte for each connection that says which is its own. With one class for all there is no byte at all.
//
// Who makes a connection chooses its class (ConnectOptions.network), so that the same user has the same
// network in every run, whatever his address is.

import { assert } from '#core/assert.ts';

/** The network of some of the connections. */
export interface NetworkClass {
  /** Round-trip time beside the host's own, ms. */
  roundTripMs: number;
  /** Each way takes up to half of this more or less, ms. */
  jitterMs: number;
  /** Share of packets that are lost, each way: 0..1. */
  lossRatio: number;
  /** What the link of each client carries, to him and from him; Infinity = everything. */
  downBytesPerS: number;
  upBytesPerS: number;
  /** Receive window of each client, bytes: at most this is on its way to him. */
  windowBytes: number;
}

export interface NetworkMix {
  classes: readonly NetworkClass[];
  /** Fixes the fate of packets. */
  seed: number;
}

/** The usual window: the largest that needs no shift. */
export const WINDOW_BYTES = 65_535;
/** The largest window of a client. */
export const WINDOW_BYTES_MAX = 2 ** 20;
export const CLASSES_MAX = 256;
/** The host's own network. */
export const NO_NETWORK: NetworkClass = {
  roundTripMs: 0,
  jitterMs: 0,
  lossRatio: 0,
  downBytesPerS: Number.POSITIVE_INFINITY,
  upBytesPerS: Number.POSITIVE_INFINITY,
  windowBytes: WINDOW_BYTES,
};

export class NetworkClasses {
  readonly classes: readonly NetworkClass[];
  /** By connection; empty when all have the same. */
  readonly #classOf: Uint8Array;
  /** By class: how far its window has to be shifted to fit into 16 bits. */
  readonly #shifts: readonly number[];

  constructor(mix: NetworkMix | undefined, capacity: number) {
    this.classes = mix?.classes ?? [NO_NETWORK];
    const { length } = this.classes;
    assert(length > 0 && length <= CLASSES_MAX, 'a byte tells the classes of a mix apart');
    this.#classOf = new Uint8Array(length > 1 ? capacity : 0);
    this.#shifts = this.classes.map(({ windowBytes }) => shiftOf(windowBytes));
  }

  /** Bytes that one connection of the capacity costs here. */
  get bytesPerConnection(): number {
    return this.#classOf.length === 0 ? 0 : 1;
  }

  join(conn: number, network: number): void {
    if (this.#classOf.length === 0) return;
    assert(network < this.classes.length, 'a connection is in one of the networks there are');
    this.#classOf[conn] = network;
  }

  /** Number of the class of a connection. */
  of(conn: number): number {
    return this.#classOf.length === 0 ? 0 : this.#classOf[conn]!;
  }

  windowBytes(conn: number): number {
    return this.classes[this.of(conn)]!.windowBytes;
  }

  windowShift(conn: number): number {
    return this.#shifts[this.of(conn)]!;
  }
}

function shiftOf(windowBytes: number): number {
  return Math.max(0, Math.ceil(Math.log2(windowBytes / WINDOW_BYTES)));
}
