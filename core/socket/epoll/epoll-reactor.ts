// Engine epoll: the reactor on epoll(7) through koffi, for hosts where io_uring is switched off, as in most
// containers. Same state in typed arrays as engine ring, 33 bytes a connection, 45 with deadlines; one descriptor
// of the process for each connection.
//
// A turn: events are taken, handlers called, deadlines, `onTurn`, the flush. A thread of its own sleeps in the
// kernel, at most 200 ms, and goes back to libuv ten times a second.

import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { loadEpollCalls } from '#core/socket/epoll/epoll-calls.ts';
import { EpollConnections } from '#core/socket/epoll/epoll-connections.ts';
import { EpollReception } from '#core/socket/epoll/epoll-reception.ts';
import { EPOLL, EpollSet, epollError, OWNER } from '#core/socket/epoll/epoll-set.ts';
import { EpollSockets } from '#core/socket/epoll/epoll-sockets.ts';
import { EpollTable, FLAG } from '#core/socket/epoll/epoll-table.ts';
import {
  CLOSE_REASON,
  type Conn,
  type ConnectOptions,
  type ListenOptions,
  REACTOR_STAT_COUNT,
  type Reactor,
  type ReactorKnobs,
  REACTOR_STAT as STAT,
  type Waker,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';
import {
  DEADLINES_PER_TURN,
  POLL_INTERVAL_US,
  runTurns,
  SLEEP_US_MAX,
  STOPS_PER_TURN,
  TurnCounter,
} from '#core/socket/turns.ts';
import { WakerEnd } from '#core/socket/waker.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

export class EpollReactor implements Reactor {
  readonly engine = 'epoll';
  readonly capacity: number;
  readonly stats = new Float64Array(
    new SharedArrayBuffer(REACTOR_STAT_COUNT * Float64Array.BYTES_PER_ELEMENT),
  );
  readonly waker: Waker;
  readonly #settings: ReactorSettings;
  readonly #libc = loadLibc();
  readonly #set: EpollSet;
  readonly #table: EpollTable;
  readonly #sockets: EpollSockets;
  readonly #connections: EpollConnections;
  readonly #reception: EpollReception;
  readonly #wheel: TimerWheel;
  readonly #eventFd: number;
  readonly #wakerEnd: WakerEnd;
  readonly #onDeadline = (conn: Conn): void => this.#connections.onDeadline(conn);
  readonly #attend = (conn: Conn): void => this.#connections.tend(conn);
  readonly #tend = (conn: Conn): void => this.#table.listToTend(conn);
  readonly #turns = new TurnCounter(this.stats);
  #wasRun = false;
  #isClosed = false;
  #isStopping = false;
  #stopCursor = 0;
  /** How long the next turn may sleep. */
  #sleepUs = 0;
  #turnEndUs = 0;
  /** What came in the last turn. */
  #taken = 0;

  /** Throws WsarError when the host cannot. */
  constructor(settings: ReactorSettings) {
    const calls = loadEpollCalls();
    const libc = this.#libc;
    const { stats } = this;
    this.capacity = settings.capacity;
    this.#settings = settings;
    this.#set = new EpollSet(libc, calls);
    this.#table = new EpollTable(settings.capacity);
    this.#wheel = new TimerWheel(settings.capacity, systemClock.monoUs() / 1000);
    this.#sockets = new EpollSockets(libc, calls, this.#set, settings, stats);
    const parts = { libc, calls, settings, stats };
    this.#connections = new EpollConnections({
      ...parts,
      table: this.#table,
      sockets: this.#sockets,
      wheel: this.#wheel,
    });
    this.#reception = new EpollReception(
      libc,
      calls,
      this.#set,
      this.#table,
      this.#connections,
      settings,
      stats,
    );
    this.#eventFd = libc.eventFd();
    // Edge-triggered, every write to the eventfd wakes: its counter is never read.
    const watched = this.#set.add(this.#eventFd, EPOLL.in | EPOLL.edge, 0, OWNER.wake);
    if (watched < 0) throw epollError('epoll_ctl of the eventfd', -watched);
    this.#wakerEnd = new WakerEnd('epoll', this.#eventFd);
    this.waker = this.#wakerEnd.waker;
  }

  get connections(): number {
    return this.#table.used;
  }

  listen(options: ListenOptions): { listener: number; port: number } {
    assert(!this.#isClosed, 'a reactor that has ended does not listen');
    return this.#reception.listen(options);
  }

  connect(options: ConnectOptions): Conn {
    const conn = this.#isStopping ? -1 : this.#table.take();
    if (conn === -1) {
      this.stats[STAT.connectRefused]!++;
      return -1;
    }
    this.stats[STAT.connections]!++;
    this.#connections.connect(conn, options);
    return conn;
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.#assertLive(conn);
    assert(start >= 0 && start <= end && end <= bytes.length, 'a send lies within its bytes');
    assert(end - start <= this.#settings.outputBytesMax, 'one send fits into outputBytesMax');
    return this.#connections.output.queue(conn, bytes, start, end);
  }

  outputBytes(conn: Conn): number {
    this.#assertLive(conn);
    return this.#connections.output.bytes(conn);
  }

  pauseReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#connections.pauseReceive(conn);
  }

  resumeReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#connections.resumeReceive(conn);
  }

  endOutput(conn: Conn): void {
    this.#assertLive(conn);
    this.#connections.endOutput(conn);
  }

  close(conn: Conn): void {
    this.#assertLive(conn);
    this.#connections.close(conn);
  }

  abort(conn: Conn): void {
    this.#assertLive(conn);
    this.#connections.release(conn, CLOSE_REASON.aborted, 0);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.#assertLive(conn);
    // A connection on its way out keeps the bound that the reactor set for it.
    if ((this.#table.flags[conn]! & (FLAG.releasing | FLAG.lingering)) !== 0) return;
    if (ms === 0) this.#wheel.clear(conn);
    else this.#wheel.set(conn, systemClock.monoUs() / 1000, ms);
  }

  set(option: ReactorKnobs): void {
    if (option.arming !== undefined) this.#settings.arming = option.arming;
    if (option.flush !== undefined) this.#settings.flush = option.flush;
    if (option.flushDelayUs !== undefined) this.#settings.flushDelayUs = option.flushDelayUs;
    if (option.acceptBatch !== undefined) this.#reception.acceptBatch = option.acceptBatch;
    if (option.acceptAmong !== undefined) this.#reception.spread(option.acceptAmong);
  }

  setAccepting(accepting: boolean): void {
    this.#reception.isAccepting = accepting;
  }

  async run(): Promise<void> {
    assert(!this.#wasRun, 'run is called once');
    this.#wasRun = true;
    try {
      this.#turnEndUs = systemClock.monoUs();
      const turning = {
        isEnded: () => this.#isStopping && this.#table.used === 0,
        isIdle: () => this.#taken === 0 && this.#sleepUs >= POLL_INTERVAL_US,
        turn: (maySleep: boolean) => this.#turn(maySleep),
      };
      await runTurns(turning, this.#settings.ownsThread);
    } finally {
      this.#close();
    }
  }

  stop(): void {
    this.#isStopping = true;
  }

  /** One turn; returns when it was, us. */
  #turn(maySleep: boolean): number {
    const { stats } = this;
    const { output } = this.#connections;
    const beforeUs = systemClock.monoUs();
    const taken = this.#wait(maySleep && !this.#isStopping ? this.#sleepUs : 0);
    const nowUs = systemClock.monoUs();
    const sleptUs = maySleep && this.#sleepUs > 0 ? nowUs - beforeUs : 0;
    for (let index = 0; index < taken; index++) this.#dispatch(index, nowUs);
    this.#table.tend(this.#attend);
    if (this.#isStopping) this.#continueStop();
    else this.#sleepUs = Math.min(this.#fireHandlers(nowUs), SLEEP_US_MAX);
    output.feedStarved(this.#tend);
    output.releaseStarved(this.#tend);
    const flushUs = output.flush(nowUs, this.#isStopping, this.#tend);
    if (flushUs < this.#sleepUs) this.#sleepUs = flushUs;
    if (this.#isStopping || this.#table.hasToTend) this.#sleepUs = 0;
    const workUs = nowUs - this.#turnEndUs - sleptUs;
    this.#turnEndUs = nowUs;
    this.#turns.count(nowUs, workUs, sleptUs);
    stats[STAT.enters]! += this.#set.calls;
    this.#set.calls = 0;
    this.#taken = taken;
    return nowUs;
  }

  #wait(us: number): number {
    if (us === 0) return this.#set.wait(0);
    this.#wakerEnd.fallAsleep();
    const taken = this.#set.wait(this.#wakerEnd.isPending ? 0 : us);
    this.#wakerEnd.awake();
    return taken;
  }

  #dispatch(index: number, nowUs: number): void {
    const high = this.#set.highAt(index);
    const low = this.#set.lowAt(index);
    if (high < OWNER.listener) this.#connections.onEvent(low, high, this.#set.eventsAt(index));
    else if (high === OWNER.listener) this.#reception.onEvent(low, nowUs / 1000);
  }

  /** Deadlines, wakes, `onTurn`, accepting. Returns how long the next turn may sleep, us. */
  #fireHandlers(nowUs: number): number {
    const { handler } = this.#settings;
    const nowMs = nowUs / 1000;
    this.#wheel.advance(nowMs, this.#onDeadline, DEADLINES_PER_TURN);
    if (this.#wakerEnd.take()) {
      this.stats[STAT.wakes]!++;
      handler.onWake();
    }
    const wishUs = handler.onTurn(nowUs);
    const restUs = this.#reception.regulate(nowMs);
    return Math.max(0, Math.min(wishUs, restUs, this.#wheel.msUntilNext(nowMs) * 1000));
  }

  #continueStop(): void {
    this.#reception.close();
    const until = Math.min(this.#stopCursor + STOPS_PER_TURN, this.#table.end);
    for (; this.#stopCursor < until; this.#stopCursor++) {
      const isUsed = this.#table.flags[this.#stopCursor] !== 0;
      if (isUsed) this.#connections.release(this.#stopCursor, CLOSE_REASON.stopped, 0);
    }
  }

  #assertLive(conn: Conn): void {
    const live = FLAG.open | FLAG.connecting;
    // No number in the sentence: it would be made, and thrown away, at every call.
    assert((this.#table.flags[conn]! & live) !== 0, 'the connection is open');
  }

  /** Ends sockets and memory; no call may reach what is unmapped here. */
  #close(): void {
    this.#isStopping = true;
    this.#isClosed = true;
    this.#wakerEnd.close();
    this.#reception.close();
    this.#connections.closeAll();
    this.#sockets.closeScratch();
    this.#set.close();
    this.#libc.close(this.#eventFd);
  }
}
