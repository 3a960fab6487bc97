// The shadow plane: takes copies out of the rings of the production workers and sends each connection's
// bytes to every shadow on a connection of its own, in its own thread at lower priority. Whatever a
// shadow does (refuse, stall, reset, answer garbage), the worst that happens is that its copy of that
// connection is given up, whole, and counted with the reason.
//
// It looks into the rings every BUSY_US while there is traffic and every IDLE_US when there is none;
// production never wakes it, so production makes no system call for the sake of a shadow.
//
// A copy is the pair of a flow and a shadow; `flow` here counts over all production workers. What waits
// for a shadow waits in the reactor's bounded output; an answer is read, counted and thrown away. A copy is
// complete when the shadow has taken every byte and finished its side too, as production did; bytes that
// only lie in the kernel's buffers of a shadow that does not read make no complete copy.

import type { Clock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  REACTOR_STAT,
  type Reactor,
  type ReactorHandler,
  type ReactorOptions,
} from '#core/socket/reactor.ts';
import { COPY, type CopyKind, CopyRingReader, type CopyVisitor } from '#tee-proxy/copy-ring.ts';
import { DrainRequest } from '#tee-proxy/drain-request.ts';
import { ShadowLedger } from '#tee-proxy/shadow-ledger.ts';
import { SHED } from '#tee-proxy/shed-reason.ts';
import { add, CONTROL, PLANE, type TeeMemory } from '#tee-proxy/tee-memory.ts';

export interface ShadowOptions {
  /** Production workers, and client connections of each at most. */
  workers: number;
  flowsMax: number;
  shadows: { address: number; port: number }[];
  /** Bytes that may wait for one shadow connection, and for all together. */
  bufferBytesMax: number;
  bufferBytesTotalMax: number;
}

const BUSY_US = 1000;
const IDLE_US = 20_000;
/** Traffic this long ago still counts as busy. */
const BUSY_FOR_US = 50_000;
/** Bytes taken from a ring in one turn: about what one connection can send in one, so that none piles up. */
const DRAIN_BYTES_MAX = 64 * 1024;
const CONNECT_MS_MAX = 3000;
/** How long a finished copy may take to send what waits and to get the shadow's FIN. */
const LINGER_MS_MAX = 10_000;
const RESET_GRACE_MS = 1000;
/** At the end of the tee: how long what waits may take to leave. */
const STOP_MS_MAX = 500;
const CPU_PERIOD_US = 200_000;

/** Bits of a shadow connection. */
const OPEN = 1;
const CONNECTED = 2;
/** The client has finished sending. */
const ENDED = 4;
/** The production connection is over; what waits is still sent. */
const LINGERS = 8;
/** Lingers, and is to be reset then. */
const DOOMED = 16;
/** Given up here: how it ends says nothing about the shadow. */
const GIVEN_UP = 32;

/** SO_SNDBUF: what the kernel takes of each copy for a shadow that does not read; it would grow to 4 MiB by itself. */
const SHADOW_SOCKET_BYTES = 256 * 1024;

/** Options for createReactor that fit a plane of this size. */
export function shadowReactorOptions(options: ShadowOptions): Omit<ReactorOptions, 'handler'> {
  return {
    // A second one for each copy: a finished copy may linger while its flow is used again.
    capacity: 2 * options.workers * options.flowsMax * options.shadows.length,
    outputBytesMax: options.bufferBytesMax,
    outputBytesTotalMax: options.bufferBytesTotalMax,
    socketSendBytes: SHADOW_SOCKET_BYTES,
  };
}

export class ShadowPlane implements ReactorHandler, CopyVisitor {
  readonly #options: ShadowOptions;
  readonly #memory: TeeMemory;
  readonly #rings: CopyRingReader[];
  readonly #ledger: ShadowLedger;
  readonly #drain: DrainRequest;
  /** Conn of a copy (flow * shadows + shadow), -1 = none; live copies of a flow; its generation. */
  readonly #connOf: Int32Array;
  readonly #liveOf: Uint8Array;
  readonly #generationOf: Int32Array;
  /** Copy of a conn, -1 = none: given up or finished. */
  readonly #copyOf: Int32Array;
  readonly #shadowOf: Uint8Array;
  readonly #bits: Uint8Array;
  #reactor!: Reactor;
  /** Worker whose ring is being drained. */
  #worker = 0;
  #busyUntilUs = 0;
  #cpuDueUs = 0;
  #stopAtUs = 0;

  constructor(options: ShadowOptions, memory: TeeMemory, clock: Clock) {
    const { workers, flowsMax, shadows } = options;
    const { capacity } = shadowReactorOptions(options);
    this.#options = options;
    this.#memory = memory;
    this.#rings = memory.rings.map((ring) => new CopyRingReader(ring));
    this.#ledger = new ShadowLedger(memory, clock);
    this.#drain = new DrainRequest(options.bufferBytesMax);
    this.#connOf = new Int32Array(workers * flowsMax * shadows.length).fill(-1);
    this.#liveOf = new Uint8Array(workers * flowsMax);
    this.#generationOf = new Int32Array(workers * flowsMax);
    this.#copyOf = new Int32Array(capacity).fill(-1);
    this.#shadowOf = new Uint8Array(capacity);
    this.#bits = new Uint8Array(capacity);
  }

  /** The reactor whose handler this is; once, before it runs. */
  attach(reactor: Reactor): void {
    this.#reactor = reactor;
    this.#ledger.attach(reactor);
  }

  onCopyData(flow: number, bytes: Uint8Array, start: number, end: number): void {
    add(this.#memory.plane, PLANE.takenBytes + this.#worker, end - start);
    const shadows = this.#options.shadows.length;
    const first = this.#flow(flow) * shadows;
    for (let shadow = 0; shadow < shadows; shadow++) {
      const conn = this.#connOf[first + shadow]!;
      if (conn >= 0) this.#send(conn, bytes, start, end);
      else this.#ledger.dropped(shadow, end - start);
    }
  }

  onCopyControl(kind: Exclude<CopyKind, typeof COPY.data>, flow: number, value: number): void {
    const index = this.#flow(flow);
    if (kind === COPY.open) {
      this.#open(index, value);
      return;
    }
    const shadows = this.#options.shadows.length;
    for (let copy = index * shadows; copy < (index + 1) * shadows; copy++) {
      const conn = this.#connOf[copy]!;
      if (conn < 0) continue;
      if (kind === COPY.end) this.#end(conn);
      else if (kind === COPY.cut) this.#giveUp(conn, value);
      else this.#finish(conn, kind === COPY.reset);
    }
  }

  onAccept(): void {}

  onConnect(conn: Conn, errno: number): void {
    const shadow = this.#shadowOf[conn]!;
    if (errno !== 0) {
      if ((this.#bits[conn]! & GIVEN_UP) === 0) this.#ledger.notConnected(shadow);
      this.#gone(conn, false, SHED.refused);
      return;
    }
    const bits = (this.#bits[conn]! |= CONNECTED);
    this.#ledger.connected(shadow);
    this.#reactor.setDeadline(conn, (bits & LINGERS) === 0 ? 0 : lingerMs(bits));
    if ((bits & DOOMED) !== 0) this.#doom(conn);
    else if ((bits & ENDED) !== 0) this.#reactor.endOutput(conn);
  }

  /** The shadow answers; nobody wants to know. */
  onData(conn: Conn, _bytes: Uint8Array, start: number, end: number): void {
    this.#ledger.discarded(this.#shadowOf[conn]!, end - start);
  }

  /** The shadow has finished answering; it may go on reading. */
  onEnd(): void {}

  onDrain(conn: Conn): void {
    if ((this.#bits[conn]! & DOOMED) !== 0) this.#reactor.abort(conn);
  }

  onClose(conn: Conn, reason: CloseReason): void {
    const isInKind =
      reason === CLOSE_REASON.aborted
        ? (this.#bits[conn]! & DOOMED) !== 0
        : reason === CLOSE_REASON.orderly;
    this.#gone(conn, isInKind, SHED.reset);
  }

  /** A connection attempt, a finished copy or a reset took too long. */
  onDeadline(conn: Conn): void {
    const isConnected = (this.#bits[conn]! & CONNECTED) !== 0;
    if (!isConnected) this.#ledger.notConnected(this.#shadowOf[conn]!);
    this.#giveUp(conn, isConnected ? SHED.slow : SHED.timeout);
  }

  onWake(): void {}

  onTurn(nowUs: number): number {
    const taken = this.#drainRings();
    const queuedBytes = this.#reactor.stats[REACTOR_STAT.outputBytes]!;
    this.#memory.plane[PLANE.queuedBytes] = queuedBytes;
    if (nowUs >= this.#cpuDueUs) {
      const { user, system } = process.threadCpuUsage();
      this.#memory.plane[PLANE.cpuUs] = user + system;
      this.#cpuDueUs = nowUs + CPU_PERIOD_US;
    }
    if (Atomics.load(this.#memory.control, CONTROL.stopShadow) === 1) {
      this.#stopAtUs ||= nowUs + STOP_MS_MAX * 1000;
      const isOver = taken === 0 && this.#reactor.connections === 0;
      if (isOver || nowUs >= this.#stopAtUs) this.#stop();
    }
    if (taken > 0) this.#busyUntilUs = nowUs + BUSY_FOR_US;
    if (taken >= DRAIN_BYTES_MAX) return 0;
    return nowUs < this.#busyUntilUs ? BUSY_US : IDLE_US;
  }

  #drainRings(): number {
    const epoch = Atomics.load(this.#memory.control, CONTROL.epoch);
    let taken = 0;
    for (let worker = 0; worker < this.#rings.length; worker++) {
      // What a failed predecessor left half done is thrown away by the writer first.
      if (Atomics.load(this.#memory.clearedEpoch, worker) !== epoch) continue;
      this.#worker = worker;
      taken += this.#rings[worker]!.drain(this, DRAIN_BYTES_MAX);
    }
    return taken;
  }

  #open(flow: number, generation: number): void {
    const shadows = this.#options.shadows.length;
    this.#generationOf[flow] = generation;
    this.#liveOf[flow] = 0;
    for (let shadow = 0; shadow < shadows; shadow++) {
      const copy = flow * shadows + shadow;
      const conn = this.#connect(shadow);
      this.#connOf[copy] = conn;
      if (conn < 0) continue;
      this.#copyOf[conn] = copy;
      this.#liveOf[flow]!++;
    }
    if (this.#liveOf[flow] === 0) this.#release(flow);
  }

  #connect(shadow: number): Conn {
    if (!this.#ledger.mayConnect(shadow)) return -1;
    const { address, port } = this.#options.shadows[shadow]!;
    const conn = this.#reactor.connect({ remoteAddress: address, remotePort: port });
    if (conn < 0) {
      this.#ledger.shed(shadow, SHED.full);
      return -1;
    }
    this.#ledger.tried(shadow);
    this.#shadowOf[conn] = shadow;
    this.#bits[conn] = OPEN;
    this.#reactor.setDeadline(conn, CONNECT_MS_MAX);
    return conn;
  }

  #send(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const shadow = this.#shadowOf[conn]!;
    const isPossible = end - start <= this.#options.bufferBytesMax;
    if (isPossible && this.#reactor.send(conn, bytes, start, end)) {
      this.#ledger.handed(shadow, end - start);
      return;
    }
    this.#ledger.dropped(shadow, end - start);
    const { bufferBytesMax, bufferBytesTotalMax } = this.#options;
    const own = this.#reactor.outputBytes(conn) + end - start;
    const total = this.#reactor.stats[REACTOR_STAT.outputBytes]! + end - start;
    if (own > bufferBytesMax) this.#giveUp(conn, SHED.slow);
    else if (total > bufferBytesTotalMax) this.#giveUp(conn, SHED.overrun);
    // With room on both counts the connection itself is going: its end will be announced, with the reason.
  }

  #end(conn: Conn): void {
    this.#bits[conn]! |= ENDED;
    if ((this.#bits[conn]! & CONNECTED) !== 0) this.#reactor.endOutput(conn);
  }

  /** The production connection is over; the copy follows in kind when everything has left. */
  #finish(conn: Conn, isReset: boolean): void {
    this.#detach(conn);
    const bits = (this.#bits[conn]! |= isReset ? LINGERS | DOOMED : LINGERS);
    if (!isReset && (bits & ENDED) === 0) this.#end(conn);
    if ((bits & CONNECTED) === 0) return;
    this.#reactor.setDeadline(conn, lingerMs(bits));
    if (isReset) this.#doom(conn);
  }

  #doom(conn: Conn): void {
    if (this.#reactor.outputBytes(conn) === 0) this.#reactor.abort(conn);
    else this.#drain.ask(this.#reactor, conn);
  }

  /** Gives a copy up, whole: what waits is lost, the shadow sees a reset. */
  #giveUp(conn: Conn, reason: number): void {
    const shadow = this.#shadowOf[conn]!;
    this.#ledger.shed(shadow, reason);
    this.#detach(conn);
    this.#bits[conn]! |= GIVEN_UP;
    this.#reactor.abort(conn);
    this.#ledger.settle(shadow);
  }

  /** A connection has ended; `isInKind`: as its production connection did. */
  #gone(conn: Conn, isInKind: boolean, reason: number): void {
    const shadow = this.#shadowOf[conn]!;
    const isGivenUp = (this.#bits[conn]! & GIVEN_UP) !== 0;
    const lost = this.#ledger.settle(shadow);
    this.#bits[conn] = 0;
    this.#ledger.closed(shadow);
    if (isGivenUp) return;
    this.#detach(conn);
    if (isInKind && lost === 0) this.#ledger.completed(shadow);
    else this.#ledger.shed(shadow, reason);
  }

  /** The conn no longer serves a copy; the last one of a flow tells production to stop copying. */
  #detach(conn: Conn): void {
    const copy = this.#copyOf[conn]!;
    if (copy < 0) return;
    this.#copyOf[conn] = -1;
    this.#connOf[copy] = -1;
    const flow = Math.floor(copy / this.#options.shadows.length);
    if (--this.#liveOf[flow]! === 0) this.#release(flow);
  }

  #release(flow: number): void {
    const { flowsMax } = this.#options;
    const released = this.#memory.released[Math.floor(flow / flowsMax)]!;
    Atomics.store(released, flow % flowsMax, this.#generationOf[flow]!);
  }

  /** Ends the reactor; copies that are not complete by now are given up and counted first. */
  #stop(): void {
    for (let conn = 0; conn < this.#bits.length; conn++) {
      const bits = this.#bits[conn]!;
      if ((bits & OPEN) !== 0 && (bits & GIVEN_UP) === 0) this.#giveUp(conn, SHED.stopped);
    }
    this.#reactor.stop();
  }

  #flow(flowOfWorker: number): number {
    return this.#worker * this.#options.flowsMax + flowOfWorker;
  }
}

function lingerMs(bits: number): number {
  return (bits & DOOMED) !== 0 ? RESET_GRACE_MS : LINGER_MS_MAX;
}
