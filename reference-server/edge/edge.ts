// The edge: the connections of one reactor. It cuts the stream of bytes into packets, lets
// `ClientPackets` act on each, sends what homes have for its connections, and ends those that are
// silent, malformed, superseded or too slow, each with its cause.
//
// Before login a connection has 5 seconds, one packet of at most 4 KiB and no memory but what it sent.
// A client that does not read: droppable packets are dropped beyond `outputBytesSoftMax`, its own
// packets are not read beyond twice of that, deliveries are bounded by the window of its mailbox.
// A link to another worker that falls behind: connections that feed it are not read until it caught up.
//
// Keep-alive costs a store a packet: the deadline is set once and, when it fires, looks at when the
// client was last heard. No call allocates.

import type { Clock } from '#core/clock/clock.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Reactor,
  type ReactorHandler,
} from '#core/socket/reactor.ts';
import { encodeAcknowledge5, encodeReason5 } from '#core/wire/mqtt/encode-5.ts';
import { announcedLength, frameLength } from '#core/wire/mqtt/frame.ts';
import { CONNACK, PACKET, REASON } from '#core/wire/mqtt/packet.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import { ClientPackets } from '#reference-server/edge/client-packets.ts';
import { CONN_FLAG, Connections, NO_CAUSE, STATE } from '#reference-server/edge/connections.ts';
import {
  DEPARTURE_BYTES_MAX,
  type Departing,
  Departures,
} from '#reference-server/edge/departures.ts';
import { PartialPackets } from '#reference-server/edge/partial-packets.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import {
  CLOSE_CAUSE,
  causeOfFlaw,
  reasonOfCause,
} from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

const DUP = 8;
/** How often throttled connections are looked at, us. */
const THROTTLE_PERIOD_US = 20_000;
/** How long a worker whose link was full waits for the other to read, us. */
const LINK_RETRY_US = 200;

export interface EdgeOptions {
  limits: ServerLimits;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  hashSeed: number;
  access: AccessRules;
  /** Called on every wake of the reactor: somebody outside changed something. */
  onWake: () => void;
  /** Called at the end of every turn; returns whole us until something waits to be done, 0 = nothing. */
  onTurn: (nowUs: number) => number;
}

/** What the edge asks of the reactor, or of what stands before it (transport/transports.ts). */
export type EdgeReactor = Pick<
  Reactor,
  'send' | 'outputBytes' | 'pauseReceive' | 'resumeReceive' | 'close' | 'abort' | 'setDeadline'
>;

export class Edge implements ReactorHandler {
  readonly connections: Connections;
  readonly partials: PartialPackets;
  readonly #limits: ServerLimits;
  readonly #exchange: Exchange;
  readonly #stats: WorkerStats;
  readonly #clock: Clock;
  readonly #packets: ClientPackets;
  readonly #wakeCall: () => void;
  readonly #turnCall: (nowUs: number) => number;
  #reactor!: EdgeReactor;
  /** Connections that are behind with their output or feed a link that is; see `CONN_FLAG.listed`. */
  readonly #throttled: Int32Array;
  #throttledCount = 0;
  #nextThrottleUs = 0;
  #isLinkBehind = false;
  readonly #startUs: number;
  /** Tenths of a second since the start, read once a turn. */
  #now = 0;
  #isNowFresh = false;
  readonly #out = new Uint8Array(DEPARTURE_BYTES_MAX);
  /** Whether users are to go elsewhere. */
  readonly departures = new Departures();
  readonly #departing: Departing;

  constructor(options: EdgeOptions) {
    const { limits, exchange, stats } = options;
    this.#limits = limits;
    this.#exchange = exchange;
    this.#stats = stats;
    this.#clock = options.clock;
    this.#wakeCall = options.onWake;
    this.#turnCall = options.onTurn;
    this.#startUs = options.clock.monoUs();
    this.connections = new Connections(limits.connectionsMax);
    this.partials = new PartialPackets(
      limits.connectionsMax,
      limits.partialBytesMax,
      limits.packetBytesMax,
    );
    this.#throttled = new Int32Array(limits.connectionsMax);
    this.#departing = {
      capacity: limits.connectionsMax,
      isOnline: (conn) => this.connections.state[conn] === STATE.online,
      end: (conn, cause) => this.#end(conn, cause),
    };
    this.#packets = new ClientPackets({
      ...options,
      connections: this.connections,
      departures: this.departures,
      answer: (conn, bytes, end) => this.#answer(conn, bytes, end),
    });
  }

  /** The memory of the host is short: logins are refused. */
  set isMemoryShort(isShort: boolean) {
    this.#packets.login.isMemoryShort = isShort;
  }

  /** The reactor that calls this handler; before it runs. */
  attach(reactor: EdgeReactor): void {
    this.#reactor = reactor;
  }

  /** `listener`: its number in AccessRules.listeners, if it has rules of its own. */
  onAccept(conn: number, listener = 0): void {
    this.connections.open(conn);
    this.#packets.login.accepted(conn, listener);
    this.partials.open(conn);
    this.#reactor.setDeadline(conn, this.#limits.loginTimeoutMs);
  }

  onConnect(): void {
    // A server connects to nobody.
  }

  onData(conn: number, bytes: Uint8Array, start: number, end: number): void {
    const { state, lastHeard } = this.connections;
    if (state[conn] === STATE.closing) return;
    lastHeard[conn] = this.#nowTenths();
    let at = start;
    if (this.partials.length(conn) > 0) at = this.#completePartial(conn, bytes, at, end);
    at = this.#handlePackets(conn, bytes, at, end);
    if (at < end && state[conn] !== STATE.closing) this.#keep(conn, bytes, at, end);
    if (this.#isLinkBehind && state[conn] !== STATE.closing) this.#throttle(conn);
  }

  onEnd(conn: number): void {
    this.#end(conn, CLOSE_CAUSE.ended);
  }

  onDrain(): void {
    // Output is looked at by `#releaseThrottled`; a send that was refused has ended its connection.
  }

  onClose(conn: number, reason: CloseReason): void {
    const { state, cause } = this.connections;
    if (state[conn] === STATE.online) this.#logout(conn);
    this.#packets.forget(conn);
    let ended = cause[conn]!;
    if (ended === NO_CAUSE) {
      ended = reason === CLOSE_REASON.stopped ? CLOSE_CAUSE.stopped : CLOSE_CAUSE.reset;
    }
    this.#stats[STAT_CLOSED + ended]!++;
    this.partials.drop(conn);
    state[conn] = STATE.free;
  }

  onDeadline(conn: number): void {
    const { state, flags, keepAliveS, lastHeard } = this.connections;
    if (state[conn] === STATE.closing) {
      this.#reactor.abort(conn);
      return;
    }
    if (state[conn] !== STATE.online) {
      this.#end(conn, CLOSE_CAUSE.loginTimeout);
      return;
    }
    if ((flags[conn]! & CONN_FLAG.withheld) !== 0) {
      this.#end(conn, CLOSE_CAUSE.withheld);
      return;
    }
    const silent = this.#nowTenths() - lastHeard[conn]!;
    const allowed = keepAliveS[conn]! * 15;
    if (silent >= allowed) this.#end(conn, CLOSE_CAUSE.keepAlive);
    else this.#reactor.setDeadline(conn, (allowed - silent) * 100);
  }

  onWake(): void {
    this.#wakeCall();
  }

  onTurn(nowUs: number): number {
    const hasMore = this.#exchange.drainSome();
    const departUs = this.departures.onTurn(nowUs, this.#departing);
    if (this.#throttledCount > 0 && nowUs >= this.#nextThrottleUs) {
      this.#nextThrottleUs = nowUs + THROTTLE_PERIOD_US;
      this.#releaseThrottled();
    }
    const behindBytes = this.#exchange.flush(nowUs);
    this.#isLinkBehind = behindBytes > this.#limits.linkBacklogBytesSoftMax;
    this.#isNowFresh = false;
    // A whole number: one that is not would be an object on the heap.
    const wantedUs = sooner(this.#turnCall(nowUs), departUs);
    if (hasMore) return 0;
    if (behindBytes > 0) return LINK_RETRY_US;
    if (this.#throttledCount > 0 && (wantedUs === 0 || wantedUs > THROTTLE_PERIOD_US)) {
      return THROTTLE_PERIOD_US;
    }
    return wantedUs > 0 ? wantedUs : Number.POSITIVE_INFINITY;
  }

  // What homes ask for.

  loginAnswer(
    home: number,
    conn: number,
    generation: number,
    row: number,
    rowGeneration: number,
    returnCode: number,
    isPresent: boolean,
  ): void {
    const { connections } = this;
    const isWaiting =
      connections.state[conn] === STATE.loggingIn && connections.generation[conn] === generation;
    if (!isWaiting) {
      // The client left while its home was asked.
      if (row >= 0) this.#exchange.logout(home, row, rowGeneration, conn, generation, 0, -1);
      return;
    }
    const { login } = this.#packets;
    const end = login.answer(conn, returnCode, isPresent);
    if (returnCode !== CONNACK.accepted) {
      this.#answer(conn, login.bytes, end);
      this.#end(conn, CLOSE_CAUSE.usersFull);
      return;
    }
    connections.state[conn] = STATE.online;
    connections.row[conn] = row;
    connections.rowGeneration[conn] = rowGeneration;
    // One and a half times the keep-alive [MQTT-3.1.2-24]; 0 clears the deadline of the login.
    this.#reactor.setDeadline(conn, connections.keepAliveS[conn]! * 1500);
    this.#answer(conn, login.bytes, end);
    this.#handleKept(conn);
  }

  /**
   * The home wants the connection to end. `takenOver`: the user logged in elsewhere and the home has
   * already forgotten this connection.
   */
  kick(conn: number, generation: number, cause: number): void {
    if (!this.connections.isOnline(conn, generation)) return;
    if (cause !== CLOSE_CAUSE.takenOver) {
      this.#end(conn, cause);
      return;
    }
    const isBehind = this.#reactor.outputBytes(conn) > 0;
    if (!isBehind) this.#explain(conn, cause);
    this.#shut(conn, cause, isBehind);
  }

  /**
   * A message was not stored. MQTT 5 says so; in MQTT 3 no PUBACK comes, and after a grace the
   * connection ends.
   */
  withhold(conn: number, generation: number, packetId: number): void {
    const { connections } = this;
    if (!connections.isOnline(conn, generation)) return;
    if ((connections.flags[conn]! & CONN_FLAG.v5) !== 0) {
      const { quotaExceeded } = REASON;
      const end = encodeAcknowledge5(this.#out, 0, PACKET.puback, packetId, quotaExceeded);
      this.#answer(conn, this.#out, end);
      return;
    }
    if ((connections.flags[conn]! & CONN_FLAG.withheld) !== 0) return;
    connections.flags[conn]! |= CONN_FLAG.withheld;
    this.#reactor.setDeadline(conn, this.#limits.withheldGraceMs);
  }

  /** Sends a packet that a home made; `kind` is one of OUTPUT. */
  output(
    conn: number,
    generation: number,
    kind: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (!this.connections.isOnline(conn, generation)) return;
    if (kind === OUTPUT.message || kind === OUTPUT.receipt) {
      this.#sendDroppable(conn, kind, bytes, start, end);
      return;
    }
    if (!this.#reactor.send(conn, bytes, start, end)) {
      this.#end(conn, CLOSE_CAUSE.outputFull);
      return;
    }
    if (kind === OUTPUT.deliveryWithoutId) this.#reportWritten(conn);
    else if (kind === OUTPUT.answer) this.#throttleIfBehind(conn);
  }

  /** Handles whole packets from `at` on; returns where the first incomplete one begins. */
  #handlePackets(conn: number, bytes: Uint8Array, at: number, end: number): number {
    const { state } = this.connections;
    while (at < end && state[conn] !== STATE.loggingIn && state[conn] !== STATE.closing) {
      this.#dropOldDup(conn, bytes, at);
      const length = frameLength(bytes, at, end, this.#packetBytesMax(conn));
      if (length === 0) break;
      if (length < 0) {
        this.#end(conn, causeOfFlaw(length), bytes[at]!);
        break;
      }
      this.#handle(conn, bytes, at, at + length);
      at += length;
    }
    return at;
  }

  #handle(conn: number, bytes: Uint8Array, start: number, end: number): void {
    const result = this.#packets.handle(conn, bytes, start, end);
    if (result < 0) this.#end(conn, -1 - result, bytes[start]!);
  }

  /** Adds to the packet whose beginning is kept until it is whole, then handles it; returns where the next begins. */
  #completePartial(conn: number, bytes: Uint8Array, at: number, end: number): number {
    const { partials } = this;
    // What a client sends before its login is answered waits, however many packets it is.
    if (this.connections.state[conn] === STATE.loggingIn) return at;
    for (;;) {
      const start = partials.start(conn);
      const have = partials.length(conn);
      const bytesMax = this.#packetBytesMax(conn);
      this.#dropOldDup(conn, partials.bytes, start);
      const length = announcedLength(partials.bytes, start, start + have, bytesMax);
      if (length < 0) {
        this.#end(conn, causeOfFlaw(length), partials.bytes[start]!);
        return end;
      }
      if (length === have) {
        this.#handleWhole(conn, start, length);
        return at;
      }
      if (at === end) return at;
      // Until the header is whole, byte by byte: at most four times.
      const until = Math.min(end, at + (length === 0 ? 1 : length - have));
      if (!this.#keep(conn, bytes, at, until)) return end;
      at = until;
    }
  }

  /** MQTT 3.1 marks repeated PUBREL, SUBSCRIBE and UNSUBSCRIBE too (3.1: 2.1); later versions have no such bit. */
  #dropOldDup(conn: number, bytes: Uint8Array, at: number): void {
    if ((this.connections.flags[conn]! & CONN_FLAG.v31) === 0) return;
    const type = bytes[at]! >>> 4;
    if (type === PACKET.pubrel || type === PACKET.subscribe || type === PACKET.unsubscribe) {
      bytes[at]! &= ~DUP;
    }
  }

  /** Handles the kept packet, now whole. */
  #handleWhole(conn: number, start: number, length: number): void {
    const { partials } = this;
    const block = partials.detach(conn);
    this.#handle(conn, partials.bytes, start, start + length);
    partials.release(block, length);
  }

  /** Handles what came while the login waited for its answer. */
  #handleKept(conn: number): void {
    const { partials } = this;
    const length = partials.length(conn);
    if (length === 0) return;
    const start = partials.start(conn);
    const block = partials.detach(conn);
    const at = this.#handlePackets(conn, partials.bytes, start, start + length);
    if (at < start + length && this.connections.state[conn] !== STATE.closing) {
      this.#keep(conn, partials.bytes, at, start + length);
    }
    partials.release(block, length);
    this.#resume(conn);
  }

  /** Keeps [from, to) until more comes; false when the connection had to be ended for it. */
  #keep(conn: number, bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.partials.append(conn, bytes, from, to)) {
      this.#end(conn, CLOSE_CAUSE.partialFull);
      return false;
    }
    if (this.connections.state[conn] === STATE.loggingIn) this.#pause(conn);
    return true;
  }

  #packetBytesMax(conn: number): number {
    return this.connections.state[conn] === STATE.connecting
      ? this.#limits.connectBytesMax
      : this.#limits.packetBytesMax;
  }

  /** Sends an answer to a packet of this client. */
  #answer(conn: number, bytes: Uint8Array, end: number): void {
    if (!this.#reactor.send(conn, bytes, 0, end)) this.#end(conn, CLOSE_CAUSE.outputFull);
    else this.#throttleIfBehind(conn);
  }

  #sendDroppable(conn: number, kind: number, bytes: Uint8Array, start: number, end: number): void {
    const waiting = this.#reactor.outputBytes(conn);
    const hasRoom = waiting === 0 || waiting + end - start <= this.#limits.outputBytesSoftMax;
    if (!hasRoom || !this.#reactor.send(conn, bytes, start, end)) {
      this.#stats[STAT.dropped]!++;
    } else if (kind === OUTPUT.message) this.#stats[STAT.delivered]!++;
    else this.#stats[STAT.receipts]!++;
  }

  /** A delivery without packet id is written once what waits before the client is little. */
  #reportWritten(conn: number): void {
    const { home, row, rowGeneration, unwritten } = this.connections;
    if (this.#reactor.outputBytes(conn) > this.#limits.outputBytesSoftMax) {
      unwritten[conn]!++;
      this.#list(conn);
    } else this.#exchange.written(home[conn]!, row[conn]!, rowGeneration[conn]!, 1);
  }

  #throttleIfBehind(conn: number): void {
    if (this.#reactor.outputBytes(conn) > 2 * this.#limits.outputBytesSoftMax) this.#throttle(conn);
  }

  /** Reads no more from a client until `#releaseThrottled` finds that it has caught up. */
  #throttle(conn: number): void {
    if (this.connections.state[conn] !== STATE.online) return;
    this.#stats[STAT.throttled]!++;
    this.#pause(conn);
    this.#list(conn);
  }

  #list(conn: number): void {
    const { flags } = this.connections;
    if ((flags[conn]! & CONN_FLAG.listed) !== 0) return;
    flags[conn]! |= CONN_FLAG.listed;
    this.#throttled[this.#throttledCount++] = conn;
  }

  /** From the end to the front: what a release lists again stands behind and is not looked at twice. */
  #releaseThrottled(): void {
    const { state, flags, unwritten, home, row, rowGeneration } = this.connections;
    for (let i = this.#throttledCount - 1; i >= 0; i--) {
      const conn = this.#throttled[i]!;
      const isOnline = state[conn] === STATE.online;
      const isBehind =
        this.#isLinkBehind || this.#reactor.outputBytes(conn) > this.#limits.outputBytesSoftMax;
      if (isOnline && isBehind) continue;
      this.#throttled[i] = this.#throttled[--this.#throttledCount]!;
      flags[conn]! &= ~CONN_FLAG.listed;
      if (!isOnline) continue;
      this.#resume(conn);
      const count = unwritten[conn]!;
      unwritten[conn] = 0;
      if (count > 0) {
        this.#exchange.written(home[conn]!, row[conn]!, rowGeneration[conn]!, count);
      }
    }
  }

  #pause(conn: number): void {
    const { flags } = this.connections;
    if ((flags[conn]! & CONN_FLAG.paused) !== 0) return;
    flags[conn]! |= CONN_FLAG.paused;
    this.#reactor.pauseReceive(conn);
  }

  #resume(conn: number): void {
    const { flags, state } = this.connections;
    if ((flags[conn]! & CONN_FLAG.paused) === 0 || state[conn] === STATE.closing) return;
    flags[conn]! &= ~CONN_FLAG.paused;
    this.#reactor.resumeReceive(conn);
  }

  /** Ends a connection, and its user's login if there was one; `firstByte` of the packet that caused it. */
  #end(conn: number, cause: number, firstByte = 0): void {
    const { state } = this.connections;
    if (state[conn] === STATE.closing) return;
    // A peer that is silent or does not read would not read what is queued either.
    const isAbort = cause === CLOSE_CAUSE.keepAlive || cause === CLOSE_CAUSE.outputFull;
    if (state[conn] === STATE.online) {
      if (!isAbort) this.#explain(conn, cause, firstByte);
      this.#logout(conn);
    }
    this.#shut(conn, cause, isAbort);
  }

  /** Tells a client of MQTT 5 why (5: 4.13); best effort. */
  #explain(conn: number, cause: number, firstByte = 0): void {
    if ((this.connections.flags[conn]! & CONN_FLAG.v5) === 0) return;
    const reason = reasonOfCause(cause, firstByte);
    if (reason === 0) return;
    const takesLittle = (this.connections.flags[conn]! & CONN_FLAG.takesLittle) !== 0;
    const more = takesLittle ? undefined : this.departures.properties(reason);
    const end = encodeReason5(this.#out, 0, PACKET.disconnect, reason, more);
    this.#reactor.send(conn, this.#out, 0, end);
  }

  #shut(conn: number, cause: number, isAbort: boolean): void {
    const { connections } = this;
    connections.state[conn] = STATE.closing;
    connections.cause[conn] = cause;
    this.partials.drop(conn);
    if (isAbort) this.#reactor.abort(conn);
    else {
      this.#reactor.close(conn);
      this.#reactor.setDeadline(conn, this.#limits.closeTimeoutMs);
    }
  }

  #logout(conn: number): void {
    const { home, row, rowGeneration, generation } = this.connections;
    const said = this.#packets.login.takeGoodbye(conn);
    this.#exchange.logout(
      home[conn]!,
      row[conn]!,
      rowGeneration[conn]!,
      conn,
      generation[conn]!,
      said.flags,
      said.expiryS,
    );
  }

  #nowTenths(): number {
    if (!this.#isNowFresh) {
      this.#now = Math.floor((this.#clock.monoUs() - this.#startUs) / 100_000);
      this.#isNowFresh = true;
    }
    return this.#now;
  }
}

/** The shorter of two times in which somebody wants to be called again, us; 0 = it does not. */
export function sooner(oneUs: number, otherUs: number): number {
  if (oneUs === 0 || otherUs === 0) return oneUs + otherUs;
  return Math.min(oneUs, otherUs);
}
