// The users of one worker thread and what happens to them: they log in (as fast as the pacer lets them),
// send and receive, stay alive, come back when their connection breaks, and say goodbye.
//
//   waiting -> connecting -> loggingIn -> loggedIn -> ready -> leaving -> gone
//      ^___________|____________|____________|_________|
//                 failed, lost: again after RETRY_MS, at most FAILURES_MAX times in a row
//
// Saying goodbye: DISCONNECT is sent, the server closes (MQTT 3.1.1, 3.14.4), and on its FIN the
// connection is reset: both directions are finished, nothing can be lost, and neither side keeps a
// TIME_WAIT that a second run would meet. A server that does not close in time is reset too.
//
// Cost: about 40 bytes a user, one deadline each; no object, closure or timer for each user.

import { constants } from 'node:os';
import { assert } from '#core/assert.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { CloseReason, Conn, Reactor, ReactorHandler } from '#core/socket/reactor.ts';
import { decodeSuback, SubackFields } from '#core/wire/mqtt/decode-acknowledge.ts';
import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { CONNACK, PACKET, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';
import type { LoginPacer } from '#loadgen/login-pacer.ts';
import type { MessageReceiver } from '#loadgen/message-receiver.ts';
import type { MessageSender } from '#loadgen/message-sender.ts';
import { PacketReader } from '#loadgen/packet-reader.ts';
import { PHASE, type RunControl } from '#loadgen/run-control.ts';
import { drawBelow, LANE } from '#loadgen/seeded-draw.ts';
import { type SourcePlan, sourceAddress, sourcePort } from '#loadgen/source-plan.ts';
import type { UserPackets } from '#loadgen/user-packets.ts';
import { TurnQueue, USER, type UserTable } from '#loadgen/user-table.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

/** Connections beyond one a user: those that are just being closed while their user tries again. */
export const SPARE_CONNECTIONS = 64;

/** A server that has not answered CONNECT and SUBSCRIBE by then will not. */
const LOGIN_TIMEOUT_MS = 10_000;
/** A server that has not closed by then after DISCONNECT waits for us. */
const GOODBYE_TIMEOUT_MS = 1000;
/** How long a user waits before he tries again, and how often in a row. */
const RETRY_MS = 500;
const FAILURES_MAX = 30;
/** Taken sources in a row after which the next try waits like any other. */
const SOURCES_TAKEN_MAX = 64;
/** Logins that start, and users that leave, in one turn. */
const STEPS_PER_TURN = 256;
/** Cut packets at a time: far more than there are bytes on their way in one turn. */
const CUT_PACKETS_MAX = 4096;
/** Somebody has this address and port. */
const { EADDRINUSE } = constants.errno;

/** Where users connect to; without a source plan the kernel chooses where from. */
export interface PopulationRoute {
  targetAddress: number;
  targetPort: number;
  sources: SourcePlan | undefined;
}

export interface PopulationParts {
  clock: Clock;
  reactor: Reactor;
  users: UserTable;
  present: Uint8Array;
  route: PopulationRoute;
  packets: UserPackets;
  pacer: LoginPacer;
  sender: MessageSender;
  receiver: MessageReceiver;
  control: RunControl;
  board: Board;
  /** Keep-alive told to the server, ms; 0 = none. */
  keepAliveMs: number;
  seed: number;
}

export class Population implements ReactorHandler {
  readonly #parts: PopulationParts;
  readonly #reader: PacketReader;
  readonly #queue: TurnQueue;
  readonly #suback = new SubackFields();
  /** In the logout phase: the next user to leave. */
  #leaver = 0;
  #sourcesTaken = 0;

  constructor(parts: PopulationParts) {
    this.#parts = parts;
    const { users, reactor } = parts;
    const slots = Math.min(users.count + SPARE_CONNECTIONS, CUT_PACKETS_MAX);
    this.#reader = new PacketReader(reactor.capacity, slots, (conn, bytes, start, end) =>
      this.#packet(conn, bytes, start, end),
    );
    this.#queue = new TurnQueue(users.count);
    for (let user = 0; user < users.count; user++) this.#queue.push(user, 0);
  }

  /** The part of a turn that is ours; returns microseconds until it is wanted again. */
  turn(nowUs: number): number {
    const { control, sender } = this.#parts;
    const { phase } = control;
    if (phase === PHASE.logout) return this.#leaveSome();
    const loginUs = phase === PHASE.drain ? Number.POSITIVE_INFINITY : this.#logInSome(nowUs);
    return phase === PHASE.ramp ? loginUs : Math.min(loginUs, sender.turn(nowUs));
  }

  onAccept(): void {
    assert(false, 'a population listens nowhere');
  }

  onConnect(conn: Conn, errno: number): void {
    const { users, reactor, packets, board } = this.#parts;
    if (errno !== 0) {
      const user = users.unbind(conn);
      if (users.state[user] !== USER.gone) this.#connectFailed(user, errno);
      return;
    }
    board[BOARD.connected]!++;
    const user = users.userOf[conn]!;
    users.state[user] = USER.loggingIn;
    packets.writeLogin(users.first + user);
    assert(
      reactor.send(conn, packets.login, 0, packets.login.length),
      'a new connection takes its first packets',
    );
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#reader.feed(conn, bytes, start, end) < 0) {
      this.#parts.board[BOARD.malformed]!++;
      this.#parts.reactor.abort(conn);
    }
  }

  onEnd(conn: Conn): void {
    const { users, reactor } = this.#parts;
    if (users.state[users.userOf[conn]!] === USER.leaving) reactor.abort(conn);
    else reactor.close(conn);
  }

  onDrain(): void {
    // What was held back is tried again every millisecond.
  }

  onClose(conn: Conn, _reason: CloseReason, errno: number): void {
    const { users, board, present, pacer, clock } = this.#parts;
    this.#reader.drop(conn);
    const user = users.unbind(conn);
    const state = users.state[user]!;
    present[users.first + user] = 0;
    if (state === USER.gone) return;
    if (state === USER.leaving) {
      users.state[user] = USER.gone;
      board[BOARD.left]!++;
      return;
    }
    if (errno !== 0) board[BOARD.lastErrno] = errno;
    if (state === USER.loggedIn || state === USER.ready) this.#noLongerIn(state);
    if (state === USER.ready) {
      board[BOARD.lost]!++;
      this.#again(user);
    } else {
      pacer.failed(clock.monoUs());
      this.#failed(user);
    }
  }

  onDeadline(conn: Conn): void {
    const { users, reactor, board } = this.#parts;
    const user = users.userOf[conn]!;
    const state = users.state[user]!;
    if (state === USER.ready) this.#keepAlive(user, conn);
    else {
      if (state !== USER.leaving) board[BOARD.timeouts]!++;
      reactor.abort(conn);
    }
  }

  onWake(): void {
    // Every wake is followed by a turn, which looks at what was written for us.
  }

  onTurn(): number {
    return this.turn(this.#parts.clock.monoUs());
  }

  /** Starts logins as far as the pacer allows; returns microseconds until the next may start. */
  #logInSome(nowUs: number): number {
    const { pacer, users } = this.#parts;
    for (let i = 0; i < STEPS_PER_TURN; i++) {
      const queueUs = this.#queue.readyMs * 1000 + users.originUs - nowUs;
      const waitUs = Math.max(queueUs, pacer.waitUs(nowUs));
      if (waitUs > 0) return waitUs;
      const user = this.#queue.shift();
      users.sinceMs[user] = users.ms(nowUs);
      pacer.started(nowUs);
      this.#connect(user);
    }
    return 0;
  }

  #connect(user: number): void {
    const { users, reactor, route, board } = this.#parts;
    const attempt = users.attempts[user]!++;
    const { sources } = route;
    const from = users.first + user;
    const conn = reactor.connect({
      remoteAddress: route.targetAddress,
      remotePort: route.targetPort,
      localAddress: sources === undefined ? 0 : sourceAddress(sources, from, attempt),
      localPort: sources === undefined ? 0 : sourcePort(sources, from, attempt),
    });
    assert(conn >= 0, 'there is a connection for every user and some to spare');
    board[BOARD.attempted]!++;
    users.bind(user, conn);
    users.state[user] = USER.connecting;
    reactor.setDeadline(conn, LOGIN_TIMEOUT_MS);
  }

  #connectFailed(user: number, errno: number): void {
    const { board, pacer, clock } = this.#parts;
    if (errno === EADDRINUSE && this.#sourcesTaken < SOURCES_TAKEN_MAX) {
      this.#sourcesTaken++;
      board[BOARD.sourceTaken]!++;
      this.#connect(user);
      return;
    }
    this.#sourcesTaken = 0;
    board[BOARD.lastErrno] = errno;
    pacer.failed(clock.monoUs());
    this.#failed(user);
  }

  #failed(user: number): void {
    const { users, board } = this.#parts;
    board[BOARD.failed]!++;
    if (++users.failures[user]! < FAILURES_MAX) this.#again(user);
    else this.#giveUp(user);
  }

  /** Puts a user back into the queue, unless the run is ending. */
  #again(user: number): void {
    const { users, clock, control } = this.#parts;
    if (control.phase >= PHASE.drain) {
      this.#giveUp(user);
      return;
    }
    users.state[user] = USER.waiting;
    this.#queue.push(user, Math.ceil(users.ms(clock.monoUs())) + RETRY_MS);
  }

  #giveUp(user: number): void {
    this.#parts.users.state[user] = USER.gone;
    this.#parts.board[BOARD.givenUp]!++;
  }

  #noLongerIn(state: number): void {
    const { board } = this.#parts;
    board[BOARD.loggedIn]!--;
    if (state === USER.ready) board[BOARD.ready]!--;
  }

  /** One packet of the server; false when the connection shall not be read any more. */
  #packet(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const { users, receiver, board } = this.#parts;
    const user = users.userOf[conn]!;
    switch (bytes[start]! >>> 4) {
      case PACKET.publish:
        return receiver.publish(conn, bytes, start, end) || this.#malformed(conn);
      case PACKET.puback:
        board[BOARD.acked]!++;
        if (users.unacked[user]! > 0) users.unacked[user]!--;
        return true;
      case PACKET.connack:
        return this.#connack(conn, user, bytes[bodyStart(bytes, start) + 1]!);
      case PACKET.suback:
        if (decodeSuback(bytes, start, end, this.#suback) !== 0) return this.#malformed(conn);
        return this.#subscribed(conn, user, bytes[this.#suback.codesStart]!);
      case PACKET.pingresp:
        users.pinging[user] = 0;
        return true;
      default:
        return this.#malformed(conn);
    }
  }

  #connack(conn: Conn, user: number, code: number): boolean {
    const { users, board } = this.#parts;
    if (users.state[user] !== USER.loggingIn) return this.#malformed(conn);
    if (code !== CONNACK.accepted) return this.#refused(conn, user, code);
    users.state[user] = USER.loggedIn;
    board[BOARD.logins]!++;
    board[BOARD.loggedIn]!++;
    if (users.wasIn[user] === 1) board[BOARD.reconnects]!++;
    users.wasIn[user] = 1;
    return true;
  }

  #subscribed(conn: Conn, user: number, mailboxCode: number): boolean {
    const { users, board, present, pacer, clock, reactor } = this.#parts;
    if (users.state[user] !== USER.loggedIn) return this.#malformed(conn);
    if (mailboxCode === SUBACK_FAILURE) return this.#refused(conn, user, SUBACK_FAILURE);
    const nowUs = clock.monoUs();
    pacer.succeeded(nowUs, (users.ms(nowUs) - users.sinceMs[user]!) * 1000);
    users.state[user] = USER.ready;
    users.failures[user] = 0;
    users.sinceMs[user] = users.ms(nowUs);
    this.#sourcesTaken = 0;
    board[BOARD.ready]!++;
    present[users.first + user] = 1;
    reactor.setDeadline(conn, this.#firstCheckMs(user));
    return true;
  }

  /** The server said no: this user is not tried again. */
  #refused(conn: Conn, user: number, code: number): boolean {
    const { users, board, pacer, clock, reactor } = this.#parts;
    if (users.state[user] === USER.loggedIn) this.#noLongerIn(USER.loggedIn);
    board[BOARD.failed]!++;
    board[BOARD.refused]!++;
    board[BOARD.lastRefusal] = code;
    pacer.failed(clock.monoUs());
    this.#giveUp(user);
    reactor.close(conn);
    return false;
  }

  #malformed(conn: Conn): boolean {
    this.#parts.board[BOARD.malformed]!++;
    this.#parts.reactor.abort(conn);
    return false;
  }

  /**
   * Half of the keep-alive has passed since the last look. Who was silent for nearly that long pings: so
   * nobody is silent for the whole of it. Who still waits for an answer has lost his connection.
   */
  #keepAlive(user: number, conn: Conn): void {
    const { users, reactor, packets, board, clock, keepAliveMs } = this.#parts;
    if (users.pinging[user] === 1) {
      board[BOARD.timeouts]!++;
      reactor.abort(conn);
      return;
    }
    const halfMs = keepAliveMs / 2;
    const nowMs = users.ms(clock.monoUs());
    if (nowMs - users.sinceMs[user]! >= halfMs * 0.9 && reactor.send(conn, packets.ping, 0, 2)) {
      board[BOARD.pings]!++;
      users.pinging[user] = 1;
      users.sinceMs[user] = nowMs;
    }
    reactor.setDeadline(conn, halfMs);
  }

  /** Pings of users who logged in together are spread over the time; 0 = no keep-alive. */
  #firstCheckMs(user: number): number {
    const { keepAliveMs, seed, users } = this.#parts;
    const quarterMs = Math.floor(keepAliveMs / 4);
    return quarterMs === 0
      ? 0
      : quarterMs + drawBelow(seed, users.first + user, LANE.phase, quarterMs);
  }

  /** Lets some users say goodbye; stops the reactor when nobody is left. */
  #leaveSome(): number {
    const { users, reactor, packets, board } = this.#parts;
    const until = Math.min(users.count, this.#leaver + STEPS_PER_TURN);
    for (; this.#leaver < until; this.#leaver++) {
      const user = this.#leaver;
      const state = users.state[user]!;
      const conn = users.conn[user]!;
      if (conn < 0 || state === USER.gone) continue;
      if (state === USER.ready || state === USER.loggedIn) this.#noLongerIn(state);
      if (state === USER.ready && reactor.send(conn, packets.disconnect, 0, 2)) {
        users.state[user] = USER.leaving;
        reactor.setDeadline(conn, GOODBYE_TIMEOUT_MS);
        continue;
      }
      // Not logged in yet, or his connection takes nothing more: there is nothing to say goodbye to.
      users.state[user] = USER.gone;
      board[BOARD.left]!++;
      reactor.abort(conn);
    }
    if (this.#leaver < users.count) return 0;
    if (reactor.connections === 0) reactor.stop();
    return Number.POSITIVE_INFINITY;
  }
}
