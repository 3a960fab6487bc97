// A queue of numbers that grows by doubling and is then used again: each connection is in it at most
// once (a flag says so), so it is bounded by the capacity of the reactor.

const SIZE_FIRST = 256;

export class IntQueue {
  length = 0;
  #items = new Int32Array(SIZE_FIRST);
  #head = 0;

  push(item: number): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length) & (this.#items.length - 1)] = item;
    this.length++;
  }

  /** The first one, which stays. The queue is not empty. */
  get first(): number {
    return this.#items[this.#head]!;
  }

  shift(): number {
    const item = this.#items[this.#head]!;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  #grow(): void {
    const grown = new Int32Array(this.#items.length * 2);
    const tail = this.#items.length - this.#head;
    grown.set(this.#items.subarray(this.#head));
    grown.set(this.#items.subarray(0, this.#head), tail);
    this.#items = grown;
    this.#head = 0;
  }
}
