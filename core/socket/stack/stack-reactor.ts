// Engine stack: clients whose TCP is ours, on a TUN device. The host sees so many ordinary remote clients;
// on their side there is no socket, no descriptor, no port search and no kernel memory: 32 bytes for a
// connection, 44 with deadlines. For generators only: it cannot listen. docs/internals/stack.md explains.
//
// The turns: packets are taken in, timers fire, the handler has its turn, output leaves. Without work the
// thread sleeps in ppoll on the device and the eventfd of its waker; like engine ring it never sleeps
// longer than 200 ms and goes back to libuv ten times a second.

import { randomBytes } from 'node:crypto';
import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type Conn,
  type ConnectOptions,
  REACTOR_STAT_COUNT,
  type Reactor,
  REACTOR_STAT as STAT,
  type Waker,
} from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { loadLibc } from '#core/socket/ring/libc.ts';
import { DeviceWait } from '#core/socket/stack/device-wait.ts';
import type { NetworkMix } from '#core/socket/stack/network-classes.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { STACK_COUNT_COUNT } from '#core/socket/stack/stack-counters.ts';
import type { SourceBlock } from '#core/socket/stack/stack-parts.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import { TcpStack } from '#core/socket/stack/tcp-stack.ts';
import { FLAG } from '#core/socket/stack/tcp-table.ts';
import { TunDevice } from '#core/socket/stack/tun-device.ts';
import {
  POLL_INTERVAL_US,
  runTurns,
  SLEEP_US_MAX,
  STOPS_PER_TURN,
  TurnCounter,
} from '#core/socket/turns.ts';
import { WakerEnd } from '#core/socket/waker.ts';

/**
 * Packets that are taken in before output leaves. Many, so that what came is always served before a handler
 * starts new work in its turn: else answers wait behind it until their senders think them lost.
 */
const PACKETS_PER_TURN = 2048;
/**
 * Turns in a row in which there was more: until then nothing times out and nothing new begins, since what is waited for
 * may lie in the queue of the device (20,000). Else whoever is behind sends again what has arrived, and falls back.
 */
const FULL_TURNS_MAX = 10;

/** What engine stack needs to know beside the options of every reactor. */
export interface StackOptions {
  /** Addresses of the clients: private, of nobody else, a power of two on its boundary. */
  block: SourceBlock;
  /** The networks between the clients and the device; without them there is only the host's own. */
  network?: NetworkMix | undefined;
  /** What is not said is as usual (tcp-knobs.ts). */
  tcp?: Partial<TcpKnobs> | undefined;
  /** The host may forward packets to other hosts by its routes; else they stay on it. */
  reachesOthers?: boolean | undefined;
  /** Puts something before the device that sees every packet: captures, and faults of tests. */
  tap?: ((device: PacketLink) => PacketLink) | undefined;
}

export class StackReactor implements Reactor {
  readonly engine = 'stack';
  readonly capacity: number;
  readonly stats = shared(REACTOR_STAT_COUNT);
  /** Counters of this engine: index with STACK_COUNT. */
  readonly counters = shared(STACK_COUNT_COUNT);
  readonly waker: Waker;
  readonly #settings: ReactorSettings;
  readonly #device: TunDevice;
  readonly #stack: TcpStack;
  readonly #eventFd: number;
  readonly #wakerEnd: WakerEnd;
  readonly #wait: DeviceWait;
  readonly #turns = new TurnCounter(this.stats);
  #wasRun = false;
  #isStopping = false;
  #stopCursor = 0;
  #turnEndUs = 0;
  /** What came in the last turn. */
  #taken = 0;
  #fullTurns = 0;
  #isInTurn = false;
  #sleepUs = 0;

  /** Throws WsarError when the host cannot. */
  constructor(settings: ReactorSettings, options: StackOptions) {
    const nowUs = systemClock.monoUs();
    this.capacity = settings.capacity;
    this.#settings = settings;
    this.#device = new TunDevice(options.block, options.reachesOthers);
    const { network, block, tcp } = options;
    this.#stack = new TcpStack({
      settings,
      link: options.tap?.(this.#device) ?? this.#device,
      network,
      tcp,
      block,
      stats: this.stats,
      counters: this.counters,
      secret: randomBytes(4).readUInt32LE(),
      nowUs,
    });
    this.#eventFd = loadLibc().eventFd();
    this.#wakerEnd = new WakerEnd('stack', this.#eventFd);
    this.waker = this.#wakerEnd.waker;
    this.#wait = new DeviceWait(this.#device.fd, this.#eventFd);
  }

  /** Name of the TUN device. */
  get deviceName(): string {
    return this.#device.name;
  }

  /** Bytes of state of a connection with nothing under way, without its deadline (12 more). */
  get bytesPerConnection(): number {
    return this.#stack.bytesPerConnection;
  }

  get connections(): number {
    return this.#stack.table.used;
  }

  listen(): never {
    assert(false, 'engine stack has clients only: it cannot listen');
  }

  connect(options: ConnectOptions): Conn {
    this.#tellTime();
    if (!this.#isStopping) return this.#stack.connect(options);
    this.stats[STAT.connectRefused]!++;
    return -1;
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    this.#assertLive(conn);
    assert(start >= 0 && start <= end && end <= bytes.length, 'a send lies within its bytes');
    assert(end - start <= this.#settings.outputBytesMax, 'one send fits into outputBytesMax');
    return this.#stack.life.send(conn, bytes, start, end);
  }

  outputBytes(conn: Conn): number {
    this.#assertLive(conn);
    return this.#stack.life.outputBytes(conn);
  }

  pauseReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#stack.life.pauseReceive(conn);
  }

  resumeReceive(conn: Conn): void {
    this.#assertLive(conn);
    this.#stack.life.resumeReceive(conn);
  }

  endOutput(conn: Conn): void {
    this.#assertLive(conn);
    this.#stack.life.endOutput(conn);
  }

  close(conn: Conn): void {
    this.#assertLive(conn);
    this.#stack.life.close(conn);
  }

  abort(conn: Conn): void {
    this.#assertLive(conn);
    this.#stack.life.release(conn, CLOSE_REASON.aborted, 0);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.#assertLive(conn);
    // A connection on its way out keeps the bound that the reactor set for it.
    if ((this.#stack.table.flags[conn]! & (FLAG.gone | FLAG.lingering)) !== 0) return;
    this.#stack.setDeadline(conn, systemClock.monoUs(), ms);
  }

  set(option: { arming?: 'poll' | 'recv'; flush?: 'turn' | 'immediate' }): void {
    if (option.flush !== undefined) this.#settings.flush = option.flush;
  }

  setAccepting(): void {
    // There is nothing to accept.
  }

  async run(): Promise<void> {
    assert(!this.#wasRun, 'run is called once');
    this.#wasRun = true;
    try {
      this.#turnEndUs = systemClock.monoUs();
      const turning = {
        isEnded: () => this.#isStopping && this.#stack.table.used === 0,
        isIdle: () => this.#taken === 0 && this.#sleepUs >= POLL_INTERVAL_US,
        turn: (maySleep: boolean) => this.#turn(maySleep),
      };
      await runTurns(turning, this.#settings.ownsThread);
    } finally {
      // A handler may have thrown: nobody else would tell the peers, as the kernel does for its sockets.
      this.#continueStop(Number.POSITIVE_INFINITY);
      this.#wakerEnd.close();
      this.#device.close();
      this.#wait.close();
      loadLibc().close(this.#eventFd);
    }
  }

  stop(): void {
    this.#isStopping = true;
  }

  /** One turn; returns when it was, us. */
  #turn(maySleep: boolean): number {
    const stack = this.#stack;
    const sleptUs = maySleep && !this.#isStopping && this.#sleepUs > 0 ? this.#sleep() : 0;
    const nowUs = systemClock.monoUs();
    this.#isInTurn = true;
    const taken = stack.receive(nowUs, PACKETS_PER_TURN);
    this.#fullTurns = taken < PACKETS_PER_TURN ? 0 : (this.#fullTurns + 1) % FULL_TURNS_MAX;
    let wishUs = 0;
    if (this.#isStopping) this.#continueStop(STOPS_PER_TURN);
    else if (this.#fullTurns === 0) wishUs = this.#fireHandlers(nowUs);
    stack.finishTurn();
    this.#isInTurn = false;
    this.#sleepUs = taken > 0 ? 0 : Math.min(wishUs, stack.waitUs(nowUs), SLEEP_US_MAX);
    const workUs = nowUs - this.#turnEndUs - sleptUs;
    this.#turnEndUs = nowUs;
    this.#turns.count(nowUs, workUs, sleptUs);
    this.#taken = taken;
    return nowUs;
  }

  #fireHandlers(nowUs: number): number {
    const { handler } = this.#settings;
    this.#stack.fireTimers();
    if (this.#wakerEnd.take()) {
      this.stats[STAT.wakes]!++;
      handler.onWake();
    }
    return Math.max(0, handler.onTurn(nowUs));
  }

  /** Sleeps until a packet, a wake, or its time has come; returns how long it was, us. */
  #sleep(): number {
    const beforeUs = systemClock.monoUs();
    this.#wakerEnd.fallAsleep();
    if (!this.#wakerEnd.isPending) this.#wait.sleep(this.#sleepUs);
    this.#wakerEnd.awake();
    return systemClock.monoUs() - beforeUs;
  }

  #continueStop(countMax: number): void {
    const { table, life } = this.#stack;
    const until = Math.min(this.#stopCursor + countMax, table.end);
    for (; this.#stopCursor < until; this.#stopCursor++) {
      const live = table.flags[this.#stopCursor]! & (FLAG.open | FLAG.connecting);
      if (live !== 0) life.release(this.#stopCursor, CLOSE_REASON.stopped, 0);
    }
  }

  /** A call from outside of a turn, which may be long after the last one. */
  #tellTime(): void {
    if (!this.#isInTurn) this.#stack.advance(systemClock.monoUs());
  }

  #assertLive(conn: Conn): void {
    this.#tellTime();
    const live = this.#stack.table.flags[conn]! & (FLAG.open | FLAG.connecting);
    assert(live !== 0, `connection ${conn} is open`);
  }
}

function shared(count: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT));
}
