// The memory in which a plug-in's thread leaves values for the tick: two copies of all values, of which one is read
// while the other is written. Neither side ever waits. A reader that was overtaken three times during its copy (some
// microseconds each) takes nothing this time.
//
//   words    Int32    0 generation: copies published; the newest one is generation % 2
//   notes    Float64  see Note: times in us of CLOCK_MONOTONIC, counts since the start
//   values   Float64  [copy][high, low][METRICS_MAX]; a number is high * 10^9 + low, low NaN: no value

import { METRICS_MAX } from '#collector/plugin/plugin.ts';

/** What the thread tells of itself. */
export const Note = {
  /** The thread is alive. */
  heartbeatUs: 0,
  /** When the newest values were taken, by the plug-in's own account. */
  stampUs: 1,
  commits: 2,
  /** Lines that say nothing, values that are none, metrics that are none or too many. */
  refusedLines: 3,
  refusedValues: 4,
  refusedMetrics: 5,
  /** How often reading was held back because too much came. */
  throttled: 6,
  /** How often a program had to be started again. */
  restarts: 7,
  /** Samples that threw. */
  errors: 8,
  /** Samples that were left out: the one before was still running, or too slow. */
  skipped: 9,
  /** Times of a commit that cannot be; the arrival counts then. */
  refusedTimes: 10,
  /** The process of a program. */
  pid: 11,
} as const;

const NOTES = Object.keys(Note).length;
const WORDS = 2;
const WORDS_BYTES = WORDS * 4;
const NOTES_BYTES = NOTES * 8;
const COPY = 2 * METRICS_MAX;
const TRIES_MAX = 3;
const BYTES = WORDS_BYTES + NOTES_BYTES + 2 * COPY * 8;

export class ValueCell {
  readonly memory: SharedArrayBuffer;
  /** Of the copy that `take` took. */
  readonly high = new Float64Array(METRICS_MAX);
  readonly low = new Float64Array(METRICS_MAX).fill(Number.NaN);
  readonly #words: Int32Array;
  readonly #notes: Float64Array;
  readonly #values: Float64Array;
  #taken = 0;

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, WORDS);
    this.#notes = new Float64Array(memory, WORDS_BYTES, NOTES);
    this.#values = new Float64Array(memory, WORDS_BYTES + NOTES_BYTES, 2 * COPY);
  }

  /** The writer: publishes these values as one. */
  publish(high: Float64Array, low: Float64Array, stampUs: number): void {
    const next = Atomics.load(this.#words, 0) + 1;
    const at = (next & 1) * COPY;
    this.#values.set(high, at);
    this.#values.set(low, at + METRICS_MAX);
    this.#notes[Note.stampUs] = stampUs;
    this.#notes[Note.commits] = this.#notes[Note.commits]! + 1;
    Atomics.store(this.#words, 0, next);
  }

  /** The reader: copies the newest values to `high` and `low`; false when there is nothing newer than the last. */
  take(): boolean {
    for (let i = 0; i < TRIES_MAX; i++) {
      const newest = Atomics.load(this.#words, 0);
      if (newest === this.#taken) return false;
      const at = (newest & 1) * COPY;
      for (let slot = 0; slot < METRICS_MAX; slot++) {
        this.high[slot] = this.#values[at + slot]!;
        this.low[slot] = this.#values[at + METRICS_MAX + slot]!;
      }
      // After one more publication the writer may be at this copy again.
      if (Atomics.load(this.#words, 0) !== newest) continue;
      this.#taken = newest;
      return true;
    }
    return false;
  }

  note(note: number): number {
    return this.#notes[note]!;
  }

  setNote(note: number, value: number): void {
    this.#notes[note] = value;
  }

  count(note: number, more = 1): void {
    this.#notes[note] = this.#notes[note]! + more;
  }
}
