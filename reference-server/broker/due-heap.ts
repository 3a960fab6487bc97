// What is due when: wills that wait for their delay, sessions that end. A binary heap of (time, item);
// what became void is recognised by its owner when it comes up, so nothing is ever searched in it.

interface Due<T> {
  atMs: number;
  item: T;
}

export class DueHeap<T> {
  readonly #heap: Due<T>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  push(atMs: number, item: T): void {
    const heap = this.#heap;
    heap.push({ atMs, item });
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (heap[parent]!.atMs <= heap[at]!.atMs) break;
      swap(heap, at, parent);
      at = parent;
    }
  }

  /** Removes and returns the first item that is due at `nowMs`; undefined when none is. */
  pop(nowMs: number): T | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) {
      heap[0] = last;
      this.#sink();
    }
    return first.item;
  }

  #sink(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && heap[child]!.atMs < heap[least]!.atMs) least = child;
      }
      if (least === at) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

function swap<T>(heap: T[], a: number, b: number): void {
  const held = heap[a]!;
  heap[a] = heap[b]!;
  heap[b] = held;
}
