// The stack without its device and its thread: given a link and told the time, it is a deterministic
// machine, which is how tests drive it. stack-reactor.ts gives it a TUN device and a loop.

import { assert } from '#core/assert.ts';
import { type Conn, type ConnectOptions, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import { DelayLine } from '#core/socket/stack/delay-line.ts';
import { DelayedAcks } from '#core/socket/stack/delayed-acks.ts';
import { Flights, NO_FLIGHT } from '#core/socket/stack/flights.ts';
import { IntQueue } from '#core/socket/stack/int-queue.ts';
import { KeptSegments } from '#core/socket/stack/kept-segments.ts';
import { NetworkClasses, type NetworkMix } from '#core/socket/stack/network-classes.ts';
import type { PacketLink } from '#core/socket/stack/packet-link.ts';
import { UNITS_PER_MS } from '#core/socket/stack/round-trip.ts';
import { SendQueue } from '#core/socket/stack/send-queue.ts';
import { SilenceWatch } from '#core/socket/stack/silence-watch.ts';
import { STACK_COUNT as COUNT } from '#core/socket/stack/stack-counters.ts';
import type { SourceBlock, StackParts } from '#core/socket/stack/stack-parts.ts';
import { TcpInput } from '#core/socket/stack/tcp-input.ts';
import { type TcpKnobs, USUAL_TCP } from '#core/socket/stack/tcp-knobs.ts';
import { TcpLife } from '#core/socket/stack/tcp-life.ts';
import { TcpOutput } from '#core/socket/stack/tcp-output.ts';
import { ADDRESSES_MAX, TcpTable } from '#core/socket/stack/tcp-table.ts';
import { onDeadline, onSilence, onTimeout } from '#core/socket/stack/tcp-timers.ts';
import { TimeWait } from '#core/socket/stack/time-wait.ts';
import { DEADLINES_PER_TURN } from '#core/socket/turns.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

/** Granularity of retransmission timers, ms. */
const TIMER_STEP_MS = 10;

export interface TcpStackOptions {
  settings: ReactorSettings;
  link: PacketLink;
  /** Networks between the clients and the link; without them there is only the link's own. */
  network?: NetworkMix | undefined;
  /** What is not said is as usual. */
  tcp?: Partial<TcpKnobs> | undefined;
  block: SourceBlock;
  stats: Float64Array;
  counters: Float64Array;
  /** Random 32 bits. */
  secret: number;
  nowUs: number;
}

export class TcpStack {
  readonly table: TcpTable;
  readonly life: TcpLife;
  readonly #parts: StackParts;
  readonly #input: TcpInput;
  readonly #output: TcpOutput;
  readonly #onTimeout = (flight: number): void =>
    onTimeout(this.#parts, this.life, this.#output, flight);
  readonly #onDeadline = (conn: Conn): void => onDeadline(this.#parts, this.life, conn);
  readonly #sendAck = (conn: Conn): void => this.#output.sendAck(conn);
  readonly #onSilence = (conn: Conn, isTooLong: boolean): void =>
    onSilence(this.#parts, this.life, this.#output, conn, isTooLong);

  constructor(options: TcpStackOptions) {
    const { settings, nowUs, network, counters } = options;
    const { capacity } = settings;
    assert(options.block.addressCount <= ADDRESSES_MAX, 'the address of a client has 24 bits');
    const tcp = { ...USUAL_TCP, ...options.tcp };
    const { keepAlive } = tcp;
    const table = new TcpTable(capacity, tcp.timestamps, options.block.addressMin);
    const flights = new Flights(table);
    const networks = new NetworkClasses(network, capacity);
    const draw = { seed: network?.seed ?? 0, nowUs };
    const { link: near } = options;
    const link =
      network === undefined ? near : new DelayLine(near, table, networks, counters, draw);
    this.table = table;
    this.#parts = {
      handler: settings.handler,
      link,
      networks,
      table,
      flights,
      queue: new SendQueue(flights, settings.outputBytesTotalMax),
      kept: new KeptSegments(table, networks),
      tcp,
      timers: new TimerWheel(capacity, nowUs / 1000, TIMER_STEP_MS),
      deadlines: new TimerWheel(capacity, nowUs / 1000),
      delayedAcks: new DelayedAcks(table, nowUs),
      resumed: new IntQueue(),
      silence: keepAlive === undefined ? undefined : new SilenceWatch(table, keepAlive, nowUs),
      timeWait: new TimeWait(),
      block: options.block,
      stats: options.stats,
      counters,
      secret: options.secret,
      now: { us: nowUs },
    };
    this.#output = new TcpOutput(this.#parts);
    this.life = new TcpLife(this.#parts, settings, this.#output);
    this.#input = new TcpInput(this.#parts, this.life, this.#output);
  }

  /** Flights in use: connections with something under way. */
  get flights(): number {
    return this.#parts.flights.used;
  }

  /** Sequence numbers of a connection that are sent and not acknowledged. */
  inFlight(conn: Conn): number {
    const { flights } = this.#parts;
    const flight = flights.of(conn);
    return flight === NO_FLIGHT ? 0 : flights.sentMax[flight]!;
  }

  /** Smoothed round trip of a connection, ms; 0 = not measured. */
  roundTripMs(conn: Conn): number {
    return this.#parts.flights.roundTripOf(conn) / UNITS_PER_MS;
  }

  /** Connections of which something is kept. */
  get keeping(): number {
    return this.#parts.kept.connections;
  }

  /** Bytes of state of a connection with nothing under way, without its deadline. */
  get bytesPerConnection(): number {
    const { networks, silence } = this.#parts;
    const more = networks.bytesPerConnection + (silence?.bytesPerConnection ?? 0);
    return this.table.bytesPerConnection + more;
  }

  connect(options: ConnectOptions): Conn {
    return this.life.connect(options);
  }

  setDeadline(conn: Conn, nowUs: number, ms: number): void {
    const { deadlines } = this.#parts;
    if (ms === 0) deadlines.clear(conn);
    else deadlines.set(conn, nowUs / 1000, ms);
  }

  /** Tells the time between two turns. */
  advance(nowUs: number): void {
    this.#parts.now.us = nowUs;
    this.#parts.link.advance(nowUs);
  }

  /** Takes up to `max` packets in; returns how many there were. */
  receive(nowUs: number, max: number): number {
    const { link } = this.#parts;
    this.advance(nowUs);
    for (let taken = 0; taken < max; taken++) {
      const length = link.receive();
      if (length === 0) return taken;
      this.#input.take(length);
    }
    return max;
  }

  /** Serves whose time has come, so many of each kind; the others have their turn in the next one. */
  fireTimers(): void {
    const { timers, deadlines, delayedAcks, silence, now } = this.#parts;
    const nowMs = now.us / 1000;
    timers.advance(nowMs, this.#onTimeout, DEADLINES_PER_TURN);
    deadlines.advance(nowMs, this.#onDeadline, DEADLINES_PER_TURN);
    delayedAcks.advance(now.us, this.#sendAck, DEADLINES_PER_TURN);
    silence?.advance(now.us, this.#onSilence, DEADLINES_PER_TURN);
    this.life.feedStarved();
  }

  /** Sends what the turn has queued and tells what has ended. */
  finishTurn(): void {
    const { counters, timeWait, flights } = this.#parts;
    this.#input.giveToResumed();
    this.life.flush();
    this.life.tellEnds();
    counters[COUNT.timeWaitEvicted] = timeWait.evicted;
    counters[COUNT.sacksReneged] = flights.sacked.reneged;
    counters[COUNT.sacksRefused] = flights.sacked.refused;
  }

  /** Microseconds until time alone brings work. */
  waitUs(nowUs: number): number {
    const { timers, deadlines, delayedAcks, silence, link } = this.#parts;
    if (silence?.isBehind === true) return 0;
    const nowMs = nowUs / 1000;
    const wheelsMs = Math.min(timers.msUntilNext(nowMs), deadlines.msUntilNext(nowMs));
    const waits = Math.min(wheelsMs * 1000, delayedAcks.waitUs(nowUs), link.waitUs(nowUs));
    return Math.min(waits, this.life.waitUs);
  }

  /** Deadlines that are set. */
  get deadlines(): number {
    return this.#parts.deadlines.armed;
  }

  /** Bytes that wait or are in flight, all connections. */
  get outputBytes(): number {
    return this.#parts.stats[STAT.outputBytes]!;
  }
}
