// Engine net: the reactor's interface over node:net, for any platform. It costs about 3.5 KB and twice
// the CPU per connection of engine ring, and is limited by the process's descriptors; it is what runs
// where the kernel forbids io_uring.
//
// A turn is one round of libuv: the first event schedules the end of the turn with setImmediate, which
// libuv runs after all events of the round. There the deadlines fire, `onTurn` is called and the output
// of the turn leaves.

import { Socket } from 'node:net';
import { constants } from 'node:os';
import { TLSSocket } from 'node:tls';
import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { NetConnection } from '#core/socket/net/net-connection.ts';
import { NetListener } from '#core/socket/net/net-listener.ts';
import { type TlsConnect, wrapInTls } from '#core/socket/net/tls-connect.ts';
import { FLUSH_BYTES } from '#core/socket/output-queue.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ConnectOptions,
  LINGER_MS,
  type ListenOptions,
  REACTOR_STAT_COUNT,
  type Reactor,
  type ReactorKnobs,
  REACTOR_STAT as STAT,
  type Waker,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { WakerEnd, wake } from '#core/socket/waker.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

/** Keeps libuv alive while a reactor has nothing open, ms. */
const KEEP_ALIVE_MS = 60_000;

export class NetReactor implements Reactor {
  readonly engine = 'net';
  readonly capacity: number;
  readonly stats = new Float64Array(
    new SharedArrayBuffer(REACTOR_STAT_COUNT * Float64Array.BYTES_PER_ELEMENT),
  );
  readonly waker: Waker;
  readonly #settings: ReactorSettings;
  readonly #tls: TlsConnect | undefined;
  readonly #wakerEnd = new WakerEnd('net', -1);
  readonly #wheel: TimerWheel;
  readonly #connections: (NetConnection | undefined)[] = [];
  readonly #free: Conn[] = [];
  readonly #listeners: NetListener[] = [];
  readonly #dirty = new Set<NetConnection>();
  /** End of the turn that made the first of them so; 0 = none is. */
  #dirtyUs = 0;
  /** One of them has enough output to leave. */
  #isFlushDue = false;
  /** Refused by the bound of the whole reactor while their own output was empty. */
  readonly #starved = new Set<NetConnection>();
  readonly #beforeRun: (() => void)[] = [];
  #state: 'new' | 'running' | 'stopping' | 'ended' = 'new';
  #accepting = true;
  /** Connections wait because the reactor is full. */
  #isFull = false;
  #turnScheduled = false;
  #turnStartUs = 0;
  #timer: NodeJS.Timeout | undefined;
  #resolveEmpty: (() => void) | undefined;
  #failure: { error: unknown } | undefined;

  /** `tls`: connections made here speak it, and `onConnect` comes after their handshake. */
  constructor(settings: ReactorSettings, tls?: TlsConnect) {
    this.#settings = settings;
    this.#tls = tls;
    this.capacity = settings.capacity;
    this.waker = this.#wakerEnd.waker;
    this.#wheel = new TimerWheel(settings.capacity, nowMs());
  }

  get connections(): number {
    return this.stats[STAT.connections]!;
  }

  listen(options: ListenOptions): { listener: number; port: number } {
    const index = this.#listeners.length;
    const listener = new NetListener(
      options,
      () => this.#event(() => this.#admit()),
      () => this.#count(STAT.acceptRefused, 1),
    );
    this.#listeners.push(listener);
    return { listener: index, port: listener.port };
  }

  connect(options: ConnectOptions): Conn {
    const conn = this.#takeConn();
    if (conn === -1) {
      this.#count(STAT.connectRefused, 1);
      return -1;
    }
    const carrier = new Socket({ allowHalfOpen: true }).setNoDelay(true);
    const socket = this.#tls === undefined ? carrier : wrapInTls(carrier, this.#tls);
    const connection = this.#register(conn, socket);
    socket.once(socket === carrier ? 'connect' : 'secureConnect', () =>
      this.#event(() => {
        connection.announced = true;
        this.#count(STAT.connected, 1);
        this.#settings.handler.onConnect(conn, 0);
        // What was sent or ended while it connected.
        this.#markDirty(connection);
      }),
    );
    this.#whenRunning(() => {
      if (connection.reason !== CLOSE_REASON.orderly) return;
      const { localAddress, localPort } = options;
      carrier.connect({
        host: formatAddress(options.remoteAddress),
        port: options.remotePort,
        ...(localAddress ? { localAddress: formatAddress(localAddress) } : {}),
        ...(localPort ? { localPort } : {}),
      });
    });
    return conn;
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const connection = this.#live(conn);
    const count = end - start;
    assert(start >= 0 && count >= 0 && end <= bytes.length, 'a send lies within its bytes');
    assert(count <= this.#settings.outputBytesMax, 'one send fits into outputBytesMax');
    if (!canSend(connection)) return false;
    const total = this.stats[STAT.outputBytes]! + count;
    const fits = connection.outputBytes + count <= this.#settings.outputBytesMax;
    if (!fits || total > this.#settings.outputBytesTotalMax) {
      this.#count(STAT.sendRefused, 1);
      connection.owesDrain = true;
      if (connection.outputBytes === 0) this.#starved.add(connection);
      return false;
    }
    if (count === 0) return true;
    connection.queue(bytes, start, end);
    this.#count(STAT.outputBytes, count);
    this.#markDirty(connection);
    return true;
  }

  outputBytes(conn: Conn): number {
    return this.#live(conn).outputBytes;
  }

  pauseReceive(conn: Conn): void {
    const connection = this.#live(conn);
    if (connection.closing) return;
    connection.paused = true;
    connection.socket.pause();
  }

  resumeReceive(conn: Conn): void {
    const connection = this.#live(conn);
    connection.paused = false;
    connection.socket.resume();
  }

  endOutput(conn: Conn): void {
    const connection = this.#live(conn);
    connection.outputEnded = true;
    this.#markDirty(connection);
  }

  close(conn: Conn): void {
    const connection = this.#live(conn);
    if (!connection.announced) {
      this.abort(conn);
      return;
    }
    connection.closing = true;
    this.resumeReceive(conn);
    this.#markDirty(connection);
  }

  abort(conn: Conn): void {
    this.#tearDown(this.#live(conn), CLOSE_REASON.aborted);
  }

  setDeadline(conn: Conn, ms: number): void {
    const connection = this.#live(conn);
    // A connection on its way out keeps the bound that the reactor set for it.
    if (connection.lingering || isTornDown(connection)) return;
    if (ms === 0) this.#wheel.clear(conn);
    else this.#wheel.set(conn, nowMs(), ms);
    this.#scheduleTurn();
  }

  set(option: ReactorKnobs): void {
    if (option.arming !== undefined) this.#settings.arming = option.arming;
    if (option.flushDelayUs !== undefined) this.#settings.flushDelayUs = option.flushDelayUs;
    if (option.flush !== undefined) this.#settings.flush = option.flush;
  }

  setAccepting(accepting: boolean): void {
    this.#accepting = accepting;
    if (accepting) this.#scheduleTurn();
  }

  async run(): Promise<void> {
    assert(this.#state === 'new' || this.#state === 'stopping', 'run is called once');
    const wasStopped = this.#state === 'stopping';
    const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
    const empty = new Promise<void>((resolve) => (this.#resolveEmpty = resolve));
    this.#state = 'running';
    void this.#watchWakes();
    if (wasStopped) this.stop();
    else this.#event(() => this.#start());
    await empty;
    this.#state = 'ended';
    clearInterval(keepAlive);
    clearTimeout(this.#timer);
    wake(this.waker);
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  stop(): void {
    if (this.#state === 'stopping' || this.#state === 'ended') return;
    const isRunning = this.#state === 'running';
    this.#state = 'stopping';
    if (!isRunning) return;
    for (const connection of this.#connections) {
      if (connection !== undefined) this.#tearDown(connection, CLOSE_REASON.stopped);
    }
    this.#settleStop();
  }

  #start(): void {
    for (const act of this.#beforeRun.splice(0)) act();
    this.#admit();
  }

  /** Runs handler code: a turn ends after it, and what it throws ends `run()`. */
  #event(act: () => void): void {
    this.#scheduleTurn();
    try {
      act();
    } catch (error) {
      this.#failure ??= { error };
      this.stop();
    }
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled || this.#state !== 'running') return;
    this.#turnScheduled = true;
    this.#turnStartUs = systemClock.monoUs();
    setImmediate(() => {
      this.#turnScheduled = false;
      if (this.#state === 'running') this.#endTurn();
    });
  }

  #endTurn(): void {
    try {
      const wishUs = this.#runTurn();
      this.#accountTurn();
      if (wishUs <= 0) this.#scheduleTurn();
      else this.#armTimer(wishUs);
    } catch (error) {
      this.#failure ??= { error };
      this.stop();
    }
  }

  /** Deadlines, wake, drain, `onTurn`, flush. Returns what `onTurn` wished for, us. */
  #runTurn(): number {
    const { handler } = this.#settings;
    this.#admit();
    this.#wheel.advance(nowMs(), (conn) => this.#onDeadline(this.#live(conn)));
    if (this.#wakerEnd.take()) {
      this.#count(STAT.wakes, 1);
      handler.onWake();
    }
    this.#feedStarved();
    const nowUs = systemClock.monoUs();
    const wishUs = handler.onTurn(nowUs);
    return Math.min(wishUs, this.#flushDirty(nowUs));
  }

  /** Sends for everyone who has output, when its delay is over. Returns us until then. */
  #flushDirty(nowUs: number): number {
    if (this.#dirty.size === 0) return Number.POSITIVE_INFINITY;
    if (this.#dirtyUs === 0) this.#dirtyUs = nowUs;
    const { flush, flushDelayUs } = this.#settings;
    const restUs = this.#dirtyUs + (flush === 'turn' ? flushDelayUs : 0) - nowUs;
    if (restUs > 0 && !this.#isFlushDue) return restUs;
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    this.#dirtyUs = 0;
    this.#isFlushDue = false;
    for (const connection of dirty) this.#flush(connection);
    return Number.POSITIVE_INFINITY;
  }

  #onDeadline(connection: NetConnection): void {
    if (connection.lingering) {
      connection.socket.destroy();
      return;
    }
    this.#count(STAT.deadlines, 1);
    this.#settings.handler.onDeadline(connection.conn);
  }

  #accountTurn(): void {
    const turnUs = systemClock.monoUs() - this.#turnStartUs;
    const { idle, active } = performance.eventLoopUtilization();
    this.#count(STAT.turns, 1);
    this.stats[STAT.turnUsMax] = Math.max(this.stats[STAT.turnUsMax]!, turnUs);
    this.stats[STAT.sleepUs] = idle * 1000;
    this.stats[STAT.workUs] = active * 1000;
  }

  #armTimer(wishUs: number): void {
    clearTimeout(this.#timer);
    const ms = Math.min(Math.ceil(wishUs / 1000), Math.ceil(this.#wheel.msUntilNext(nowMs())));
    if (ms === Infinity) return;
    this.#timer = setTimeout(() => this.#scheduleTurn(), Math.max(0, Math.min(ms, KEEP_ALIVE_MS)));
  }

  async #watchWakes(): Promise<void> {
    while (this.#state === 'running') {
      await this.#wakerEnd.whenPending();
      this.#scheduleTurn();
      // Let the turn take the wake before waiting for the next one.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #whenRunning(act: () => void): void {
    if (this.#state === 'new') this.#beforeRun.push(act);
    else act();
  }

  /** Announces sockets that wait, as far as there is room. */
  #admit(): void {
    if (this.#state !== 'running') return;
    for (let index = 0; index < this.#listeners.length; index++) {
      const listener = this.#listeners[index]!;
      while (listener.waiting > 0 && this.#accepting) {
        const conn = this.#takeConn();
        if (conn === -1) {
          if (!this.#isFull) this.#count(STAT.acceptRefused, 1);
          this.#isFull = true;
          return;
        }
        this.#isFull = false;
        const connection = this.#register(conn, listener.take()!);
        connection.announced = true;
        this.#count(STAT.accepted, 1);
        this.#settings.handler.onAccept(conn, index);
        if (!connection.paused) connection.socket.resume();
      }
    }
  }

  #takeConn(): Conn {
    if (this.connections >= this.capacity || this.#state === 'stopping') return -1;
    return this.#free.pop() ?? this.#connections.length;
  }

  #register(conn: Conn, socket: Socket): NetConnection {
    const connection = new NetConnection(conn, socket);
    this.#connections[conn] = connection;
    this.#count(STAT.connections, 1);
    const { handler } = this.#settings;
    socket.on('data', (bytes: Buffer) =>
      this.#event(() => {
        if (!isDelivering(connection)) return;
        this.#count(STAT.receives, 1);
        this.#count(STAT.rxBytes, bytes.length);
        handler.onData(conn, plain(bytes), 0, bytes.length);
      }),
    );
    socket.on('end', () =>
      this.#event(() => {
        if (isDelivering(connection)) handler.onEnd(conn);
      }),
    );
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (connection.reason === CLOSE_REASON.orderly) {
        connection.reason = CLOSE_REASON.reset;
        connection.errno = Math.abs(error.errno ?? constants.errno.EIO);
      }
    });
    socket.on('close', () => this.#event(() => this.#release(connection)));
    return connection;
  }

  #live(conn: Conn): NetConnection {
    const connection = this.#connections[conn];
    assert(connection !== undefined, `connection ${conn} is open`);
    return connection;
  }

  #markDirty(connection: NetConnection): void {
    if (this.#settings.flush === 'immediate' && this.#state === 'running') {
      this.#flush(connection);
      return;
    }
    this.#dirty.add(connection);
    if (connection.queuedBytes >= FLUSH_BYTES) this.#isFlushDue = true;
    this.#scheduleTurn();
  }

  /** Hands queued output to the socket, one write at a time, and FIN after the last. */
  #flush(connection: NetConnection): void {
    const { socket } = connection;
    if (!connection.announced || connection.writingBytes > 0 || isTornDown(connection)) return;
    if (connection.queuedBytes > 0) {
      const piece = connection.takeQueued();
      connection.writingBytes = piece.length;
      this.#count(STAT.sends, 1);
      socket.write(piece, (error) =>
        this.#event(() => {
          if (!error) this.#written(connection);
        }),
      );
    } else if ((connection.closing || connection.outputEnded) && !connection.finSent) {
      // Both sides ended: the socket closes itself.
      connection.finSent = true;
      socket.end();
    }
    if (connection.closing && connection.outputBytes === 0 && !connection.lingering) {
      connection.lingering = true;
      this.#wheel.set(connection.conn, nowMs(), LINGER_MS);
    }
  }

  #written(connection: NetConnection): void {
    if (this.#connections[connection.conn] !== connection || isTornDown(connection)) return;
    this.#count(STAT.txBytes, connection.writingBytes);
    this.#count(STAT.outputBytes, -connection.writingBytes);
    connection.writingBytes = 0;
    this.#markDirty(connection);
    if (connection.owesDrain && connection.outputBytes === 0) {
      connection.owesDrain = false;
      if (canSend(connection)) this.#settings.handler.onDrain(connection.conn);
    }
  }

  /** `onDrain` for those whom only the bound of the whole reactor held up, when one full output fits again. */
  #feedStarved(): void {
    for (const connection of this.#starved) {
      const total = this.stats[STAT.outputBytes]! + this.#settings.outputBytesMax;
      if (total > this.#settings.outputBytesTotalMax) return;
      this.#starved.delete(connection);
      if (!connection.owesDrain || connection.outputBytes > 0) continue;
      connection.owesDrain = false;
      if (canSend(connection)) this.#settings.handler.onDrain(connection.conn);
    }
  }

  #tearDown(connection: NetConnection, reason: CloseReason): void {
    if (isTornDown(connection)) return;
    connection.reason = reason;
    connection.errno = 0;
    this.#dropOutput(connection);
    resetSocket(connection);
    this.#scheduleTurn();
  }

  #dropOutput(connection: NetConnection): void {
    this.#count(STAT.outputBytes, -connection.outputBytes);
    connection.dropQueued();
    connection.writingBytes = 0;
    this.#dirty.delete(connection);
    this.#starved.delete(connection);
  }

  #release(connection: NetConnection): void {
    const { conn } = connection;
    const { handler } = this.#settings;
    this.#dropOutput(connection);
    this.#wheel.clear(conn);
    this.#count(STAT.connections, -1);
    if (connection.reason === CLOSE_REASON.reset) this.#count(STAT.resets, 1);
    try {
      if (connection.announced) {
        this.#count(STAT.closed, 1);
        handler.onClose(conn, connection.reason, connection.errno);
      } else {
        handler.onConnect(conn, connection.errno || constants.errno.ECANCELED);
      }
    } finally {
      this.#connections[conn] = undefined;
      this.#free.push(conn);
      this.#settleStop();
    }
  }

  #settleStop(): void {
    if (this.#state === 'stopping' && this.connections === 0) this.#resolveEmpty?.();
  }

  #count(stat: number, amount: number): void {
    this.stats[stat]! += amount;
  }
}

function isTornDown(connection: NetConnection): boolean {
  return connection.reason !== CLOSE_REASON.orderly;
}

function isDelivering(connection: NetConnection): boolean {
  return !connection.closing && !isTornDown(connection);
}

/**
 * Resets, where Node can: it refuses (uv_tcp_close_reset, EINVAL, and then never closes) while a shutdown
 * is under way. There closing must do: it sends FIN, or RST when unread bytes are left.
 */
function resetSocket({ announced, socket }: NetConnection): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished;
  // The handle below TLS belongs to another socket: that one is closed, with FIN.
  const isPlain = !(socket instanceof TLSSocket);
  if (announced && isPlain && !isShuttingDown) socket.resetAndDestroy();
  else socket.destroy();
}

function canSend(connection: NetConnection): boolean {
  return isDelivering(connection) && !connection.outputEnded;
}

function nowMs(): number {
  return systemClock.monoUs() / 1000;
}

/** 0x7f000001 -> '127.0.0.1'. */
function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** The same memory, of which `slice` is a copy. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}
