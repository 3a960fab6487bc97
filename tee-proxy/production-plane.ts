// The production plane: takes clients, connects each to the upstream, and passes bytes, FIN and RST on
// in kind and in order. It parses nothing, waits for nothing but client and upstream, and never touches
// a shadow: the copy of a client's bytes is a copy into a ring in memory, and no room there ends the
// copy, not the connection.
//
// A connection pair is a flow. Its two ends are numbers: end 2*flow is the client's, 2*flow + 1 the
// upstream's, so `end ^ 1` is the other one. All state is in typed arrays indexed by flow, end or conn.
//
// Back-pressure: an end with more than OUTPUT_BYTES_PAUSE waiting pauses the other's receiving until its
// output is empty. Above OUTPUT_BYTES_SOFT of all ends together the pause comes at the first byte, so
// memory is bounded by that plus two receive buffers an end.
//
// Reset in kind: what one end had sent before its reset is passed on first (for RESET_GRACE_MS at the
// most), then the other end is reset.

import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  REACTOR_STAT,
  type Reactor,
  type ReactorHandler,
  type ReactorOptions,
} from '#core/socket/reactor.ts';
import { COPY } from '#tee-proxy/copy-ring.ts';
import { CopySource } from '#tee-proxy/copy-source.ts';
import { DrainRequest } from '#tee-proxy/drain-request.ts';
import {
  add,
  CONTROL,
  PRODUCTION,
  type SharedFloats,
  type SharedWords,
  type TeeMemory,
} from '#tee-proxy/tee-memory.ts';

export interface ProductionOptions {
  /** Index of this worker, and how many there are. */
  worker: number;
  workers: number;
  /** Client connections at a time. */
  flowsMax: number;
  upstream: { address: number; port: number };
  /** Seed of the choice which connections are copied. */
  seed: number;
}

const RECEIVE_BYTES = 16 * 1024;
/** Waiting output that pauses the sender: what loopback needs to stay busy between two turns. */
const OUTPUT_BYTES_PAUSE = 64 * 1024;
const OUTPUT_BYTES_SOFT = 64 * 1024 * 1024;
/** What one read of a connection may bring: libuv's buffer. */
const READ_BYTES_MAX = 64 * 1024;
/** Room for what may still arrive after the pause, so that no send is refused. */
const OUTPUT_BYTES_MAX = OUTPUT_BYTES_PAUSE + 4 * READ_BYTES_MAX;
/** The same for all ends together; beyond it memory would be at stake, and connections are cut. */
const OUTPUT_BYTES_TOTAL_MAX = 1024 * 1024 * 1024;
const CONNECT_MS_MAX = 10_000;
const RESET_GRACE_MS = 1000;
const CPU_PERIOD_US = 200_000;

/** Bits of an end. */
const ENDED = 1;
const PAUSED = 2;
const DOOMED = 4;
const CONNECTED = 8;

/** Options for createReactor that fit a plane of this size. */
export function productionReactorOptions(
  flowsMax: number,
): Omit<ReactorOptions, 'handler'> & { outputBytesTotalMax: number } {
  // Slack: clients that were accepted in the same turn as the one that filled the table.
  const capacity = 2 * flowsMax + 64;
  return {
    capacity,
    outputBytesMax: OUTPUT_BYTES_MAX,
    outputBytesTotalMax: Math.min(
      OUTPUT_BYTES_TOTAL_MAX,
      OUTPUT_BYTES_SOFT + capacity * OUTPUT_BYTES_MAX,
    ),
    receiveBufferBytes: RECEIVE_BYTES,
  };
}

export class ProductionPlane implements ReactorHandler {
  readonly #options: ProductionOptions;
  readonly #control: SharedWords;
  readonly #counters: SharedFloats;
  readonly #copies: CopySource;
  readonly #outputBytesTotalMax: number;
  /** End of a conn, -1 = none; conn of an end, -1 = gone. */
  readonly #endOf: Int32Array;
  readonly #connOf: Int32Array;
  readonly #bits: Uint8Array;
  readonly #freeFlows: Int32Array;
  readonly #drain = new DrainRequest(OUTPUT_BYTES_MAX);
  #freeCount: number;
  #reactor!: Reactor;
  /** Bytes of a client that came before its upstream was there, by flow. */
  readonly #early = new Map<number, Buffer>();
  /** Connections that have reached the upstream: the next one's number. */
  #joined = 0;
  #cpuDueUs = 0;

  constructor(options: ProductionOptions, memory: TeeMemory) {
    const { flowsMax, worker, seed } = options;
    this.#options = options;
    this.#control = memory.control;
    this.#counters = memory.production[worker]!;
    this.#copies = new CopySource(worker, memory, flowsMax, seed);
    const reactor = productionReactorOptions(flowsMax);
    this.#outputBytesTotalMax = reactor.outputBytesTotalMax;
    this.#endOf = new Int32Array(reactor.capacity).fill(-1);
    this.#connOf = new Int32Array(2 * flowsMax).fill(-1);
    this.#bits = new Uint8Array(2 * flowsMax);
    this.#freeFlows = Int32Array.from({ length: flowsMax }, (_, index) => flowsMax - 1 - index);
    this.#freeCount = flowsMax;
    this.#copies.obey();
  }

  /** The reactor whose handler this is; once, before it runs. */
  attach(reactor: Reactor): void {
    this.#reactor = reactor;
  }

  onAccept(client: Conn): void {
    add(this.#counters, PRODUCTION.accepted, 1);
    if (this.#freeCount === 0) {
      this.#turnAway(client, PRODUCTION.refusedFull);
      return;
    }
    const { upstream } = this.#options;
    const conn = this.#reactor.connect({
      remoteAddress: upstream.address,
      remotePort: upstream.port,
    });
    if (conn < 0) {
      this.#turnAway(client, PRODUCTION.upstreamFailed);
      return;
    }
    const flow = this.#freeFlows[--this.#freeCount]!;
    if (this.#freeCount === 0) this.#reactor.setAccepting(false);
    this.#counters[PRODUCTION.connections] = this.#options.flowsMax - this.#freeCount;
    this.#bind(2 * flow, client, CONNECTED);
    this.#bind(2 * flow + 1, conn, 0);
    // Nothing to send the client's bytes to yet.
    this.#reactor.pauseReceive(client);
    this.#reactor.setDeadline(conn, CONNECT_MS_MAX);
  }

  onConnect(upstream: Conn, errno: number): void {
    const end = this.#endOf[upstream]!;
    if (end < 0) return;
    const client = this.#connOf[end ^ 1]!;
    if (errno !== 0) this.#gone(end, upstream, false);
    else if (client < 0) this.#reactor.abort(upstream);
    else this.#join(end >> 1, client, upstream);
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, stop: number): void {
    const from = this.#endOf[conn]!;
    if (from < 0) return;
    const target = this.#connOf[from ^ 1]!;
    const bits = this.#bits[from ^ 1]!;
    if (target < 0 || (bits & DOOMED) !== 0) return;
    if ((bits & CONNECTED) === 0) this.#keepEarly(from >> 1, bytes, start, stop);
    else this.#pass(from, target, bytes, start, stop);
  }

  onEnd(conn: Conn): void {
    const end = this.#endOf[conn]!;
    if (end < 0) return;
    this.#bits[end]! |= ENDED;
    if ((this.#bits[end ^ 1]! & CONNECTED) !== 0) this.#passEnd(end);
  }

  onDrain(conn: Conn): void {
    const end = this.#endOf[conn]!;
    if (end < 0) return;
    if ((this.#bits[end]! & DOOMED) !== 0) this.#reactor.abort(conn);
    const source = end ^ 1;
    if ((this.#bits[source]! & PAUSED) === 0) return;
    this.#bits[source]! &= ~PAUSED;
    if (this.#connOf[source]! >= 0) this.#reactor.resumeReceive(this.#connOf[source]!);
  }

  onClose(conn: Conn, reason: CloseReason): void {
    const end = this.#endOf[conn]!;
    if (end < 0) return;
    // When the tee stops, what the shadow has not got yet is still sent, then ended.
    if (reason === CLOSE_REASON.stopped) this.#copies.finish(end >> 1, COPY.done);
    this.#gone(end, conn, reason === CLOSE_REASON.orderly || reason === CLOSE_REASON.stopped);
  }

  /** A connection attempt or a reset took too long. */
  onDeadline(conn: Conn): void {
    if (this.#endOf[conn]! >= 0) this.#reactor.abort(conn);
  }

  onWake(): void {}

  onTurn(nowUs: number): number {
    this.#copies.obey();
    if (Atomics.load(this.#control, CONTROL.stopProduction) === 1) this.#reactor.stop();
    if (nowUs < this.#cpuDueUs) return this.#cpuDueUs - nowUs;
    const { user, system } = process.threadCpuUsage();
    const isIdle = user + system === this.#counters[PRODUCTION.cpuUs];
    this.#counters[PRODUCTION.cpuUs] = user + system;
    this.#cpuDueUs = nowUs + CPU_PERIOD_US;
    return isIdle ? Number.POSITIVE_INFINITY : CPU_PERIOD_US;
  }

  /** The upstream has answered: what the client has sent since goes there, and the copy begins. */
  #join(flow: number, client: Conn, upstream: Conn): void {
    const clientEnd = 2 * flow;
    this.#reactor.setDeadline(upstream, 0);
    this.#bits[clientEnd + 1]! |= CONNECTED;
    this.#copies.begin(flow, this.#joined++ * this.#options.workers + this.#options.worker);
    const early = this.#early.get(flow);
    if (early !== undefined) {
      this.#early.delete(flow);
      this.#pass(clientEnd, upstream, early, 0, early.length);
    }
    if ((this.#bits[clientEnd]! & ENDED) !== 0) this.#passEnd(clientEnd);
    if ((this.#bits[clientEnd]! & PAUSED) === 0) this.#reactor.resumeReceive(client);
  }

  #pass(from: number, target: Conn, bytes: Uint8Array, start: number, stop: number): void {
    const isClient = (from & 1) === 0;
    if (!this.#reactor.send(target, bytes, start, stop)) {
      this.#refused(target, stop - start);
      return;
    }
    add(this.#counters, isClient ? PRODUCTION.rxBytes : PRODUCTION.txBytes, stop - start);
    if (isClient) this.#copies.bytes(from >> 1, bytes, start, stop);
    if ((this.#bits[from]! & PAUSED) !== 0) return;
    const total = this.#reactor.stats[REACTOR_STAT.outputBytes]!;
    const pauseAbove = total > OUTPUT_BYTES_SOFT ? 0 : OUTPUT_BYTES_PAUSE;
    if (this.#reactor.outputBytes(target) <= pauseAbove) return;
    this.#bits[from]! |= PAUSED;
    this.#reactor.pauseReceive(this.#connOf[from]!);
    this.#drain.ask(this.#reactor, target);
    add(this.#counters, isClient ? PRODUCTION.pausesForUpstream : PRODUCTION.pausesForClient, 1);
  }

  /** The target took nothing: because it is going (its end will be announced), or against all bounds. */
  #refused(target: Conn, bytes: number): void {
    const total = this.#reactor.stats[REACTOR_STAT.outputBytes]! + bytes;
    const own = this.#reactor.outputBytes(target) + bytes;
    if (own > OUTPUT_BYTES_MAX || total > this.#outputBytesTotalMax) {
      add(this.#counters, PRODUCTION.outputOverflows, 1);
    }
    // A gap in the stream would be worse than its end.
    this.#reactor.abort(target);
  }

  /** The FIN of `end` goes on to the other end; its bytes may still come back. */
  #passEnd(end: number): void {
    const target = this.#connOf[end ^ 1]!;
    if (target < 0) return;
    this.#reactor.endOutput(target);
    if ((end & 1) === 0) this.#copies.end(end >> 1);
  }

  /** Bytes that were under way when receiving was paused at accept: rare, and one receive buffer at most. */
  #keepEarly(flow: number, bytes: Uint8Array, start: number, stop: number): void {
    const before = this.#early.get(flow);
    const part = bytes.subarray(start, stop);
    this.#early.set(flow, Buffer.concat(before === undefined ? [part] : [before, part]));
  }

  /** An end is gone for good; the other one follows in kind, or the flow is over. */
  #gone(end: number, conn: Conn, isOrderly: boolean): void {
    const flow = end >> 1;
    const other = this.#connOf[end ^ 1]!;
    this.#endOf[conn] = -1;
    this.#connOf[end] = -1;
    if (!isOrderly) this.#copies.finish(flow, COPY.reset);
    if (other >= 0) {
      const isUpstream = (end & 1) === 1;
      if (isUpstream && (this.#bits[end]! & CONNECTED) === 0) {
        add(this.#counters, PRODUCTION.upstreamFailed, 1);
      }
      if (!isOrderly) this.#doom(end ^ 1, other);
      return;
    }
    this.#copies.finish(flow, COPY.done);
    this.#early.delete(flow);
    if (this.#freeCount === 0) this.#reactor.setAccepting(true);
    this.#freeFlows[this.#freeCount++] = flow;
    this.#counters[PRODUCTION.connections] = this.#options.flowsMax - this.#freeCount;
  }

  /** Resets an end, after what waits for it has left. */
  #doom(end: number, conn: Conn): void {
    if (this.#reactor.outputBytes(conn) === 0) {
      this.#reactor.abort(conn);
      return;
    }
    this.#bits[end]! |= DOOMED;
    this.#reactor.pauseReceive(conn);
    this.#reactor.setDeadline(conn, RESET_GRACE_MS);
    this.#drain.ask(this.#reactor, conn);
  }

  #turnAway(client: Conn, counter: number): void {
    add(this.#counters, counter, 1);
    this.#reactor.abort(client);
  }

  #bind(end: number, conn: Conn, bits: number): void {
    this.#endOf[conn] = end;
    this.#connOf[end] = conn;
    this.#bits[end] = bits;
  }
}
