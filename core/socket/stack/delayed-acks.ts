// Acknowledgements that may ride on data: they leave with the next segment, or alone after 40 ms (RFC 9293,
// 3.8.6.3 allows 500 ms). All wait equally long, so a queue is enough. One whose connection has sent
// something since is skipped when its time comes.

import { IntQueue } from '#core/socket/stack/int-queue.ts';
import { FLAG, type TcpTable } from '#core/socket/stack/tcp-table.ts';

/** What Linux waits at least (TCP_DELACK_MIN). */
const DELAY_US = 40_000;
/** Time is kept in steps of this, from the start, so that it fits into 31 bits for 24 days. */
const STEP_US = 1000;

export class DelayedAcks {
  readonly #table: TcpTable;
  readonly #startUs: number;
  readonly #conns = new IntQueue();
  readonly #dueSteps = new IntQueue();

  constructor(table: TcpTable, nowUs: number) {
    this.#table = table;
    this.#startUs = nowUs;
  }

  /** An acknowledgement is owed from now on. */
  owe(conn: number, nowUs: number): void {
    const { flags } = this.#table;
    flags[conn]! |= FLAG.ackOwed;
    if ((flags[conn]! & FLAG.ackListed) !== 0) return;
    flags[conn]! |= FLAG.ackListed;
    this.#conns.push(conn);
    this.#dueSteps.push(Math.ceil((nowUs - this.#startUs + DELAY_US) / STEP_US));
  }

  /** Calls `send` for those whose time has come and who still owe it; looks at `max` of them. */
  advance(nowUs: number, send: (conn: number) => void, max: number): void {
    const step = Math.floor((nowUs - this.#startUs) / STEP_US);
    const { flags } = this.#table;
    for (let left = max; left > 0; left--) {
      if (this.#dueSteps.length === 0 || this.#dueSteps.first > step) return;
      this.#dueSteps.shift();
      const conn = this.#conns.shift();
      flags[conn]! &= ~FLAG.ackListed;
      if ((flags[conn]! & (FLAG.ackOwed | FLAG.gone)) === FLAG.ackOwed) send(conn);
    }
  }

  /** Microseconds until the next is due; Infinity when none is. */
  waitUs(nowUs: number): number {
    if (this.#dueSteps.length === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.#startUs + this.#dueSteps.first * STEP_US - nowUs);
  }
}
