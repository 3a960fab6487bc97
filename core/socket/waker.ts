// Ends the sleep of a reactor from another thread. Two words of shared memory decide whether a system call
// is needed at all: `pending` joins several wakes into one, `asleep` tells that the reactor waits in the
// kernel (ring) and must be rung through its eventfd. Engine net sleeps in libuv and is told by
// Atomics.notify, which it awaits.
//
// Sleeping: the reactor stores asleep = 1, then looks at pending, then sleeps. Waking: the waker stores
// pending = 1, then looks at asleep. Atomics are sequentially consistent, so one of the two always sees
// the other. The eventfd number dies with the reactor: `users` counts wakers between their look and their
// write, and the reactor closes the descriptor only when there is none.

import { writeSync } from 'node:fs';
import type { EngineName, Waker } from '#core/socket/reactor.ts';

const PENDING = 0;
const ASLEEP = 1;
const CLOSED = 2;
const USERS = 3;
const WORD_COUNT = 4;
/** What is added to the eventfd's counter: a 64-bit one, in the machine's (little-endian) order. */
const ONE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

/** Wakes the reactor that `waker` belongs to: its `onWake` is called soon. From any thread; after its end, nothing. */
export function wake(waker: Waker): void {
  new WakeBell(waker).ring();
}

/** The same for who wakes often: a ring makes no object. */
export class WakeBell {
  readonly #waker: Waker;
  readonly #words: Int32Array;

  constructor(waker: Waker) {
    this.#waker = waker;
    this.#words = new Int32Array(waker.shared);
  }

  ring(): void {
    const words = this.#words;
    if (Atomics.exchange(words, PENDING, 1) === 1) return;
    if (this.#waker.engine === 'net') {
      Atomics.notify(words, PENDING);
      return;
    }
    Atomics.add(words, USERS, 1);
    if (Atomics.load(words, ASLEEP) === 1 && Atomics.load(words, CLOSED) === 0) {
      writeSync(this.#waker.eventFd, ONE);
    }
    Atomics.sub(words, USERS, 1);
    // Only an end that closes waits for that (a notify takes a lock of the process).
    if (Atomics.load(words, CLOSED) === 1) Atomics.notify(words, USERS);
  }
}

/** The reactor's side of its waker. */
export class WakerEnd {
  readonly waker: Waker;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /** `eventFd` is -1 for engine net. */
  constructor(engine: EngineName, eventFd: number) {
    const shared = new SharedArrayBuffer(WORD_COUNT * Int32Array.BYTES_PER_ELEMENT);
    this.waker = { engine, shared, eventFd };
    this.#words = new Int32Array(shared);
  }

  /** True when a wake came since the last call. */
  take(): boolean {
    if (Atomics.load(this.#words, PENDING) === 0) return false;
    Atomics.store(this.#words, PENDING, 0);
    return true;
  }

  /** True when a wake waits to be taken. */
  get isPending(): boolean {
    return Atomics.load(this.#words, PENDING) === 1;
  }

  /** Announces the sleep; the caller looks at `isPending` afterwards. */
  fallAsleep(): void {
    Atomics.store(this.#words, ASLEEP, 1);
  }

  awake(): void {
    Atomics.store(this.#words, ASLEEP, 0);
  }

  /** Resolves when a wake is pending (engine net). */
  async whenPending(): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, PENDING, 0);
    if (waiting.async) await waiting.value;
  }

  /** No waker uses the eventfd any more when this returns. */
  close(): void {
    Atomics.store(this.#words, CLOSED, 1);
    for (;;) {
      const users = Atomics.load(this.#words, USERS);
      if (users === 0) return;
      Atomics.wait(this.#words, USERS, users, 10);
    }
  }
}
