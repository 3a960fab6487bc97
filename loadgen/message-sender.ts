// Sends the planned messages of one worker's users. The plan never waits: a message that is due
// goes out now or is held back with its planned time, and in either case its latency counts from
// that time.
//
// Held back (bounded by HELD_MAX): the connection of its sender takes no more, which is the
// target's doing and not ours; therefore such a message is counted in `heldBack` and its delay is
// no lateness of ours.
//
// A message to a group goes out once and is due at every other member who is there (`expected`); the plan has
// numbers for all of them. When no member of the group is here and ready, the next user who is writes to one
// other instead, so that the rate holds.
//
// 'typing' goes to the receiver of a message some seconds before it: hint-sender.ts.
//
// Cost: about 1 us a message beside the reactor, 0.1 us a member; no allocation.

import type { Clock } from '#core/clock/clock.ts';
import { ArrivalCursor, type ArrivalPlan, SKIPS_PER_TURN } from '#loadgen/arrivals.ts';
import type { FlightTable, GroupFlights } from '#loadgen/flight-table.ts';
import { HintSender } from '#loadgen/hint-sender.ts';
import type { AwayUsers } from '#loadgen/hosts/away-users.ts';
import type { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import type { LiveSettings } from '#loadgen/live-settings.ts';
import { LIVE_PAYLOAD_BYTES_MAX } from '#loadgen/load-knobs.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
import type { RunControl } from '#loadgen/run-control.ts';
import { draw, drawBelow, LANE } from '#loadgen/seeded-draw.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { MEDIA_BYTES, PAYLOAD_BYTES_MIN, type UserPackets } from '#loadgen/user-packets.ts';
import { PRESENT, USER, type UserTable } from '#loadgen/user-table.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

/** Messages held back at a time; more are given up and counted as errors. */
export const HELD_MAX = 65_536;
/** Messages of one user without PUBACK: under the 65,535 packet ids there are. */
const UNACKED_MAX = 60_000;
/**
 * Steps of the plan, and looks at held messages, in one turn: then the connections are served
 * again.
 */
const STEPS_PER_TURN = 512;
/**
 * How many messages that were never sent are still counted one by one: 1 s of work, 8 s with groups and countries. Of
 * more there is a figure by the rates (BOARD.uncounted).
 */
const ABANDONED_MAX = 10_000_000;
/** How far to look for somebody who is there in place of somebody who is not. */
const PROBES_MAX = 1024;
/** How often to try again what is held back, us. */
const HELD_RETRY_US = 1000;
const TWO_32 = 2 ** 32;
/** Where a receiver stands, a group is this minus its number. */
const GROUP_BASE = -2;
const NO_FACTORS: readonly number[] = [1];

export interface MessageSenderParts {
  clock: Clock;
  reactor: ClientReactor;
  users: UserTable;
  /** One of PRESENT for each user of the whole population; shared by all workers. */
  present: Uint8Array;
  packets: UserPackets;
  plan: ArrivalPlan;
  schedule: PlanChanges;
  live: LiveSettings;
  control: RunControl;
  flights: FlightTable;
  timings: Timings;
  board: Board;
  /** Whether people are seen typing. */
  hints?: boolean;
  /** Sizes of payloads, as factors of the one in `live`, each as likely. */
  payloadFactors?: readonly number[];
  /** Default ABANDONED_MAX. */
  abandonedMax?: number;
  groupFlights?: GroupFlights | undefined;
  /** With other hosts only. */
  ledger?: GroupLedger | undefined;
  /** With other hosts whose users come and go. */
  away?: AwayUsers | undefined;
}

/** Who lets users write: by a plan (here), or in turns (user-loop.ts). */
export interface MessageSource {
  /** Sends what is due; returns microseconds until the next is, Infinity when none will be. */
  turn(nowUs: number): number;
  /** Leaves out what was due before `untilUs`, a part of it each turn; true when that is done. */
  skip(untilUs: number): boolean;
  /**
   * The run is over: what was due and did not get its turn counts as planned and not sent. A part of it each turn;
   * true when that is done.
   */
  abandon(): boolean;
  /** A user is in, first or again. */
  ready(user: number): void;
}

export class MessageSender implements MessageSource {
  readonly #parts: MessageSenderParts;
  readonly #cursor: ArrivalCursor;
  readonly #heldIndex = new Float64Array(HELD_MAX);
  readonly #heldDueUs = new Float64Array(HELD_MAX);
  /** Planned sender (here) and receiver (of all). */
  readonly #heldSender = new Int32Array(HELD_MAX);
  readonly #heldReceiver = new Int32Array(HELD_MAX);
  #heldHead = 0;
  #held = 0;
  #retriedUs = 0;
  #isDone = false;
  #abandoned = 0;
  readonly #hints: HintSender | undefined;
  readonly #payloadFactors: readonly number[];
  /** Whether each member was there, while a message is on its way out. */
  readonly #wasThere: Uint8Array;

  constructor(parts: MessageSenderParts) {
    this.#parts = parts;
    this.#payloadFactors = parts.payloadFactors ?? NO_FACTORS;
    this.#wasThere = new Uint8Array(parts.plan.groups?.sizeMax ?? 0);
    this.#cursor = new ArrivalCursor(parts.plan, parts.schedule);
    this.#hints = parts.hints === true ? new HintSender(parts) : undefined;
  }

  ready(): void {
    // Who is in sends what the plan has for him.
  }

  /** Others have carried it out, or nobody has. */
  skip(untilUs: number): boolean {
    this.#hints?.skip(untilUs);
    return this.#cursor.skip(untilUs);
  }

  /** Sends what is due; returns microseconds until the next is, Infinity when none will be. */
  turn(nowUs: number): number {
    const messageUs = this.#messageTurn(nowUs);
    return this.#hints === undefined ? messageUs : Math.min(messageUs, this.#hints.turn(nowUs));
  }

  #messageTurn(nowUs: number): number {
    const { control } = this.#parts;
    if (this.#held > 0 && nowUs - this.#retriedUs >= HELD_RETRY_US) this.#retryHeld(nowUs);
    const { endUs } = control;
    const untilUs = Math.min(nowUs, endUs);
    for (let step = 0; step < STEPS_PER_TURN; ) {
      const dueUs = this.#cursor.dueUs();
      if (dueUs > untilUs) return this.#waitUs(nowUs, dueUs, endUs);
      step += 1 + this.#write(dueUs);
      this.#cursor.advance();
    }
    return 0;
  }

  /** The message at the cursor, when its writer is here; how many steps of a turn that was. */
  #write(dueUs: number): number {
    const { users, plan, board } = this.#parts;
    const cursor = this.#cursor;
    const sender = cursor.sender - users.first;
    if (sender < 0 || sender >= users.count) return 0;
    const { copies, flight, group } = cursor;
    board[BOARD.planned]! += copies;
    if (group >= 0) {
      this.#dispatch(flight, sender, GROUP_BASE - group, dueUs, false);
      return copies + plan.groups!.sizeOf(group);
    }
    for (let copy = 0; copy < copies; copy++) {
      this.#dispatch(flight + copy, sender, cursor.receiver(copy), dueUs, false);
    }
    return copies;
  }

  /** What was due and did not get its turn counts as planned and not sent. */
  abandon(): boolean {
    const { control, users, board, plan, abandonedMax = ABANDONED_MAX } = this.#parts;
    // A run that ended in the ramp had no plan yet.
    if (control.endUs === Number.POSITIVE_INFINITY) return true;
    const cursor = this.#cursor;
    for (let step = 0; step < SKIPS_PER_TURN; step++) {
      if (cursor.dueUs() > control.endUs) return true;
      if (this.#abandoned === abandonedMax) {
        // Each worker says its part: all of them stop at the same message.
        const left = cursor.expectedUntil(control.endUs);
        board[BOARD.uncounted] = Math.round((left * users.count) / plan.users);
        return true;
      }
      this.#abandoned++;
      const sender = cursor.sender - users.first;
      if (sender >= 0 && sender < users.count) {
        const { copies } = cursor;
        board[BOARD.planned]! += copies;
        board[BOARD.errors]! += copies;
      }
      cursor.advance();
    }
    return false;
  }

  #waitUs(nowUs: number, dueUs: number, endUs: number): number {
    const { board } = this.#parts;
    if (nowUs >= endUs && !this.#isDone) {
      this.#isDone = true;
      board[BOARD.planDone] = 1;
    }
    const heldUs = this.#held > 0 ? HELD_RETRY_US : Number.POSITIVE_INFINITY;
    const nextUs = dueUs <= endUs ? dueUs : nowUs < endUs ? endUs : Number.POSITIVE_INFINITY;
    return Math.min(heldUs, Math.max(0, nextUs - nowUs));
  }

  /** Sends message `index` from a local user, or holds it back. */
  #dispatch(
    index: number,
    planned: number,
    plannedReceiver: number,
    dueUs: number,
    wasHeld: boolean,
  ): void {
    const { board, users } = this.#parts;
    let user: number;
    let receiver: number;
    const group = GROUP_BASE - plannedReceiver;
    const member = group < 0 ? -1 : this.#presentMember(planned, group);
    if (member >= 0) {
      user = member;
      receiver = plannedReceiver;
    } else {
      user = this.#presentUser(planned);
      // Nobody of the group is here: somebody else writes to one other.
      const other = group < 0 ? plannedReceiver : this.#parts.plan.groups!.memberOf(group, 0);
      receiver = user < 0 ? -1 : this.#presentReceiver(other, users.first + user);
      if (receiver === -1) {
        board[BOARD.errors]!++;
        return;
      }
    }
    if (users.unacked[user]! >= UNACKED_MAX || !this.#send(index, user, receiver, dueUs, wasHeld)) {
      this.#hold(index, planned, plannedReceiver, dueUs, wasHeld);
    }
  }

  /** Sends to a user, or to a group; false when the connection takes no more. */
  #send(index: number, user: number, receiver: number, dueUs: number, wasHeld: boolean): boolean {
    const { board, users, packets, clock, reactor, timings } = this.#parts;
    const nowUs = clock.monoUs();
    const packetId = users.nextPacketId(user);
    const isToGroup = receiver <= GROUP_BASE;
    packets.usePayload(this.#payloadBytes(index), isToGroup);
    const topic = isToGroup ? GROUP_BASE - receiver : receiver;
    packets.writePublish(users.first + user, topic, packetId, index, dueUs, nowUs);
    // Marked before it can leave: the receiver's thread may be faster than the next line.
    const deliveries = isToGroup
      ? this.#departToGroup(index, user, topic, nowUs)
      : this.#depart(index);
    if (!reactor.send(users.conn[user]!, packets.publish, 0, packets.publish.length)) {
      this.#takeBack(index, isToGroup ? topic : -1);
      if (isToGroup) this.#parts.ledger?.expect(index, -deliveries);
      return false;
    }
    users.unacked[user]!++;
    users.sinceMs[user] = users.ms(nowUs);
    board[BOARD.sent]!++;
    board[BOARD.expected]! += deliveries;
    if (isToGroup) {
      board[BOARD.groupSent]!++;
      board[BOARD.groupExpected]! += deliveries;
      if (deliveries === 0) board[BOARD.groupComplete]!++;
    }
    if (wasHeld) board[BOARD.heldBack]!++;
    else timings.lateness.record(Math.max(0, nowUs - dueUs));
    return true;
  }

  #depart(index: number): number {
    const { flights, board } = this.#parts;
    if (!flights.depart(index)) board[BOARD.overrun]!++;
    return 1;
  }

  /** Marks the deliveries of a message to a group; returns how many are expected. */
  #departToGroup(index: number, user: number, group: number, nowUs: number): number {
    const { plan, users, present, flights, groupFlights, ledger, away, board } = this.#parts;
    const groups = plan.groups!;
    const size = groups.sizeOf(group);
    const rank = groups.rankOf(users.first + user);
    let expected = 0;
    for (let copy = 0; copy < size - 1; copy++) {
      const member = groups.memberOf(group, (rank + 1 + copy) % size);
      const isThere =
        present[member] === PRESENT.yes && away?.isAway(member, nowUs) !== true ? 1 : 0;
      this.#wasThere[copy] = isThere;
      expected += isThere;
    }
    groupFlights?.depart(index, expected);
    ledger?.expect(index, expected);
    for (let copy = 0; copy < size - 1; copy++) {
      const isFree =
        this.#wasThere[copy] === 1 ? flights.depart(index + copy) : flights.allow(index + copy);
      if (!isFree) board[BOARD.overrun]!++;
    }
    return expected;
  }

  #takeBack(index: number, group: number): void {
    const { plan, flights } = this.#parts;
    const deliveries = group < 0 ? 1 : plan.groups!.sizeOf(group) - 1;
    for (let copy = 0; copy < deliveries; copy++) flights.takeBack(index + copy);
  }

  /** A few messages carry a picture's link and thumbnail. */
  #payloadBytes(index: number): number {
    const { live, plan } = this.#parts;
    const { mediaPercent } = live;
    if (mediaPercent > 0) {
      const part = (draw(plan.seed, index, LANE.media) / TWO_32) * 100;
      if (part < mediaPercent) return MEDIA_BYTES;
    }
    const factors = this.#payloadFactors;
    if (factors.length === 1) return live.payloadBytes;
    const bytes =
      live.payloadBytes * factors[drawBelow(plan.seed, index, LANE.size, factors.length)]!;
    return Math.min(LIVE_PAYLOAD_BYTES_MAX, Math.max(PAYLOAD_BYTES_MIN, Math.round(bytes)));
  }

  #hold(index: number, sender: number, receiver: number, dueUs: number, wasHeld: boolean): void {
    const { board } = this.#parts;
    if (this.#held === HELD_MAX) {
      board[BOARD.errors]!++;
      return;
    }
    const tail = (this.#heldHead + this.#held) % HELD_MAX;
    this.#heldIndex[tail] = index;
    this.#heldDueUs[tail] = dueUs;
    this.#heldSender[tail] = sender;
    this.#heldReceiver[tail] = receiver;
    this.#held++;
    if (!wasHeld) board[BOARD.held] = this.#held;
  }

  /**
   * Tries what is held back; what still does not fit goes to the end, so that it holds up nobody
   * else.
   */
  #retryHeld(nowUs: number): void {
    const { board } = this.#parts;
    this.#retriedUs = nowUs;
    for (let tries = Math.min(this.#held, STEPS_PER_TURN); tries > 0; tries--) {
      const index = this.#heldIndex[this.#heldHead]!;
      const dueUs = this.#heldDueUs[this.#heldHead]!;
      const sender = this.#heldSender[this.#heldHead]!;
      const receiver = this.#heldReceiver[this.#heldHead]!;
      this.#heldHead = (this.#heldHead + 1) % HELD_MAX;
      this.#held--;
      this.#dispatch(index, sender, receiver, dueUs, true);
    }
    board[BOARD.held] = this.#held;
  }

  /** The planned local sender, or the next one who is ready; -1 when none is near. */
  #presentUser(planned: number): number {
    const { users } = this.#parts;
    for (let i = 0; i < Math.min(users.count, PROBES_MAX); i++) {
      const user = (planned + i) % users.count;
      if (users.state[user] === USER.ready) return user;
    }
    return -1;
  }

  /** The planned writer to a group, or the next member who is here and ready; -1 when there is none. */
  #presentMember(planned: number, group: number): number {
    const { users, plan } = this.#parts;
    if (this.#mayWriteToGroup(planned)) return planned;
    const groups = plan.groups!;
    for (let rank = 0; rank < groups.sizeOf(group); rank++) {
      const user = groups.memberOf(group, rank) - users.first;
      if (user >= 0 && user < users.count && this.#mayWriteToGroup(user)) return user;
    }
    return -1;
  }

  /** Whom a server does not have in a group it may refuse to write there, too. */
  #mayWriteToGroup(user: number): boolean {
    const { users, present } = this.#parts;
    const isRefused = present[users.first + user] === PRESENT.outsideGroup;
    return users.state[user] === USER.ready && !isRefused;
  }

  /**
   * The planned receiver, or the next one who is there and not the sender; -1 when none is near.
   */
  #presentReceiver(planned: number, sender: number): number {
    const { present, away, clock } = this.#parts;
    if (planned < 0) return -1;
    const nowUs = away === undefined ? 0 : clock.monoUs();
    for (let i = 0; i < Math.min(present.length, PROBES_MAX); i++) {
      const user = (planned + i) % present.length;
      const isThere = present[user] !== PRESENT.no && away?.isAway(user, nowUs) !== true;
      if (isThere && user !== sender) return user;
    }
    return -1;
  }
}
