// What can be turned while a load runs beside its rate, in shared memory: the main thread writes, every
// worker reads it where it is needed. A turn holds from the next message, packet or look on; what must be
// the same instant in all workers (rate, fan-out, spike) is a list of changes (rate-schedule.ts).
//
// Each field is one Float64, so a reader sees the old or the new value and nothing between.

const FIELD = {
  slowRatio: 0,
  slowBytesPerS: 1,
} as const;
type Field = keyof typeof FIELD;

export type LiveValues = Record<Field, number>;

export class LiveSettings implements LiveValues {
  readonly shared: SharedArrayBuffer;
  readonly #values: Float64Array;

  /** New ones, or the view of those that another thread made. */
  constructor(from: SharedArrayBuffer | LiveValues) {
    const isShared = from instanceof SharedArrayBuffer;
    this.shared = isShared ? from : new SharedArrayBuffer(8 * Object.keys(FIELD).length);
    this.#values = new Float64Array(this.shared);
    if (isShared) return;
    for (const field of Object.keys(FIELD) as Field[]) this.#values[FIELD[field]] = from[field];
  }

  /** Part of the users that read slowly, and how much they read. */
  get slowRatio(): number {
    return this.#values[FIELD.slowRatio]!;
  }
  get slowBytesPerS(): number {
    return this.#values[FIELD.slowBytesPerS]!;
  }

  set(field: Field, value: number): void {
    this.#values[FIELD[field]] = value;
  }
}
