// What can be turned while a load runs beside its rate, in shared memory: the main thread writes, every
// worker reads it where it is needed. A turn holds from the next message, packet or look on; what must be
// the same instant in all workers (rate, spike, fan-out) is a list of changes (plan-changes.ts).
//
// Each field is one Float64 in the unit of its knob, so a reader sees the old or the new value and nothing
// between, and what is read back is what was set.

const FIELD = {
  slowPercent: 0,
  slowBytesPerS: 1,
  pingS: 2,
  payloadBytes: 3,
  mediaPercent: 4,
  downBlock: 5,
} as const;
export type LiveField = keyof typeof FIELD;
export type LiveValues = Record<LiveField, number>;

export class LiveSettings implements LiveValues {
  readonly shared: SharedArrayBuffer;
  readonly #values: Float64Array;

  /** New ones, or the view of those that another thread made. */
  constructor(from: SharedArrayBuffer | LiveValues) {
    const isShared = from instanceof SharedArrayBuffer;
    this.shared = isShared ? from : new SharedArrayBuffer(8 * Object.keys(FIELD).length);
    this.#values = new Float64Array(this.shared);
    if (isShared) return;
    for (const field of Object.keys(FIELD) as LiveField[]) this.set(field, from[field]);
  }

  /** Part of the users that read slowly, and how much they read a second. */
  get slowPercent(): number {
    return this.#values[FIELD.slowPercent]!;
  }

  get slowBytesPerS(): number {
    return this.#values[FIELD.slowBytesPerS]!;
  }

  /** Nobody is silent for longer than this, seconds: he pings before; 0 = no pings. */
  get pingS(): number {
    return this.#values[FIELD.pingS]!;
  }

  /** Size of a message, and the part of the messages that carry a picture's link and thumbnail. */
  get payloadBytes(): number {
    return this.#values[FIELD.payloadBytes]!;
  }

  get mediaPercent(): number {
    return this.#values[FIELD.mediaPercent]!;
  }

  /** The block of users that is cut off and stays away, from 1 on; 0 = none (user-blocks.ts). */
  get downBlock(): number {
    return this.#values[FIELD.downBlock]!;
  }

  set(field: LiveField, value: number): void {
    this.#values[FIELD[field]] = value;
  }
}
