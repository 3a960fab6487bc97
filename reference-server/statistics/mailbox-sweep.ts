// Looks at every mailbox of every worker that holds something (mailbox/boxes.ts), in slices, on the main thread: the
// reactors notice nothing. A sweep finds how many mailboxes hold messages, how lengths are spread (powers of two),
// the oldest message, and the TOP_COUNT longest; these are then watched for their rates. It also adds up what the
// workers count for themselves (stats `queued`): the two differ only by what moved meanwhile. Reads race with the
// workers by a message or so.
//
// Cost: about 6 ns a mailbox; a slice of SLICE_BOXES takes 0.2 ms of the main thread.

import { USER } from '#reference-server/home/user-state.ts';
import { FLOW, FLOW_WORDS } from '#reference-server/mailbox/mailbox-limits.ts';
import { QueueFlow, type QueueReport } from '#reference-server/statistics/queue-flow.ts';

const SLICE_BOXES = 32_768;
export const TOP_COUNT = 20;
/** A message that is older, of a user who is there, is no absence: its receiver does not accept. */
export const STUCK_S = 10;
const LENGTH_CLASSES = 32;

/** What a sweep reads of one worker. */
export interface MailboxMemory {
  /** Boxes that were ever in use: where a sweep may stop. */
  boxes(): number;
  /** See FLOW of mailbox-limits.ts. */
  flow: Uint32Array;
  /** See USER of home/user-state.ts. */
  flags: Uint16Array;
}

export interface SweepResult {
  messages: number;
  nonempty: number;
  longest: number;
  /** Age of the oldest message of all, s; 0 without one. */
  oldestAgeS: number;
  /** Mailboxes of 1, 2 to 3, 4 to 7, ... messages. */
  lengthClasses: Uint32Array;
  /** The longest, longest first. */
  top: { worker: number; row: number; report: QueueReport }[];
  /** Mailboxes of users who are there, whose oldest message waits for STUCK_S or longer. */
  stuck: number;
  /** Some of them, oldest first. */
  stuckTop: { worker: number; row: number; oldestS: number }[];
}

interface Watched {
  flow: QueueFlow;
  atS: number;
}

export class MailboxSweep {
  readonly #workers: MailboxMemory[];
  /** Seconds of the clock that `flow` is written with. */
  readonly #nowS: () => number;
  #worker = 0;
  #box = 0;
  #found = emptyResult();
  #top: { worker: number; row: number; box: number; length: number }[] = [];
  readonly #watched = new Map<string, Watched>();
  /** Of the last whole sweep. */
  result: SweepResult = emptyResult();

  constructor(workers: MailboxMemory[], nowS: () => number) {
    this.#workers = workers;
    this.#nowS = nowS;
  }

  /** One slice; true when it finished a sweep: `result` is new. */
  slice(boxes = SLICE_BOXES): boolean {
    let left = boxes;
    while (this.#worker < this.#workers.length) {
      const memory = this.#workers[this.#worker]!;
      const end = Math.min(memory.boxes(), this.#box + left);
      left -= end - this.#box;
      this.#look(memory, end);
      if (left === 0) return false;
      this.#worker++;
      this.#box = 0;
    }
    this.#finish();
    return true;
  }

  /** A whole sweep at once, from where it stands. */
  finish(): SweepResult {
    while (!this.slice());
    return this.result;
  }

  #look({ flow, flags }: MailboxMemory, end: number): void {
    const found = this.#found;
    const stuckS = this.#nowS() - STUCK_S;
    let oldestS = found.oldestAgeS;
    for (; this.#box < end; this.#box++) {
      const at = this.#box * FLOW_WORDS;
      const own = flow[at + FLOW.length]!;
      if (own === 0) continue;
      found.messages += own;
      found.nonempty++;
      found.lengthClasses[31 - Math.clz32(own)]!++;
      const storedS = flow[at + FLOW.oldestS]!;
      const row = flow[at + FLOW.user]!;
      const isStuck = storedS > 0 && storedS <= stuckS && (flags[row]! & USER.online) !== 0;
      if (isStuck) this.#stuck(row, storedS);
      if (storedS > 0 && (oldestS === 0 || storedS < oldestS)) oldestS = storedS;
      if (own > found.longest) found.longest = own;
      if (this.#top.length < TOP_COUNT || own > this.#top.at(-1)!.length) this.#rank(row, own);
    }
    found.oldestAgeS = oldestS;
  }

  #rank(row: number, length: number): void {
    const top = this.#top;
    let at = top.length;
    while (at > 0 && top[at - 1]!.length < length) at--;
    top.splice(at, 0, { worker: this.#worker, row, box: this.#box, length });
    if (top.length > TOP_COUNT) top.pop();
  }

  #stuck(row: number, storedS: number): void {
    const { stuckTop } = this.#found;
    this.#found.stuck++;
    const isOlder = stuckTop.length < TOP_COUNT || storedS < stuckTop.at(-1)!.oldestS;
    if (!isOlder) return;
    let at = stuckTop.length;
    while (at > 0 && stuckTop[at - 1]!.oldestS > storedS) at--;
    stuckTop.splice(at, 0, { worker: this.#worker, row, oldestS: storedS });
    if (stuckTop.length > TOP_COUNT) stuckTop.pop();
  }

  #finish(): void {
    const nowS = this.#nowS();
    const found = this.#found;
    // Until here it held the second of the oldest message.
    found.oldestAgeS = found.oldestAgeS === 0 ? 0 : Math.max(0, nowS - found.oldestAgeS);
    found.top = this.#top.map(({ worker, row, box }) => ({
      worker,
      row,
      report: this.#watch(worker, row, box, nowS),
    }));
    const kept = new Set(this.#top.map(watchKey));
    for (const key of this.#watched.keys()) if (!kept.has(key)) this.#watched.delete(key);
    this.result = found;
    this.#found = emptyResult();
    this.#top = [];
    this.#worker = this.#box = 0;
  }

  #watch(worker: number, row: number, box: number, nowS: number): QueueReport {
    const { flow } = this.#workers[worker]!;
    const key = watchKey({ worker, row, box });
    const watched = this.#watched.get(key) ?? { flow: new QueueFlow(), atS: nowS };
    this.#watched.set(key, watched);
    const at = box * FLOW_WORDS;
    const storedS = flow[at + FLOW.oldestS]!;
    watched.flow.observe(
      {
        length: flow[at + FLOW.length]!,
        enqueued: flow[at + FLOW.enqueued]!,
        dequeued: flow[at + FLOW.dequeued]!,
        oldestAgeS: storedS === 0 ? 0 : Math.max(0, nowS - storedS),
      },
      nowS - watched.atS,
    );
    watched.atS = nowS;
    return watched.flow.report;
  }
}

/** The counters are those of the box: a mailbox that was empty in between may have another one, and begins anew. */
function watchKey({ worker, row, box }: { worker: number; row: number; box: number }): string {
  return `${worker}/${row}/${box}`;
}

function emptyResult(): SweepResult {
  return {
    messages: 0,
    nonempty: 0,
    longest: 0,
    oldestAgeS: 0,
    lengthClasses: new Uint32Array(LENGTH_CLASSES),
    top: [],
    stuck: 0,
    stuckTop: [],
  };
}
