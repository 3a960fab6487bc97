// 'typing': whoever writes to one user is seen doing so HINT_AHEAD_S before. A cursor of its own walks the plan so far
// ahead of the messages: so each message has one hint at its time, however the rate changes; only what is turned
// within that time moves messages that were hinted already. Hints reach beyond the end of the plan, as people do.
//
// The first HINT_AHEAD_S of messages have none: their writers typed before the load began. What comes too late, behind
// its message, is left out.
//
// Cost: what the plan costs for a message, once more: 0.45 us of CPU with conversations and groups, beside 20 to 60 us
// that sending one takes; 0.2 % of a core at 5,000/s. A walk shared with the sender would have to keep 3 s of messages
// whose times a turn of the rate moves. No allocation.

import { ArrivalCursor } from '#loadgen/arrivals.ts';
import type { MessageSenderParts } from '#loadgen/message-sender.ts';
import { PRESENT, USER } from '#loadgen/user-table.ts';
import { BOARD } from '#loadgen/worker-board.ts';

/** People type for some seconds before a message (assumed). */
export const HINT_AHEAD_S = 3;
const HINT_AHEAD_US = HINT_AHEAD_S * 1e6;
/** Messages looked at in one turn. */
const STEPS_PER_TURN = 512;

export class HintSender {
  readonly #parts: MessageSenderParts;
  readonly #cursor: ArrivalCursor;
  /** Nothing that was written before has a hint. */
  #fromUs = 0;
  #hasBegun = false;

  constructor(parts: MessageSenderParts) {
    this.#parts = parts;
    this.#cursor = new ArrivalCursor(parts.plan, parts.schedule);
  }

  /** Who joins late begins there. */
  skip(untilUs: number): void {
    this.#fromUs = untilUs;
  }

  /** Sends what is due; returns microseconds until the next is, Infinity when none will be. */
  turn(nowUs: number): number {
    const { control, schedule } = this.#parts;
    const cursor = this.#cursor;
    if (!this.#hasBegun) {
      const fromUs = Math.max(this.#fromUs, schedule.startUs) + HINT_AHEAD_US;
      if (fromUs === Number.POSITIVE_INFINITY) return fromUs;
      if (!cursor.skip(fromUs)) return 0;
      this.#hasBegun = true;
    }
    const { endUs } = control;
    for (let step = 0; step < STEPS_PER_TURN; step++) {
      const typedUs = cursor.dueUs() - HINT_AHEAD_US;
      if (typedUs > endUs) return Number.POSITIVE_INFINITY;
      if (typedUs > nowUs) return typedUs - nowUs;
      if (cursor.dueUs() > nowUs) this.#hint(nowUs);
      cursor.advance();
    }
    return 0;
  }

  /** Who writes the message at the cursor to one user, and is here, is seen typing. */
  #hint(nowUs: number): void {
    const { users, packets, reactor, board, present, away } = this.#parts;
    const cursor = this.#cursor;
    const user = cursor.sender - users.first;
    if (user < 0 || user >= users.count || users.state[user] !== USER.ready) return;
    if (cursor.group >= 0) return;
    const receiver = cursor.receiver(0);
    if (receiver < 0 || present[receiver] === PRESENT.no) return;
    if (away?.isAway(receiver, nowUs) === true) return;
    packets.writeHint(receiver);
    if (reactor.send(users.conn[user]!, packets.hint, 0, packets.hint.length)) {
      board[BOARD.hintsSent]!++;
    }
  }
}
