// A stack, a model peer and the lossy network between them, on virtual time: everything that happens
// follows from the seed.

import assert from 'node:assert/strict';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  REACTOR_STAT_COUNT,
  type ReactorHandler,
  type ReactorOptions,
  REACTOR_STAT as STAT,
} from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import type { NetworkMix } from '#core/socket/stack/network-classes.ts';
import { PACKET_BYTES_MAX } from '#core/socket/stack/packet.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { STACK_COUNT, STACK_COUNT_COUNT } from '#core/socket/stack/stack-counters.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import { TcpStack } from '#core/socket/stack/tcp-stack.ts';
import { type ModelOffer, ModelPeer } from '#core/socket/stack/test/model-peer.ts';

export const PEER_ADDRESS = 0x0ac80001;
export const PEER_PORT = 1883;
/** Where time begins: not at 0, and soon past a wrap of the clock of sequence numbers. */
const START_US = 2 ** 32 * 4 - 3_000_000;

export interface Told {
  conn: Conn;
  connectErrno: number | undefined;
  chunks: Buffer[];
  receivedBytes: number;
  hasEnded: boolean;
  drains: number;
  deadlines: number;
  closeReason: CloseReason | undefined;
  closeErrno: number | undefined;
}

/** A small generator of reproducible draws in [0, 1). */
export function draws(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export interface SimulationOptions {
  seed?: number;
  lossRatio?: number;
  /** Each packet takes this long, plus a draw of the second, ms: larger than 0, they overtake each other. */
  delayMs?: number;
  jitterMs?: number;
  /** Networks of the clients, beside the simulated link. */
  network?: NetworkMix;
  tcp?: Partial<TcpKnobs>;
  /** What the peer offers; else no option but the segment size. */
  offer?: Partial<ModelOffer>;
  reactor?: Partial<ReactorOptions>;
  handler?: Partial<ReactorHandler>;
}

/** A packet on its way. */
interface Moving {
  dueUs: number;
  order: number;
  packet: Uint8Array;
  toPeer: boolean;
}

export class Simulation implements PacketLink {
  readonly out = new Uint8Array(PACKET_BYTES_MAX);
  readonly received = new Uint8Array(PACKET_BYTES_MAX);
  readonly stats = new Float64Array(REACTOR_STAT_COUNT);
  readonly counters = new Float64Array(STACK_COUNT_COUNT);
  readonly stack: TcpStack;
  readonly peer: ModelPeer;
  readonly told = new Map<Conn, Told>();
  nowUs = START_US;
  lossRatio: number;
  delayMs: number;
  readonly #draw: () => number;
  readonly #options: SimulationOptions;
  #moving: Moving[] = [];
  #arrived: Uint8Array[] = [];
  #order = 0;

  constructor(options: SimulationOptions = {}) {
    this.#options = options;
    this.lossRatio = options.lossRatio ?? 0;
    this.delayMs = options.delayMs ?? 0;
    this.#draw = draws(options.seed ?? 1);
    this.peer = new ModelPeer(PEER_ADDRESS, PEER_PORT, (packet) => this.#move(packet, false));
    this.peer.nowMs = this.nowUs / 1000;
    this.peer.offer = { ...this.peer.offer, ...options.offer };
    const settings = settleOptions({
      capacity: 100,
      ...options.reactor,
      handler: this.#handler(options.handler ?? {}),
    });
    this.stack = new TcpStack({
      settings,
      link: this,
      network: options.network,
      tcp: options.tcp,
      block: { addressMin: 0x0a400000, addressCount: 256 },
      stats: this.stats,
      counters: this.counters,
      secret: options.seed ?? 1,
      nowUs: this.nowUs,
    });
  }

  count(name: keyof typeof STACK_COUNT): number {
    return this.counters[STACK_COUNT[name]]!;
  }

  stat(name: keyof typeof STAT): number {
    return this.stats[STAT[name]]!;
  }

  connect(port = PEER_PORT, network = 0): Told {
    const conn = this.stack.connect({ remoteAddress: PEER_ADDRESS, remotePort: port, network });
    assert.notEqual(conn, -1);
    const told: Told = {
      conn,
      connectErrno: undefined,
      chunks: [],
      receivedBytes: 0,
      hasEnded: false,
      drains: 0,
      deadlines: 0,
      closeReason: undefined,
      closeErrno: undefined,
    };
    this.told.set(conn, told);
    return told;
  }

  /** Connects and waits until it stands. */
  open(network = 0): Told {
    const told = this.connect(PEER_PORT, network);
    this.until(() => told.connectErrno === 0);
    return told;
  }

  /** One millisecond of everything. */
  step(): void {
    this.nowUs += 1000;
    this.#deliver();
    this.stack.receive(this.nowUs, 1000);
    this.stack.fireTimers();
    this.stack.finishTurn();
    this.peer.tick(this.nowUs / 1000);
  }

  /** Steps until the condition holds, at most so many virtual seconds. */
  until(condition: () => boolean, secondsMax = 600): void {
    for (let ms = 0; ms < secondsMax * 1000; ms++) {
      if (condition()) return;
      this.step();
    }
    assert.fail(`it did not happen within ${secondsMax} virtual seconds: ${condition}`);
  }

  pass(ms: number): void {
    for (let done = 0; done < ms; done++) this.step();
  }

  /** Nothing is left of any connection: no flight, no bytes, no deadline. */
  assertEmpty(): void {
    assert.equal(this.stack.table.used, 0);
    assert.equal(this.stack.flights, 0);
    assert.equal(this.stack.outputBytes, 0);
    assert.equal(this.stack.keeping, 0);
    assert.equal(this.stack.deadlines, 0);
    assert.equal(this.stat('connections'), 0);
  }

  send(length: number): boolean {
    this.#move(this.out.slice(0, length), true);
    return true;
  }

  receive(): number {
    const packet = this.#arrived.shift();
    if (packet === undefined) return 0;
    this.received.set(packet);
    return packet.length;
  }

  advance(): void {}

  waitUs(): number {
    return 0;
  }

  reaches(): boolean {
    return true;
  }

  close(): void {}

  #move(packet: Uint8Array, toPeer: boolean): void {
    if (this.#draw() < this.lossRatio) return;
    const { jitterMs = 0 } = this.#options;
    const dueUs = this.nowUs + (this.delayMs + this.#draw() * jitterMs) * 1000;
    this.#moving.push({ dueUs, order: this.#order++, packet, toPeer });
  }

  #deliver(): void {
    const due = this.#moving.filter(({ dueUs }) => dueUs <= this.nowUs);
    this.#moving = this.#moving.filter(({ dueUs }) => dueUs > this.nowUs);
    due.sort((a, b) => a.dueUs - b.dueUs || a.order - b.order);
    for (const { packet, toPeer } of due) {
      if (toPeer) this.peer.take(packet);
      else this.#arrived.push(packet);
    }
  }

  #handler(hooks: Partial<ReactorHandler>): ReactorHandler {
    const of = (conn: Conn): Told => {
      const told = this.told.get(conn);
      assert.ok(told !== undefined && told.closeReason === undefined, `${conn} is alive`);
      return told;
    };
    return {
      onAccept: () => assert.fail('nobody is accepted'),
      onConnect: (conn, errno) => {
        assert.equal(of(conn).connectErrno, undefined, 'a connect ends once');
        of(conn).connectErrno = errno;
        if (errno !== 0) this.told.delete(conn);
        hooks.onConnect?.(conn, errno);
      },
      onData: (conn, bytes, start, end) => {
        const told = of(conn);
        assert.ok(!told.hasEnded && start < end);
        told.chunks.push(Buffer.from(bytes.subarray(start, end)));
        told.receivedBytes += end - start;
        hooks.onData?.(conn, bytes, start, end);
      },
      onEnd: (conn) => {
        assert.ok(!of(conn).hasEnded, 'the end comes once');
        of(conn).hasEnded = true;
        hooks.onEnd?.(conn);
      },
      onDrain: (conn) => {
        of(conn).drains++;
        hooks.onDrain?.(conn);
      },
      onClose: (conn, reason, errno) => {
        const told = of(conn);
        assert.equal(errno !== 0, reason === CLOSE_REASON.reset, 'only a reset has an errno');
        told.closeReason = reason;
        told.closeErrno = errno;
        this.told.delete(conn);
        hooks.onClose?.(conn, reason, errno);
      },
      onDeadline: (conn) => {
        of(conn).deadlines++;
        hooks.onDeadline?.(conn);
      },
      onWake() {},
      onTurn: () => Number.POSITIVE_INFINITY,
    };
  }
}
