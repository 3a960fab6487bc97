// What the main thread tells its workers, in shared memory: the phase of the run, when its plan
// ends, and that a second is over. A worker may sleep in the kernel, so whoever writes here also
// wakes the reactors.
//
//   byte 0   phase (Int32)
//   byte 4   seconds told so far (Int32): the worker answers each with its histograms of that second
//   byte 8   end of the plan, us of the host clock (Float64); Infinity = not known yet

/** What users do. Each phase follows the one before it; none is entered twice. */
export const PHASE = {
  /** Users log in; nobody writes. */
  ramp: 0,
  /** The planned messages are sent. */
  steady: 1,
  /** What was planned is still sent, and what is on its way may arrive. */
  drain: 2,
  /** Everybody says goodbye. The worker ends when nobody is left. */
  logout: 3,
} as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

export class RunControl {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #end: Float64Array;

  constructor(shared?: SharedArrayBuffer) {
    this.shared = shared ?? new SharedArrayBuffer(16);
    this.#words = new Int32Array(this.shared, 0, 2);
    this.#end = new Float64Array(this.shared, 8, 1);
    if (shared === undefined) this.#end[0] = Number.POSITIVE_INFINITY;
  }

  get phase(): Phase {
    return Atomics.load(this.#words, 0) as Phase;
  }

  set phase(phase: Phase) {
    Atomics.store(this.#words, 0, phase);
  }

  get tick(): number {
    return Atomics.load(this.#words, 1);
  }

  set tick(tick: number) {
    Atomics.store(this.#words, 1, tick);
  }

  /** No message that is due later than this is sent. */
  get endUs(): number {
    return this.#end[0]!;
  }

  set endUs(us: number) {
    this.#end[0] = us;
  }
}
