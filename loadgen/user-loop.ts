// Users of one worker who write in turns: a message leaves only after the one before it has arrived at its
// receiver and its sender has thought (closed and partly open models, user-model.ts). The receiver is a user
// of the same worker, so that the arrival is known here, at once, without a word between threads or hosts; so
// who writes to whom depends on --workers and --hosts. How long a user thinks is a draw of his own, and which
// sessions come when is one plan of all, so those depend on neither.
//
// Planned is what left: a closed user who waits plans nothing. The planned time of a message is when its
// sender had thought, and he could not have known it before; therefore latency is service time here. Only the
// first message of a session that arrived by plan counts from there, with its login.
//
// A message that has not arrived after GIVE_UP_MS is lost for its sender, who thinks and writes again.
//
// Cost: 33 bytes a user; no allocation after the start.

import { TimerWheel } from '#core/timer-wheel/timer-wheel.ts';
import { ArrivalCursor } from '#loadgen/arrivals.ts';
import type { ArrivalWaiter } from '#loadgen/message-receiver.ts';
import type { MessageSenderParts, MessageSource } from '#loadgen/message-sender.ts';
import { drawBelow, LANE } from '#loadgen/seeded-draw.ts';
import { sessionLength, thinkMsOf, thought, type UserModel } from '#loadgen/user-model.ts';
import { USER } from '#loadgen/user-table.ts';
import { BOARD } from '#loadgen/worker-board.ts';

const GIVE_UP_MS = 30_000;
/** Thoughts end this exactly, ms. */
const STEP_MS = 1;
/** A connection that took nothing is tried again after, ms. */
const RETRY_MS = 1;
/** Users that begin to think, and sessions that begin, in one turn. */
const USERS_PER_TURN = 4096;
const SESSIONS_PER_TURN = 256;
const PROBES_MAX = 1024;
const NOTHING = -1;

export interface UserLoopParts extends MessageSenderParts {
  model: UserModel;
  /** This worker and how many there are: numbers of messages are told apart. */
  worker: { index: number; count: number };
  /** Who begins a session logs in; who has ended it says goodbye. */
  enter(user: number): void;
  leave(user: number): void;
}

export class UserLoop implements MessageSource, ArrivalWaiter {
  readonly #parts: UserLoopParts;
  readonly #isClosed: boolean;
  readonly #cursor: ArrivalCursor;
  /** A user who has none thinks when it fires, else his message is given up. */
  readonly #wheel: TimerWheel;
  readonly #awaited: Float64Array;
  /** When he had thought, or his session was due (us); messages left in his session. */
  readonly #dueUs: Float64Array;
  readonly #left: Uint16Array;
  /** 1 while the first message of a session has not left. */
  readonly #isFirst: Uint8Array;
  /** Thoughts of a user so far. */
  readonly #thoughts: Uint16Array;
  #sequence = 0;
  /** The next user who begins to think at the start of the steady phase. */
  #beginner = 0;
  #isDone = false;

  constructor(parts: UserLoopParts) {
    const { users, model, clock } = parts;
    this.#parts = parts;
    this.#isClosed = model.kind === 'closed';
    this.#cursor = new ArrivalCursor(parts.plan, parts.schedule);
    this.#wheel = new TimerWheel(users.count, users.ms(clock.monoUs()), STEP_MS);
    this.#awaited = new Float64Array(users.count).fill(NOTHING);
    this.#dueUs = new Float64Array(users.count);
    this.#left = new Uint16Array(users.count);
    this.#isFirst = new Uint8Array(users.count);
    this.#thoughts = new Uint16Array(users.count);
  }

  /** Sessions that were due before did not begin; closed users plan nothing without us. */
  skip(untilUs: number): boolean {
    return this.#isClosed || this.#cursor.skip(untilUs);
  }

  /** Who has not written yet had planned nothing. */
  abandon(): boolean {
    return true;
  }

  turn(nowUs: number): number {
    const { users, control, board } = this.#parts;
    if (nowUs >= control.endUs) {
      if (!this.#isDone) board[BOARD.planDone] = 1;
      this.#isDone = true;
      return Number.POSITIVE_INFINITY;
    }
    const beginUs = this.#isClosed ? this.#beginSome(nowUs) : this.#arriveSome(nowUs);
    const nowMs = users.ms(nowUs);
    this.#wheel.advance(nowMs, (user) => this.#fire(user, nowUs));
    const endUs = Math.min(Number.MAX_SAFE_INTEGER, control.endUs - nowUs);
    return Math.min(beginUs, endUs, this.#wheel.msUntilNext(nowMs) * 1000);
  }

  /** A user is in: he goes on where he was. */
  ready(user: number): void {
    const { clock, control } = this.#parts;
    const nowUs = clock.monoUs();
    if (this.#isDone || nowUs >= control.endUs) return;
    this.#awaited[user] = NOTHING;
    if (this.#isClosed) this.#think(user, nowUs);
    else if (this.#left[user]! > 0) this.#send(user, nowUs);
    // His last message arrived while he was cut off.
    else this.#parts.leave(user);
  }

  arrived(sender: number, index: number): void {
    const user = sender - this.#parts.users.first;
    if (this.#awaited[user] !== index) return;
    this.#awaited[user] = NOTHING;
    this.#goOn(user, this.#parts.clock.monoUs());
  }

  /** At the start of the steady phase everybody begins to think; 0 while there are more. */
  #beginSome(nowUs: number): number {
    const { users } = this.#parts;
    const until = Math.min(users.count, this.#beginner + USERS_PER_TURN);
    for (; this.#beginner < until; this.#beginner++) {
      if (!this.#wheel.isArmed(this.#beginner)) this.#think(this.#beginner, nowUs);
    }
    return this.#beginner < users.count ? 0 : Number.POSITIVE_INFINITY;
  }

  /** Sessions that are due begin; microseconds until the next is. */
  #arriveSome(nowUs: number): number {
    const { plan, users, board, model, control } = this.#parts;
    for (let step = 0; step < SESSIONS_PER_TURN; step++) {
      const dueUs = this.#cursor.dueUs();
      if (dueUs > control.endUs) return Number.POSITIVE_INFINITY;
      if (dueUs > nowUs) return dueUs - nowUs;
      const { index, sender } = this.#cursor;
      this.#cursor.advance();
      const planned = sender - users.first;
      if (planned < 0 || planned >= users.count) continue;
      const user = this.#awayUser(planned);
      if (user === NOTHING) {
        // Everybody is in a session: this one is turned away.
        board[BOARD.planned]!++;
        board[BOARD.errors]!++;
        continue;
      }
      this.#left[user] = sessionLength(model, plan.seed, index);
      this.#dueUs[user] = dueUs;
      this.#isFirst[user] = 1;
      this.#parts.enter(user);
    }
    return 0;
  }

  #fire(user: number, nowUs: number): void {
    const { users } = this.#parts;
    // Who was cut off goes on when he is back.
    if (users.state[user] !== USER.ready) return;
    if (this.#awaited[user] === NOTHING) this.#send(user, nowUs);
    else {
      this.#awaited[user] = NOTHING;
      this.#goOn(user, nowUs);
    }
  }

  /** One message is over: the next, or goodbye. */
  #goOn(user: number, nowUs: number): void {
    if (!this.#isClosed && --this.#left[user]! === 0) {
      this.#wheel.clear(user);
      this.#parts.leave(user);
    } else this.#think(user, nowUs);
  }

  #think(user: number, nowUs: number): void {
    const { users, model, plan } = this.#parts;
    const index = thought(users.first + user, this.#thoughts[user]!++);
    const delayMs = thinkMsOf(model, plan.seed, index);
    this.#dueUs[user] = nowUs + delayMs * 1000;
    this.#wheel.set(user, users.ms(nowUs), delayMs);
  }

  #send(user: number, nowUs: number): void {
    const { users, packets, flights, reactor, board, timings, live } = this.#parts;
    const index = this.#nextIndex();
    const receiver = this.#receiver(user, index);
    const dueUs = this.#dueUs[user]!;
    // The session's first message: its users have waited since it was due.
    const isFirst = this.#isFirst[user] === 1;
    packets.usePayload(live.payloadBytes);
    const packetId = users.nextPacketId(user);
    const intendedUs = isFirst ? dueUs : nowUs;
    packets.writePublish(users.first + user, receiver, packetId, index, intendedUs, nowUs);
    if (!flights.depart(index)) board[BOARD.overrun]!++;
    if (!reactor.send(users.conn[user]!, packets.publish, 0, packets.publish.length)) {
      flights.takeBack(index);
      this.#wheel.set(user, users.ms(nowUs), RETRY_MS);
      return;
    }
    this.#isFirst[user] = 0;
    board[BOARD.planned]!++;
    board[BOARD.sent]!++;
    board[BOARD.expected]!++;
    users.unacked[user]!++;
    users.sinceMs[user] = users.ms(nowUs);
    if (!isFirst) timings.lateness.record(Math.max(0, nowUs - dueUs));
    this.#awaited[user] = index;
    this.#wheel.set(user, users.ms(nowUs), GIVE_UP_MS);
  }

  /** Message numbers of all workers are different ones. */
  #nextIndex(): number {
    const { index, count } = this.#parts.worker;
    return this.#sequence++ * count + index;
  }

  /** Somebody of ours who is in, else the sender himself: his mailbox is there. */
  #receiver(user: number, index: number): number {
    const { users, plan } = this.#parts;
    const first = user + 1 + drawBelow(plan.seed, index, LANE.receiver, users.count);
    for (let step = 0; step < Math.min(users.count, PROBES_MAX); step++) {
      const other = (first + step) % users.count;
      if (other !== user && users.state[other] === USER.ready) return users.first + other;
    }
    return users.first + user;
  }

  /** The planned user, or the next one who is in no session. */
  #awayUser(planned: number): number {
    const { users } = this.#parts;
    for (let step = 0; step < Math.min(users.count, PROBES_MAX); step++) {
      const user = (planned + step) % users.count;
      if (users.state[user] === USER.away) return user;
    }
    return NOTHING;
  }
}
