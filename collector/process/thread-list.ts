// The threads of one process, and their sums by group of names. A process with thousands of threads must not cost the
// tick: a tick reads as many as it is allowed to, in turns, and each keeps the rates of its last reading; the list
// itself is made anew only when threads came or went, and less often the longer it is.

import { opendirSync } from 'node:fs';
import type { TaskBuffer } from '#collector/process/task-file.ts';
import { Thread, threadGroupName } from '#collector/process/thread.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';

/** Threads of one process that are looked at; the others are counted in `unread`. */
export const THREADS_MAX = 2048;
/** Names that have a group of their own; the others are in the last group. */
export const GROUPS_MAX = 12;
export const OTHER = 'other';
/** A list of more threads than this is not made anew in every tick. */
const LONG_LIST = 256;
const LONG_LIST_US = 5e6;

export interface ThreadGroup {
  name: string;
  threads: number;
  /** Sums of the threads' rates. */
  run: number;
  wait: number;
  voluntary: number;
  involuntary: number;
}

export class ThreadList {
  readonly groups: ThreadGroup[] = [];
  /** Sum of all threads; NaN until every one has rates, or where the kernel has no schedstat. */
  readonly all: ThreadGroup = emptyGroup('all');
  /** Threads of the process that were not read in the last tick. */
  unread = 0;
  readonly #folder: string;
  readonly #shared: TaskBuffer;
  readonly #scanner = new ByteScanner();
  readonly #threads = new Map<number, Thread>();
  #order: Thread[] = [];
  #next = 0;
  #listedUs = Number.NaN;
  #isListWhole = false;
  #hasGone = true;

  constructor(processFolder: string, shared: TaskBuffer) {
    this.#folder = `${processFolder}/task`;
    this.#shared = shared;
  }

  /** Reads up to `allowance` threads of the `count` that there are; returns how many it read. */
  read(count: number, allowance: number, nowUs: number): number {
    if (this.#hasGone || count !== this.#order.length) this.#list(nowUs);
    const toRead = Math.min(allowance, this.#order.length);
    let read = this.#readSome(toRead, nowUs);
    if (this.#hasGone && this.#list(nowUs)) read += this.#readNew(allowance - read, nowUs);
    this.unread = Math.max(0, count - read);
    this.#addUp();
    return read;
  }

  close(): void {
    for (const thread of this.#order) thread.close();
  }

  #readSome(toRead: number, nowUs: number): number {
    let read = 0;
    for (let i = 0; i < toRead; i++) {
      if (this.#next >= this.#order.length) this.#next = 0;
      if (this.#readOne(this.#order[this.#next++]!, nowUs)) read++;
    }
    return read;
  }

  #readNew(allowance: number, nowUs: number): number {
    let read = 0;
    for (const thread of this.#order) {
      if (thread.group < 0 && read < allowance && this.#readOne(thread, nowUs)) read++;
    }
    return read;
  }

  #readOne(thread: Thread, nowUs: number): boolean {
    if (!thread.read(this.#scanner, nowUs)) {
      thread.stop();
      this.#hasGone = true;
      return false;
    }
    if (thread.isRenamed) thread.group = this.#groupOf(threadGroupName(this.#shared));
    return true;
  }

  /** Makes the list anew, unless it is long and was made a moment ago. */
  #list(nowUs: number): boolean {
    if (this.#order.length > LONG_LIST && nowUs - this.#listedUs < LONG_LIST_US) return false;
    const bornUs = this.#isListWhole ? this.#listedUs : Number.NaN;
    const order: Thread[] = [];
    this.#isListWhole = true;
    for (const tid of this.#ids()) {
      const known = this.#threads.get(tid);
      const thread = known ?? new Thread(this.#folder, tid, this.#shared, bornUs);
      if (known === undefined) this.#threads.set(tid, thread);
      order.push(thread);
    }
    const kept = new Set(order);
    for (const thread of this.#order) {
      if (kept.has(thread)) continue;
      thread.close();
      this.#threads.delete(thread.tid);
    }
    this.#order = order;
    this.#listedUs = nowUs;
    this.#hasGone = false;
    return true;
  }

  #ids(): number[] {
    const ids: number[] = [];
    try {
      const folder = opendirSync(this.#folder, { bufferSize: LONG_LIST });
      try {
        for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
          if (ids.length === THREADS_MAX) {
            this.#isListWhole = false;
            break;
          }
          ids.push(Number(entry.name));
        }
      } finally {
        folder.closeSync();
      }
    } catch {
      // The process has just ended: it has no threads any more.
      this.#isListWhole = false;
    }
    return ids;
  }

  #groupOf(name: string): number {
    const known = this.groups.findIndex((group) => group.name === name);
    if (known >= 0) return known;
    if (this.groups.length <= GROUPS_MAX) {
      const isLast = this.groups.length === GROUPS_MAX;
      return this.groups.push(emptyGroup(isLast ? OTHER : name)) - 1;
    }
    return GROUPS_MAX;
  }

  #addUp(): void {
    for (let i = 0; i < this.groups.length; i++) reset(this.groups[i]!);
    reset(this.all);
    for (let i = 0; i < this.#order.length; i++) {
      const thread = this.#order[i]!;
      if (thread.group >= 0) add(this.groups[thread.group]!, thread);
      add(this.all, thread);
    }
  }
}

function emptyGroup(name: string): ThreadGroup {
  return { name, threads: 0, run: 0, wait: 0, voluntary: 0, involuntary: 0 };
}

function reset(group: ThreadGroup): void {
  group.threads = 0;
  group.run = 0;
  group.wait = 0;
  group.voluntary = 0;
  group.involuntary = 0;
}

function add(group: ThreadGroup, thread: Thread): void {
  group.threads++;
  group.run += thread.run;
  group.wait += thread.wait;
  group.voluntary += thread.voluntary;
  group.involuntary += thread.involuntary;
}
