// How users of one worker get in, come back and are given up: who is next, how fast, from which
// source, and what a refusal, a silence or a broken connection means.
//
//   waiting -> connecting -> loggingIn -> loggedIn -> ready
//      ^___________|____________|____________|_________|     failed or lost: again after the time of the policy,
//                                                            at most FAILURES_MAX times in a row
//
// Cost: 8 bytes for each of the users who wait again at the same time; no allocation after the start.

import { constants } from 'node:os';
import { assert } from '#core/assert.ts';
import type { Clock } from '#core/clock/clock.ts';
import type { Conn } from '#core/socket/reactor.ts';
import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import { CONNACK, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';
import type { LiveSettings } from '#loadgen/live-settings.ts';
import type { LoginPacer } from '#loadgen/login-pacer.ts';
import { networkOf, type UserNetwork } from '#loadgen/network-mix.ts';
import { PHASE, type RunControl } from '#loadgen/run-control.ts';
import { type SourcePlan, sourceAddress, sourcePort } from '#loadgen/source-plan.ts';
import { type ReturnPolicy, returnDelayMs } from '#loadgen/storm.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { blockOf } from '#loadgen/user-blocks.ts';
import type { UserPackets } from '#loadgen/user-packets.ts';
import { PRESENT, TurnQueue, USER, type UserTable } from '#loadgen/user-table.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

/** A server that has not answered CONNECT and SUBSCRIBE by then will not. */
const LOGIN_TIMEOUT_MS = 10_000;
/** Returns are this exact. */
const RETURN_STEP_MS = 10;
/** How often a user tries in a row. */
const FAILURES_MAX = 30;
/** Taken sources in a row after which the next try waits like any other: for those that are left to be free. */
const SOURCES_TAKEN_MAX = 64;
/** Logins that start in one turn. */
const LOGINS_PER_TURN = 256;
/** Somebody has this address and port; or has had them, and they are still in TIME_WAIT towards this target. */
const { EADDRINUSE, EADDRNOTAVAIL } = constants.errno;

/** Where users connect to, and where from. */
export interface LoginRoute {
  targetAddress: number;
  /** User u goes to number u mod their count. */
  targetPorts: readonly number[];
  sources: SourcePlan | undefined;
  /** Networks that users may be on; one at most: no choice. */
  networks: readonly UserNetwork[];
}

export interface LoginParts {
  clock: Clock;
  reactor: ClientReactor;
  users: UserTable;
  /** One of PRESENT for each user of the whole population; shared by all workers. */
  present: Uint8Array;
  route: LoginRoute;
  packets: UserPackets;
  pacer: LoginPacer;
  control: RunControl;
  board: Board;
  seed: number;
  live: LiveSettings;
  /** Users are in for a session only, and away else. */
  hasSessions: boolean;
  returnPolicy: ReturnPolicy;
}

export class LoginDesk {
  readonly #parts: LoginParts;
  readonly #queue: TurnQueue;
  /** Who comes back at a time of his own. */
  readonly #returns: TimerWheel;
  #lastReadyMs = 0;
  #sourcesTaken = 0;

  constructor(parts: LoginParts) {
    this.#parts = parts;
    const { users } = parts;
    this.#returns = new TimerWheel(users.count, 0, RETURN_STEP_MS);
    // Who comes for a session waits for it.
    if (parts.hasSessions) users.state.fill(USER.away);
    this.#queue = new TurnQueue(users.count, parts.hasSessions ? 0 : users.count);
  }

  /** Starts logins as far as the pacer allows; returns microseconds until the next may start. */
  turn(nowUs: number): number {
    const { pacer, users, board } = this.#parts;
    const nowMs = Math.max(0, users.ms(nowUs));
    if (this.#returns.armed > 0) this.#returns.advance(nowMs, (user) => this.#queueUp(user, nowMs));
    const returnUs = this.#returns.msUntilNext(nowMs) * 1000;
    for (let i = 0; i < LOGINS_PER_TURN; i++) {
      const queueUs = this.#queue.readyMs * 1000 + users.originUs - nowUs;
      const waitUs = Math.max(queueUs, pacer.waitUs(nowUs));
      if (waitUs > 0) return Math.min(waitUs, returnUs);
      const user = this.#queue.shift();
      if (this.isDown(user)) {
        users.state[user] = USER.parked;
        board[BOARD.parked]!++;
        continue;
      }
      users.sinceMs[user] = users.ms(nowUs);
      pacer.started(nowUs);
      this.#connect(user);
    }
    return 0;
  }

  /** Whether the block of a user is down. */
  isDown(user: number): boolean {
    const { live, users, present } = this.#parts;
    const { downBlock } = live;
    return downBlock !== 0 && blockOf(users.first + user, present.length) === downBlock;
  }

  /** A session begins: the user logs in as soon as the pacer lets him. */
  enter(user: number): void {
    const { users, clock } = this.#parts;
    users.state[user] = USER.waiting;
    this.#queueUp(user, Math.max(0, users.ms(clock.monoUs())));
  }

  /** A user says goodbye and is away until his next session stands. */
  mayRest(user: number): void {
    const { users, board } = this.#parts;
    board[BOARD.parked]! += 1 - users.resting[user]!;
    users.resting[user] = 1;
  }

  /** A user has said goodbye and comes again after a while. */
  rest(user: number, ms: number): void {
    const { users, clock } = this.#parts;
    users.state[user] = USER.waiting;
    this.#returns.set(user, Math.max(0, users.ms(clock.monoUs())), ms);
  }

  /** The block of a user who was away has come back. */
  comeBack(user: number): void {
    this.#parts.board[BOARD.parked]!--;
    this.enter(user);
  }

  /** TCP stands: the user says who he is and what he wants. */
  connected(conn: Conn, user: number): void {
    const { users, reactor, packets, board } = this.#parts;
    board[BOARD.connected]!++;
    users.state[user] = USER.loggingIn;
    packets.writeLogin(users.first + user);
    const isTaken = reactor.send(conn, packets.login, 0, packets.login.length);
    // Only the bound of the whole reactor can refuse a new connection; then there is no room for a
    // login.
    if (!isTaken) reactor.abort(conn);
  }

  connectFailed(user: number, errno: number): void {
    const { users, board, pacer, clock } = this.#parts;
    const isTaken = errno === EADDRINUSE || errno === EADDRNOTAVAIL;
    if (isTaken) board[BOARD.sourceTaken]!++;
    if (isTaken && this.#sourcesTaken < SOURCES_TAKEN_MAX) {
      this.#sourcesTaken++;
      this.#connect(user);
      return;
    }
    this.#sourcesTaken = 0;
    board[BOARD.lastErrno] = errno;
    // The target has nothing to do with it: time frees sources, and trying is bounded as always.
    if (isTaken && users.failures[user]! < FAILURES_MAX - 1) {
      users.failures[user]!++;
      this.#again(user);
      return;
    }
    pacer.failed(clock.monoUs());
    this.#failed(user);
  }

  /** CONNACK. False when the connection shall not be read any more. */
  connack(conn: Conn, user: number, code: number): boolean {
    const { users, board } = this.#parts;
    if (code !== CONNACK.accepted) return this.#refused(conn, user, code);
    users.state[user] = USER.loggedIn;
    board[BOARD.logins]!++;
    board[BOARD.loggedIn]!++;
    if (users.wasIn[user] === 1) board[BOARD.reconnects]!++;
    users.wasIn[user] = 1;
    return true;
  }

  /** SUBACK, with the answer to the mailbox; a broker without receipts may refuse those. */
  subscribed(conn: Conn, user: number, mailboxCode: number): boolean {
    const { users, board, present, pacer, clock } = this.#parts;
    if (mailboxCode >= SUBACK_FAILURE) return this.#refused(conn, user, mailboxCode);
    const nowUs = clock.monoUs();
    pacer.succeeded(nowUs, (users.ms(nowUs) - users.sinceMs[user]!) * 1000);
    users.state[user] = USER.ready;
    users.failures[user] = 0;
    this.#rested(user);
    users.sinceMs[user] = users.ms(nowUs);
    this.#sourcesTaken = 0;
    board[BOARD.ready]!++;
    present[users.first + user] = PRESENT.yes;
    return true;
  }

  /** The connection of a user who was on his way in, or in, has broken. */
  broken(user: number, errno: number): void {
    const { users, board, pacer, clock } = this.#parts;
    const state = users.state[user]!;
    if (errno !== 0) board[BOARD.lastErrno] = errno;
    this.leftInside(state);
    if (state === USER.ready) {
      board[BOARD.lost]!++;
      this.#again(user);
    } else {
      pacer.failed(clock.monoUs());
      this.#failed(user);
    }
  }

  /** Takes a user who was in (state `loggedIn` or `ready`) off the gauges. */
  leftInside(state: number): void {
    const { board } = this.#parts;
    if (state === USER.loggedIn || state === USER.ready) board[BOARD.loggedIn]!--;
    if (state === USER.ready) board[BOARD.ready]!--;
  }

  #connect(user: number): void {
    const { users, reactor, route, board, seed } = this.#parts;
    const attempt = users.attempts[user]!++;
    const { sources, targetPorts, networks } = route;
    const from = users.first + user;
    const conn = reactor.connect({
      remoteAddress: route.targetAddress,
      remotePort: targetPorts[from % targetPorts.length]!,
      localAddress: sources === undefined ? 0 : sourceAddress(sources, from, attempt),
      localPort: sources === undefined ? 0 : sourcePort(sources, from, attempt),
      network: networks.length < 2 ? 0 : networkOf(networks, seed, from),
    });
    assert(conn >= 0, 'there is a connection for every user and some to spare');
    board[BOARD.attempted]!++;
    users.bind(user, conn);
    users.state[user] = USER.connecting;
    reactor.setDeadline(conn, LOGIN_TIMEOUT_MS);
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
    const { seed, returnPolicy } = this.#parts;
    const failures = users.failures[user]!;
    const delayMs = returnDelayMs(returnPolicy, seed, users.first + user, failures);
    const nowMs = Math.max(0, users.ms(clock.monoUs()));
    // Equal delays keep their order in the queue; others find theirs on the wheel.
    if (returnPolicy.kind === 'fixed') this.#queueUp(user, nowMs + delayMs);
    else this.#returns.set(user, nowMs, delayMs);
  }

  /** The queue wants times that do not fall. */
  #queueUp(user: number, readyMs: number): void {
    this.#lastReadyMs = Math.max(this.#lastReadyMs, Math.ceil(readyMs));
    this.#queue.push(user, this.#lastReadyMs);
  }

  /** A storm of ours: the connection is reset, and the user comes back like any other. */
  cutOff(user: number): void {
    const { board } = this.#parts;
    board[BOARD.cutOff]!++;
    this.#again(user);
  }

  /** Who was between two sessions is so no more. */
  #rested(user: number): void {
    const { users, board } = this.#parts;
    board[BOARD.parked]! -= users.resting[user]!;
    users.resting[user] = 0;
  }

  #giveUp(user: number): void {
    this.#rested(user);
    this.#parts.users.state[user] = USER.gone;
    this.#parts.board[BOARD.givenUp]!++;
  }

  /** The server said no: this user is not tried again. */
  #refused(conn: Conn, user: number, code: number): boolean {
    const { users, board, pacer, clock, reactor } = this.#parts;
    this.leftInside(users.state[user]!);
    board[BOARD.failed]!++;
    board[BOARD.refused]!++;
    board[BOARD.lastRefusal] = code;
    pacer.failed(clock.monoUs());
    this.#giveUp(user);
    reactor.close(conn);
    return false;
  }
}
