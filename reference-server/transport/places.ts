// The places of connections, of all workers together: a word of shared memory counts those that are taken, so that
// the bound of the server holds to the one, however the kernel spreads connections over the workers.

export class Places {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #max: number;

  constructor(memory: SharedArrayBuffer, max: number) {
    this.#words = new Int32Array(memory);
    this.#max = max;
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  }

  get taken(): number {
    return Atomics.load(this.#words, 0);
  }

  /** Takes one; false when none is left. */
  take(): boolean {
    for (;;) {
      const { taken } = this;
      if (taken >= this.#max) return false;
      if (Atomics.compareExchange(this.#words, 0, taken, taken + 1) === taken) return true;
    }
  }

  give(): void {
    Atomics.sub(this.#words, 0, 1);
  }
}
