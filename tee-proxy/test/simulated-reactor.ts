// A reactor without a network, for tests of the planes: the test plays the peers, the kernel and the
// time, one step after the other, and sees what each peer would have got. It keeps the contract of
// core/socket/reactor.ts strictly (nothing re-entrant, refused sends, drain, half-close) and checks its use.

import { constants } from 'node:os';
import { assert } from '#core/assert.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ConnectOptions,
  REACTOR_STAT_COUNT,
  type Reactor,
  type ReactorHandler,
  type ReactorOptions,
  REACTOR_STAT as STAT,
  type Waker,
} from '#core/socket/reactor.ts';

/** One connection as its peer sees it. */
export interface SimulatedPeer {
  conn: Conn;
  /** Port of the remote end for connects; 0 for accepted ones. */
  port: number;
  isConnected: boolean;
  /** Bytes that reached the peer. */
  received: Buffer;
  gotEnd: boolean;
  gotReset: boolean;
  hasEnded: boolean;
  isPaused: boolean;
  hasDeadline: boolean;
  isGone: boolean;
  output: Buffer;
  outputEnded: boolean;
  owesDrain: boolean;
}

export class SimulatedReactor implements Reactor {
  readonly engine = 'net';
  readonly capacity: number;
  readonly stats = new Float64Array(new SharedArrayBuffer(8 * REACTOR_STAT_COUNT));
  readonly waker: Waker = { engine: 'net', shared: new SharedArrayBuffer(16), eventFd: -1 };
  /** Every connection there ever was, in order. */
  readonly peers: SimulatedPeer[] = [];
  isAccepting = true;
  isStopped = false;
  readonly #handler: ReactorHandler;
  readonly #dropsLate: boolean;
  readonly #outputBytesMax: number;
  readonly #outputBytesTotalMax: number;
  readonly #byConn = new Map<Conn, SimulatedPeer>();
  readonly #pending: (() => void)[] = [];

  /** `dropsLate`: unsent output of an aborted connection counts until its end is told (as ring does). */
  constructor(options: ReactorOptions, dropsLate = false) {
    this.#dropsLate = dropsLate;
    this.#handler = options.handler;
    this.capacity = options.capacity;
    this.#outputBytesMax = options.outputBytesMax ?? 65_536;
    this.#outputBytesTotalMax = options.outputBytesTotalMax ?? 2 ** 26;
  }

  get connections(): number {
    return this.#byConn.size;
  }

  // What the planes call.

  listen(): { listener: number; port: number } {
    return { listener: 0, port: 1 };
  }

  connect(options: ConnectOptions): Conn {
    return this.#add(options.remotePort, false)?.conn ?? -1;
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const peer = this.#peer(conn);
    const count = end - start;
    assert(count > 0 && count <= this.#outputBytesMax, 'a send fits into an empty output');
    if (peer.isGone || peer.outputEnded) return false;
    const fits = peer.output.length + count <= this.#outputBytesMax;
    if (!fits || this.stats[STAT.outputBytes]! + count > this.#outputBytesTotalMax) {
      peer.owesDrain = true;
      return false;
    }
    peer.output = Buffer.concat([peer.output, bytes.subarray(start, end)]);
    this.stats[STAT.outputBytes]! += count;
    return true;
  }

  outputBytes(conn: Conn): number {
    return this.#peer(conn).output.length;
  }

  pauseReceive(conn: Conn): void {
    this.#peer(conn).isPaused = true;
  }

  resumeReceive(conn: Conn): void {
    this.#peer(conn).isPaused = false;
  }

  endOutput(conn: Conn): void {
    this.#peer(conn).outputEnded = true;
    this.#pending.push(() => this.take(this.#byConn.get(conn), 0));
  }

  close(): void {
    assert(false, 'the planes end output or abort');
  }

  abort(conn: Conn): void {
    const peer = this.#peer(conn);
    if (peer.isGone) return;
    peer.gotReset = true;
    this.#end(peer, CLOSE_REASON.aborted, 0);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.#peer(conn).hasDeadline = ms > 0;
  }

  set(): void {}

  setAccepting(accepting: boolean): void {
    this.isAccepting = accepting;
  }

  async run(): Promise<void> {}

  stop(): void {
    this.isStopped = true;
    for (const peer of [...this.#byConn.values()]) {
      if (!peer.isGone) this.#end(peer, CLOSE_REASON.stopped, 0);
    }
  }

  // What the test does.

  /** A client connects. */
  accept(): SimulatedPeer | undefined {
    const peer = this.isAccepting ? this.#add(0, true) : undefined;
    if (peer !== undefined) this.#act(() => this.#handler.onAccept(peer.conn, 0));
    return peer;
  }

  finishConnect(peer: SimulatedPeer, errno: number): void {
    if (peer.isGone || peer.isConnected) return;
    if (errno !== 0) this.#end(peer, CLOSE_REASON.reset, errno);
    else {
      peer.isConnected = true;
      this.#act(() => this.#handler.onConnect(peer.conn, 0));
    }
    this.#settle();
  }

  /** The peer's bytes arrive; false when receiving is over, or paused and they were not under way already. */
  deliver(peer: SimulatedPeer, bytes: Uint8Array, isUnderWay = false): boolean {
    if (peer.isGone || !peer.isConnected || peer.hasEnded) return false;
    if (peer.isPaused && !isUnderWay) return false;
    this.#act(() => this.#handler.onData(peer.conn, bytes, 0, bytes.length));
    return true;
  }

  endPeer(peer: SimulatedPeer): boolean {
    if (peer.isGone || !peer.isConnected || peer.isPaused || peer.hasEnded) return false;
    peer.hasEnded = true;
    this.#act(() => this.#handler.onEnd(peer.conn));
    this.take(peer, 0);
    return true;
  }

  resetPeer(peer: SimulatedPeer): void {
    if (peer.isGone || !peer.isConnected) return;
    this.#end(peer, CLOSE_REASON.reset, constants.errno.ECONNRESET);
    this.#settle();
  }

  /** The peer reads up to `count` bytes. */
  take(peer: SimulatedPeer | undefined, count: number): void {
    if (peer === undefined || peer.isGone || !peer.isConnected) return;
    const taken = peer.output.subarray(0, count);
    peer.output = peer.output.subarray(taken.length);
    peer.received = Buffer.concat([peer.received, taken]);
    this.stats[STAT.outputBytes]! -= taken.length;
    this.stats[STAT.txBytes]! += taken.length;
    if (peer.output.length > 0) return;
    if (peer.outputEnded) peer.gotEnd = true;
    if (peer.owesDrain && !peer.outputEnded) {
      peer.owesDrain = false;
      this.#act(() => this.#handler.onDrain(peer.conn));
    }
    if (peer.gotEnd && peer.hasEnded && !peer.isGone) this.#end(peer, CLOSE_REASON.orderly, 0);
    this.#settle();
  }

  passDeadline(peer: SimulatedPeer): void {
    if (peer.isGone || !peer.hasDeadline) return;
    peer.hasDeadline = false;
    this.#act(() => this.#handler.onDeadline(peer.conn));
  }

  turn(nowUs: number): number {
    let wish = 0;
    this.#act(() => (wish = this.#handler.onTurn(nowUs)));
    return wish;
  }

  #act(call: () => void): void {
    call();
    this.#settle();
  }

  #settle(): void {
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) next();
  }

  #end(peer: SimulatedPeer, reason: CloseReason, errno: number): void {
    peer.isGone = true;
    if (!this.#dropsLate) this.#drop(peer);
    this.#pending.push(() => {
      this.#drop(peer);
      const failed = errno || constants.errno.ECANCELED;
      if (peer.isConnected) this.#handler.onClose(peer.conn, reason, errno);
      else this.#handler.onConnect(peer.conn, failed);
      this.#byConn.delete(peer.conn);
    });
  }

  #drop(peer: SimulatedPeer): void {
    this.stats[STAT.outputBytes]! -= peer.output.length;
    peer.output = Buffer.alloc(0);
  }

  #add(port: number, isConnected: boolean): SimulatedPeer | undefined {
    let conn = 0;
    while (this.#byConn.has(conn)) conn++;
    if (conn >= this.capacity) return undefined;
    const peer: SimulatedPeer = {
      conn,
      port,
      isConnected,
      received: Buffer.alloc(0),
      gotEnd: false,
      gotReset: false,
      hasEnded: false,
      isPaused: false,
      hasDeadline: false,
      isGone: false,
      output: Buffer.alloc(0),
      outputEnded: false,
      owesDrain: false,
    };
    this.#byConn.set(conn, peer);
    this.peers.push(peer);
    return peer;
  }

  #peer(conn: Conn): SimulatedPeer {
    const peer = this.#byConn.get(conn);
    assert(peer !== undefined, `connection ${conn} is open`);
    return peer;
  }
}
