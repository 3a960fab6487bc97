// How the main thread turns the settings of running workers, in shared memory: it stores the wished
// values and wakes the workers; each obeys in its next turn, stores what it now does and says so.
//
//   words 0..2        wished: flush, arming, injected microseconds
//   word 3            1 = stop
//   word 4            version, rises with every wish
//   words 5 + 4w ..   worker w: version it has obeyed; its flush, arming, injected microseconds

import { assert } from '#core/assert.ts';

export interface WorkerSettings {
  flush: 'turn' | 'immediate';
  arming: 'poll' | 'recv';
  /** Microseconds burnt for each accepted message. */
  injectedUs: number;
}

const STOP = 3;
const VERSION = 4;
const OBEYED = 5;
const WORDS_PER_WORKER = 4;
const FLUSH = ['turn', 'immediate'] as const;
const ARMING = ['poll', 'recv'] as const;
const OBEY_TIMEOUT_MS = 2000;

export class WorkerControl {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  static create(workers: number, settings: WorkerSettings): WorkerControl {
    const words = OBEYED + WORDS_PER_WORKER * workers;
    const control = new WorkerControl(new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT));
    control.#store(0, settings);
    for (let worker = 0; worker < workers; worker++) control.obeyed(worker, settings);
    return control;
  }

  get workers(): number {
    return (this.#words.length - OBEYED) / WORDS_PER_WORKER;
  }

  get wished(): WorkerSettings {
    return this.#load(0);
  }

  get isStopping(): boolean {
    return Atomics.load(this.#words, STOP) === 1;
  }

  /** What `worker` does now, by its own word. */
  actual(worker: number): WorkerSettings {
    return this.#load(OBEYED + worker * WORDS_PER_WORKER + 1);
  }

  /** The main thread asks the workers to stop; it wakes them afterwards. */
  stop(): void {
    Atomics.store(this.#words, STOP, 1);
  }

  /** Changes settings and resolves when all workers have obeyed; `wake` wakes them all. Rejects after two seconds. */
  async change(part: Partial<WorkerSettings>, wake: () => void): Promise<void> {
    this.#store(0, { ...this.wished, ...part });
    const version = Atomics.add(this.#words, VERSION, 1) + 1;
    wake();
    for (let worker = 0; worker < this.workers; worker++) {
      const at = OBEYED + worker * WORDS_PER_WORKER;
      for (;;) {
        const seen = Atomics.load(this.#words, at);
        if (seen >= version) break;
        const waiting = Atomics.waitAsync(this.#words, at, seen, OBEY_TIMEOUT_MS);
        const result = waiting.async ? await waiting.value : waiting.value;
        if (result === 'timed-out') throw new Error(`worker ${worker} did not obey in 2 s`);
      }
    }
  }

  /** The version a worker should obey when it looks at `wished` afterwards. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  obeyedVersion(worker: number): number {
    return Atomics.load(this.#words, OBEYED + worker * WORDS_PER_WORKER);
  }

  /** A worker says what it does now. */
  obeyed(worker: number, settings: WorkerSettings, version = 0): void {
    assert(worker < this.workers, 'a worker has its place in the control words');
    const at = OBEYED + worker * WORDS_PER_WORKER;
    this.#store(at + 1, settings);
    Atomics.store(this.#words, at, version);
    Atomics.notify(this.#words, at);
  }

  #load(at: number): WorkerSettings {
    return {
      flush: FLUSH[Atomics.load(this.#words, at)]!,
      arming: ARMING[Atomics.load(this.#words, at + 1)]!,
      injectedUs: Atomics.load(this.#words, at + 2),
    };
  }

  #store(at: number, settings: WorkerSettings): void {
    Atomics.store(this.#words, at, FLUSH.indexOf(settings.flush));
    Atomics.store(this.#words, at + 1, ARMING.indexOf(settings.arming));
    Atomics.store(this.#words, at + 2, settings.injectedUs);
  }
}
