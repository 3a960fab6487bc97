// One deadline for each of very many indices: set, move and clear in O(1), in three typed arrays.
//
// A hashed wheel: 4096 slots of 100 ms; a slot is a ring of the indices that are due in it, this turn of
// the wheel (409.6 s) or a later one. Advancing visits each passed slot once, so a long deadline costs one
// visit per turn of the wheel. An index is linked by number: node = index + 1, the heads of the slots
// follow, 0 means "not armed", so fresh arrays need no fill and untouched pages stay unallocated.
//
// Never early, at most one step (100 ms unless told) plus the caller's own delay late. Times are monotonic
// ms from the caller. Cost: 12 bytes per index, allocated at the first deadline; nothing is allocated after.

import { assert } from '#core/assert.ts';

/** Usual granularity, ms. */
export const TIMER_STEP_MS = 100;
const SLOT_COUNT = 4096;
const SLOT_MASK = SLOT_COUNT - 1;
/** How many slots `msUntilNext` looks ahead: it answers at most this much (6.4 s of 100 ms), so it stays O(1). */
const LOOK_AHEAD_SLOTS = 64;

export class TimerWheel {
  /** Deadlines that are set now. */
  armed = 0;
  readonly #capacity: number;
  readonly #startMs: number;
  readonly #stepMs: number;
  /** Steps up to and including this one have fired. */
  #currentStep = 0;
  /** Some that are due wait for the next call. */
  #hasDue = false;
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  #dueStep = new Uint32Array(0);

  /** `capacity` indices [0, capacity); `nowMs` is where the wheel's time starts; `stepMs` its granularity. */
  constructor(capacity: number, nowMs: number, stepMs = TIMER_STEP_MS) {
    assert(Number.isInteger(capacity) && capacity >= 0, 'the capacity of a timer wheel is a count');
    this.#stepMs = stepMs;
    this.#capacity = capacity;
    this.#startMs = nowMs;
  }

  /** Sets or moves the deadline of `index` to `delayMs` (> 0) from `nowMs`. */
  set(index: number, nowMs: number, delayMs: number): void {
    assert(index >= 0 && index < this.#capacity, 'a deadline belongs to an index of the wheel');
    assert(delayMs > 0, 'a deadline lies ahead');
    if (this.#next.length === 0) this.#allocate();
    const node = index + 1;
    if (this.#next[node] !== 0) this.#unlink(node);
    else this.armed++;
    const step = Math.ceil((nowMs - this.#startMs + delayMs) / this.#stepMs);
    const dueStep = Math.max(step, this.#currentStep + 1);
    this.#dueStep[index] = dueStep;
    this.#link(node, this.#head(dueStep));
  }

  /** Clears the deadline of `index`, if it has one. */
  clear(index: number): void {
    if (this.#next.length === 0 || this.#next[index + 1] === 0) return;
    this.#unlink(index + 1);
    this.#next[index + 1] = 0;
    this.armed--;
  }

  isArmed(index: number): boolean {
    return this.#next.length !== 0 && this.#next[index + 1] !== 0;
  }

  /**
   * Fires what is due at `nowMs`, each cleared before its call. `onDue` may set and clear any deadline,
   * also of indices that are due in this very call. Returns how many fired; with `firesMax` of them the rest waits for
   * the next call, and `msUntilNext` is 0.
   */
  advance(nowMs: number, onDue: (index: number) => void, firesMax = Infinity): number {
    const step = Math.floor((nowMs - this.#startMs) / this.#stepMs);
    if (step <= this.#currentStep && !this.#hasDue) return 0;
    const firstStep = Math.max(this.#currentStep + 1, step - SLOT_MASK);
    this.#currentStep = Math.max(step, this.#currentStep);
    this.#hasDue = false;
    if (this.armed === 0) return 0;
    for (let passed = firstStep; passed <= step; passed++) this.#collectDue(passed, step);
    const dueHead = this.#dueHead();
    let fired = 0;
    for (let node = this.#next[dueHead]!; node !== dueHead; node = this.#next[dueHead]!) {
      if (fired === firesMax) {
        this.#hasDue = true;
        break;
      }
      this.clear(node - 1);
      fired++;
      onDue(node - 1);
    }
    return fired;
  }

  /** Ms from `nowMs` until `advance` may have work; Infinity when nothing is armed. */
  msUntilNext(nowMs: number): number {
    if (this.armed === 0) return Infinity;
    if (this.#hasDue) return 0;
    let step = this.#currentStep + 1;
    const lastStep = this.#currentStep + LOOK_AHEAD_SLOTS;
    while (step < lastStep && this.#next[this.#head(step)] === this.#head(step)) step++;
    return Math.max(0, this.#startMs + step * this.#stepMs - nowMs);
  }

  #allocate(): void {
    const nodes = this.#capacity + 1 + SLOT_COUNT + 1;
    this.#next = new Int32Array(nodes);
    this.#previous = new Int32Array(nodes);
    this.#dueStep = new Uint32Array(this.#capacity);
    for (let head = this.#capacity + 1; head < nodes; head++) {
      this.#next[head] = head;
      this.#previous[head] = head;
    }
  }

  #head(step: number): number {
    return this.#capacity + 1 + (step & SLOT_MASK);
  }

  #dueHead(): number {
    return this.#capacity + 1 + SLOT_COUNT;
  }

  /** Moves what is due by `step` from the slot of step `passed` to the list of due ones, in order. */
  #collectDue(passed: number, step: number): void {
    const head = this.#head(passed);
    for (let node = this.#next[head]!; node !== head; ) {
      const following = this.#next[node]!;
      if (this.#dueStep[node - 1]! <= step) {
        this.#unlink(node);
        this.#link(node, this.#dueHead());
      }
      node = following;
    }
  }

  #link(node: number, head: number): void {
    const last = this.#previous[head]!;
    this.#next[last] = node;
    this.#previous[node] = last;
    this.#next[node] = head;
    this.#previous[head] = node;
  }

  #unlink(node: number): void {
    const next = this.#next[node]!;
    const previous = this.#previous[node]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }
}
