// The users of one worker thread on their reactor: what arrives for whom, who must show that he is
// alive, and how everybody says goodbye. Logging in is in login-desk.ts, the messages are in
// message-sender.ts and message-receiver.ts.
//
// Saying goodbye: DISCONNECT is sent, the server closes (MQTT 3.1.1, 3.14.4), and on its FIN the
// connection is reset: both directions are finished, nothing can be lost, and neither side keeps a
// TIME_WAIT that a second run would meet. A server that does not close in time is reset too.
//
// Cost: about 40 bytes a user, one deadline each; no object, closure or timer for each user.

import { assert } from '#core/assert.ts';
import {
  CLOSE_REASON,
  type CloseReason,
  type Conn,
  type ReactorHandler,
} from '#core/socket/reactor.ts';
import { decodeSuback, SubackFields } from '#core/wire/mqtt/decode-acknowledge.ts';
import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { PACKET, PROTOCOL_LEVEL_5, REASON, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';
import { Goodbyes } from '#loadgen/goodbyes.ts';
import type { Region } from '#loadgen/group-map.ts';
import { LoginDesk, type LoginParts } from '#loadgen/login-desk.ts';
import type { MessageReceiver } from '#loadgen/message-receiver.ts';
import type { MessageSource } from '#loadgen/message-sender.ts';
import { PacketReader } from '#loadgen/packet-reader.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
import { PHASE } from '#loadgen/run-control.ts';
import { drawBelow, LANE } from '#loadgen/seeded-draw.ts';
import { gatherMsOf, type SessionClock } from '#loadgen/session-clock.ts';
import type { SlowReaders } from '#loadgen/slow-readers.ts';
import { isCutOff, type Storm } from '#loadgen/storm.ts';
import { blockOf } from '#loadgen/user-blocks.ts';
import { PRESENT, USER } from '#loadgen/user-table.ts';
import { BOARD } from '#loadgen/worker-board.ts';

/** Connections beyond one a user: those that are just being closed while their user tries again. */
export const SPARE_CONNECTIONS = 64;

/** A server that has not closed by then after DISCONNECT waits for us. */
const GOODBYE_TIMEOUT_MS = 2000;
/** Users that a storm, or a knob that was turned, looks at in one turn. */
const USERS_PER_TURN = 4096;
/** Users that leave in one turn. */
const GOODBYES_PER_TURN = 256;
/** Cut packets at a time: far more than there are bytes on their way in one turn. */
const CUT_PACKETS_MAX = 4096;
/** Who was silent for this part of the time between two looks pings. */
const SILENT_RATIO = 0.9;

export interface PopulationParts extends LoginParts {
  sender: MessageSource;
  receiver: MessageReceiver;
  /** Protocol level of MQTT. */
  level: number;
  /** See WorkerPlan. */
  joinsLate: boolean;
  storms: readonly Storm[];
  schedule: PlanChanges;
  slow: SlowReaders;
  /** Users come and go beside the plan; undefined = they stay. */
  sessions: SessionClock | undefined;
  /** Users tell their presence themselves. */
  announces: boolean;
  /** The users of a country, for storms. */
  regionOf(country: string): Region | undefined;
}

export class Population implements ReactorHandler {
  readonly #parts: PopulationParts;
  readonly #desk: LoginDesk;
  readonly #reader: PacketReader;
  readonly #suback = new SubackFields();
  readonly #goodbyes = new Goodbyes();
  /** In the logout phase: the next user to leave. */
  #leaver = 0;
  /** Who joins late leaves out what was due before he came to the plan. */
  #mustSkip: boolean;
  #skipUntilUs = Number.NaN;
  #isAbandoned = false;
  /** The next user whose session begins with the steady phase. */
  #sessionUser = 0;
  /** The next storm, and the next user to be looked at in it. */
  #storm = 0;
  #stormUser = 0;
  #stormRegion: Region | undefined;
  /** What was turned and carried out, and how far: the next user to be looked at. */
  #pingS: number;
  #pingUser: number;
  #downBlock = 0;
  #blockUser: number;

  constructor(parts: PopulationParts) {
    this.#parts = parts;
    this.#mustSkip = parts.joinsLate;
    this.#desk = new LoginDesk(parts);
    this.#pingS = parts.live.pingS;
    this.#pingUser = parts.users.count;
    this.#blockUser = parts.users.count;
    const { capacity } = parts.reactor;
    const slots = Math.min(capacity, CUT_PACKETS_MAX);
    this.#reader = new PacketReader(capacity, slots, (conn, bytes, start, end) =>
      this.#packet(conn, bytes, start, end),
    );
  }

  onAccept(): void {
    assert(false, 'a population listens nowhere');
  }

  onConnect(conn: Conn, errno: number): void {
    const { users } = this.#parts;
    if (errno === 0) {
      this.#desk.connected(conn, users.userOf[conn]!);
      return;
    }
    const user = users.unbind(conn);
    if (users.state[user] !== USER.gone) this.#desk.connectFailed(user, errno);
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const { users, slow, clock } = this.#parts;
    slow.received(users.userOf[conn]!, end - start, clock.monoUs());
    if (this.#reader.feed(conn, bytes, start, end) < 0) this.#malformed(conn);
  }

  onEnd(conn: Conn): void {
    const { users, reactor } = this.#parts;
    if (users.state[users.userOf[conn]!] === USER.leaving) {
      this.#goodbyes.answered();
      reactor.abort(conn);
    } else reactor.close(conn);
  }

  onDrain(): void {
    // What was held back is tried again every millisecond.
  }

  onClose(conn: Conn, reason: CloseReason, errno: number): void {
    const { users, present, sessions } = this.#parts;
    this.#reader.drop(conn);
    const user = users.unbind(conn);
    this.#parts.slow.forget(user);
    sessions?.forget(user);
    present[users.first + user] = PRESENT.no;
    if (users.state[user] === USER.cutOff) this.#desk.cutOff(user);
    else if (users.state[user] === USER.leaving) {
      if (reason !== CLOSE_REASON.aborted) this.#goodbyes.answered();
      this.#goodbyes.over();
      this.#hasLeft(user);
    } else if (users.state[user] !== USER.gone) this.#desk.broken(user, errno);
  }

  /** He has said goodbye: between two sessions he is away, at the end of the run he is gone. */
  #hasLeft(user: number): void {
    const { users, board, control, hasSessions, sessions } = this.#parts;
    board[BOARD.left]!++;
    const comesBack = control.phase < PHASE.drain;
    if (comesBack && sessions !== undefined) {
      const nowUs = this.#parts.clock.monoUs();
      const lastMs = (control.endUs - this.#gatherUs / 2 - nowUs) / 1000;
      this.#desk.rest(user, Math.max(1, Math.min(sessions.awayMs(user, nowUs), lastMs)));
    } else users.state[user] = hasSessions && comesBack ? USER.away : USER.gone;
  }

  /** A session of a user begins, and ends. */
  enter(user: number): void {
    this.#desk.enter(user);
  }

  leave(user: number): void {
    // Who was cut off meanwhile has nothing to leave.
    if (this.#parts.users.state[user] !== USER.ready) return;
    // From his goodbye on he is away by plan, and not missing.
    if (this.#parts.sessions !== undefined) this.#desk.mayRest(user);
    this.#leave(user, this.#parts.users.conn[user]!);
  }

  onDeadline(conn: Conn): void {
    const { users, reactor, board } = this.#parts;
    const user = users.userOf[conn]!;
    const state = users.state[user]!;
    if (state === USER.ready) this.#showLife(user, conn);
    else {
      if (state === USER.leaving) this.#goodbyes.timedOut();
      else board[BOARD.timeouts]!++;
      reactor.abort(conn);
    }
  }

  onWake(): void {
    // Every wake is followed by a turn, which looks at what was written for us.
  }

  onTurn(): number {
    const { clock } = this.#parts;
    const nowUs = clock.monoUs();
    return Math.min(this.#parts.slow.turn(nowUs), this.#phaseTurn(nowUs));
  }

  #phaseTurn(nowUs: number): number {
    switch (this.#parts.control.phase) {
      case PHASE.ramp:
        return Math.min(this.#turnedUs(), this.#desk.turn(nowUs));
      case PHASE.steady:
        return Math.min(
          this.#stormUs(nowUs),
          this.#turnedUs(),
          this.#sessionsUs(nowUs),
          this.#desk.turn(nowUs),
          this.#sendDue(nowUs),
        );
      case PHASE.drain:
        return this.#sendDue(nowUs);
      default:
        return this.#leaveSome(nowUs);
    }
  }

  #sendDue(nowUs: number): number {
    return this.#hasSkipped(nowUs) ? this.#parts.sender.turn(nowUs) : 0;
  }

  #hasSkipped(nowUs: number): boolean {
    if (!this.#mustSkip) return true;
    if (Number.isNaN(this.#skipUntilUs)) this.#skipUntilUs = nowUs;
    this.#mustSkip = !this.#parts.sender.skip(this.#skipUntilUs);
    return !this.#mustSkip;
  }

  /** One packet of the server; false when the connection shall not be read any more. */
  #packet(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const { users, receiver, board } = this.#parts;
    const user = users.userOf[conn]!;
    const state = users.state[user]!;
    switch (bytes[start]! >>> 4) {
      case PACKET.publish:
        return receiver.publish(conn, bytes, start, end) || this.#malformed(conn);
      case PACKET.puback:
        if (!isRefused(bytes, start)) board[BOARD.acked]!++;
        if (users.unacked[user]! > 0) users.unacked[user]!--;
        return true;
      case PACKET.connack:
        if (state !== USER.loggingIn) return this.#malformed(conn);
        return this.#desk.connack(conn, user, bytes[bodyStart(bytes, start) + 1]!);
      case PACKET.suback:
        return this.#subscribed(conn, user, bytes, start, end);
      case PACKET.pingresp:
        users.pinging[user] = 0;
        return true;
      case PACKET.disconnect:
        // MQTT 5: the server says why it is about to close.
        return this.#parts.level === PROTOCOL_LEVEL_5 || this.#malformed(conn);
      default:
        return this.#malformed(conn);
    }
  }

  #subscribed(conn: Conn, user: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { users, reactor } = this.#parts;
    const isExpected = users.state[user] === USER.loggedIn;
    if (!isExpected || decodeSuback(bytes, start, end, this.#suback, this.#parts.level) !== 0) {
      return this.#malformed(conn);
    }
    if (!this.#desk.subscribed(conn, user, bytes[this.#suback.codesStart]!)) return false;
    this.#lookAtGroup(bytes, user);
    reactor.setDeadline(conn, this.#firstLookMs(user));
    if (this.#desk.isDown(user)) {
      this.#cut(user);
      return false;
    }
    const { sender, sessions, clock, announces } = this.#parts;
    if (announces) this.#announce(user, conn, true);
    sender.ready(user);
    // Sessions of those who came in the ramp begin with the steady phase, see #sessionsUs.
    if (user < this.#sessionUser) sessions?.ready(user, clock.monoUs());
    return true;
  }

  /** A server may refuse a membership (its bounds are its own), and take the rest. */
  #lookAtGroup(bytes: Uint8Array, user: number): void {
    const { users, packets, board, present } = this.#parts;
    const filter = packets.groupFilterOf(users.first + user);
    if (filter < 0) return;
    if (bytes[this.#suback.codesStart + filter]! < SUBACK_FAILURE) return;
    board[BOARD.groupRefused]!++;
    present[users.first + user] = PRESENT.outsideGroup;
  }

  #announce(user: number, conn: Conn, isOnline: boolean): void {
    const { users, packets, reactor, board } = this.#parts;
    const packet = packets.writePresence(users.first + user, isOnline);
    if (reactor.send(conn, packet, 0, packet.length)) board[BOARD.presenceSent]!++;
  }

  #malformed(conn: Conn): boolean {
    this.#parts.board[BOARD.malformed]!++;
    this.#parts.reactor.abort(conn);
    return false;
  }

  /**
   * Half of the keep-alive has passed since the last look. Who was silent for nearly that long
   * pings: so nobody is silent for the whole of it. Who still waits for an answer has lost his
   * connection.
   */
  #showLife(user: number, conn: Conn): void {
    const { users, reactor, packets, board, clock, live } = this.#parts;
    if (users.pinging[user] === 1) {
      board[BOARD.timeouts]!++;
      reactor.abort(conn);
      return;
    }
    const halfMs = live.pingS * 500;
    if (halfMs === 0) {
      reactor.setDeadline(conn, 0);
      return;
    }
    const nowMs = users.ms(clock.monoUs());
    const isSilent = nowMs - users.sinceMs[user]! >= halfMs * SILENT_RATIO;
    if (isSilent && reactor.send(conn, packets.ping, 0, 2)) {
      board[BOARD.pings]!++;
      users.pinging[user] = 1;
      users.sinceMs[user] = nowMs;
    }
    reactor.setDeadline(conn, halfMs);
  }

  /** Pings of users who logged in together are spread over the time; 0 = no keep-alive. */
  #firstLookMs(user: number): number {
    const { live, seed, users } = this.#parts;
    const quarterMs = Math.floor(live.pingS * 250);
    return quarterMs === 0
      ? 0
      : quarterMs + drawBelow(seed, users.first + user, LANE.phase, quarterMs);
  }

  /** Whether the present storm cuts a user off: by a draw, or with his block or country. */
  #isHit({ share, block, country }: Storm, user: number): boolean {
    const { users, seed, present } = this.#parts;
    const number = users.first + user;
    if (country !== undefined) {
      const region = this.#stormRegion;
      return region !== undefined && number >= region.first && number < region.first + region.count;
    }
    if (block !== undefined) return blockOf(number, present.length) === block;
    return isCutOff(seed, this.#storm, number, share);
  }

  /** Carries storms out when their time has come; microseconds until the next. */
  #stormUs(nowUs: number): number {
    const { storms, schedule, users } = this.#parts;
    const storm = storms[this.#storm];
    if (storm === undefined) return Number.POSITIVE_INFINITY;
    const waitUs = schedule.startUs + storm.atMs * 1000 - nowUs;
    if (waitUs > 0) return waitUs;
    if (this.#stormUser === 0 && storm.country !== undefined) {
      this.#stormRegion = this.#parts.regionOf(storm.country);
    }
    const until = Math.min(users.count, this.#stormUser + USERS_PER_TURN);
    for (; this.#stormUser < until; this.#stormUser++) {
      const user = this.#stormUser;
      const isIn = users.state[user] === USER.ready;
      if (isIn && this.#isHit(storm, user)) this.#cut(user);
    }
    if (this.#stormUser === users.count) {
      this.#stormUser = 0;
      this.#storm++;
    }
    return 0;
  }

  /** How long before the end of the plan everybody gathers. */
  get #gatherUs(): number {
    const { control, schedule } = this.#parts;
    return gatherMsOf((control.endUs - schedule.startUs) / 1000) * 1000;
  }

  /** Lets those leave whose session is over. */
  #sessionsUs(nowUs: number): number {
    const { sessions, present, users, control } = this.#parts;
    if (sessions === undefined) return Number.POSITIVE_INFINITY;
    if (this.#sessionUser < users.count) {
      this.#sessionUser = this.#forSome(this.#sessionUser, (user) => {
        if (users.state[user] === USER.ready) sessions.ready(user, nowUs);
      });
      return 0;
    }
    if (nowUs > control.endUs - this.#gatherUs) return Number.POSITIVE_INFINITY;
    return sessions.turn(
      nowUs,
      (user) => this.leave(user),
      // Nobody writes to him any more; what is on its way still finds him.
      (user) => {
        present[users.first + user] = PRESENT.no;
      },
    );
  }

  /** Carries out what knobs were turned to, some users a turn; 0 while there are more. */
  #turnedUs(): number {
    const { live, users } = this.#parts;
    if (live.pingS !== this.#pingS) {
      this.#pingS = live.pingS;
      this.#pingUser = 0;
    }
    if (live.downBlock !== this.#downBlock) {
      this.#downBlock = live.downBlock;
      this.#blockUser = 0;
    }
    this.#pingUser = this.#forSome(this.#pingUser, (user) => this.#spreadPing(user));
    this.#blockUser = this.#forSome(this.#blockUser, (user) => this.#moveBlock(user));
    return Math.min(this.#pingUser, this.#blockUser) < users.count ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Calls `look` for the next users; returns who comes then. */
  #forSome(first: number, look: (user: number) => void): number {
    const until = Math.min(this.#parts.users.count, first + USERS_PER_TURN);
    for (let user = first; user < until; user++) look(user);
    return until;
  }

  #spreadPing(user: number): void {
    const { users, reactor } = this.#parts;
    if (users.state[user] !== USER.ready) return;
    reactor.setDeadline(users.conn[user]!, this.#firstLookMs(user));
  }

  #moveBlock(user: number): void {
    const { users } = this.#parts;
    const isDown = this.#desk.isDown(user);
    if (isDown && users.state[user] === USER.ready) this.#cut(user);
    else if (!isDown && users.state[user] === USER.parked) this.#desk.comeBack(user);
  }

  #cut(user: number): void {
    const { users, reactor } = this.#parts;
    this.#desk.leftInside(USER.ready);
    users.state[user] = USER.cutOff;
    reactor.abort(users.conn[user]!);
  }

  /** Lets some users say goodbye; stops the reactor when nobody is left. */
  #leaveSome(nowUs: number): number {
    const { users, reactor, sender } = this.#parts;
    this.#isAbandoned ||= this.#hasSkipped(nowUs) && sender.abandon();
    const some = Math.min(GOODBYES_PER_TURN, this.#goodbyes.room);
    const until = Math.min(users.count, this.#leaver + some);
    for (; this.#leaver < until; this.#leaver++) {
      const conn = users.conn[this.#leaver]!;
      const state = users.state[this.#leaver]!;
      // A session that just ends is a goodbye already.
      const isOnHisWay = state === USER.leaving || state === USER.gone;
      if (conn >= 0 && !isOnHisWay) this.#leave(this.#leaver, conn);
    }
    // Without room the end of a goodbye wakes us.
    const hasMore = !this.#isAbandoned || (this.#leaver < users.count && some > 0);
    if (hasMore) return 0;
    if (this.#leaver < users.count) return Number.POSITIVE_INFINITY;
    if (reactor.connections === 0) reactor.stop();
    return Number.POSITIVE_INFINITY;
  }

  #leave(user: number, conn: Conn): void {
    const { users, reactor, packets, board, slow } = this.#parts;
    const state = users.state[user]!;
    this.#desk.leftInside(state);
    // Who leaves reads on: the server's FIN is behind all that waits.
    slow.forget(user);
    reactor.resumeReceive(conn);
    if (state === USER.ready) {
      if (this.#parts.announces) this.#announce(user, conn, false);
      users.state[user] = USER.leaving;
      this.#goodbyes.said();
      // Whose connection takes nothing more goes without a word: his session is over all the same.
      if (reactor.send(conn, packets.disconnect, 0, 2))
        reactor.setDeadline(conn, GOODBYE_TIMEOUT_MS);
      else reactor.abort(conn);
      return;
    }
    // Not logged in yet: there is nothing to say goodbye to.
    users.state[user] = USER.gone;
    board[BOARD.left]!++;
    reactor.abort(conn);
  }
}

/** Whether a PUBACK says no: with MQTT 5 it may have a reason code behind its packet id. */
function isRefused(bytes: Uint8Array, start: number): boolean {
  return bytes[start + 1]! > 2 && bytes[start + 4]! >= REASON.unspecified;
}
