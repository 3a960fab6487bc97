// Reads a program's output no faster than a measure allows. What comes faster waits in the pipe, and the program with
// it: a flood costs its sender, not us. Of each tenth of a second so many bytes are taken, and of them so many lines;
// lines beyond that are thrown away and counted.

import type { Readable } from 'node:stream';
import type { Clock } from '#core/clock/clock.ts';
import { LineSplitter } from '#core/host/line-splitter.ts';

const SLICE_MS = 100;

export interface MeteredReaderOptions {
  stream: Readable;
  clock: Clock;
  lineBytesMax: number;
  bytesPerSliceMax: number;
  linesPerSliceMax: number;
  onLine: (line: string) => void;
  /** A line was thrown away. */
  onRefused: () => void;
  /** Reading was held back. */
  onThrottled: () => void;
}

export class MeteredReader {
  readonly #options: MeteredReaderOptions;
  readonly #lines: LineSplitter;
  #bytes = 0;
  #count = 0;
  #sliceUs: number;

  constructor(options: MeteredReaderOptions) {
    const { stream, lineBytesMax, clock } = options;
    this.#options = options;
    this.#sliceUs = clock.monoUs();
    this.#lines = new LineSplitter(lineBytesMax, (line) => this.#takeLine(line));
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    // A pipe that breaks is a program that ended, which is told by its exit.
    stream.on('error', () => {});
  }

  #take(chunk: Buffer): void {
    const { stream, clock, bytesPerSliceMax, onThrottled, onRefused } = this.#options;
    const nowUs = clock.monoUs();
    const sinceMs = (nowUs - this.#sliceUs) / 1000;
    if (sinceMs >= SLICE_MS) this.#startSlice(nowUs);
    const overlongBefore = this.#lines.overlong;
    this.#lines.push(chunk);
    for (let i = overlongBefore; i < this.#lines.overlong; i++) onRefused();
    this.#bytes += chunk.length;
    if (this.#bytes < bytesPerSliceMax) return;
    onThrottled();
    stream.pause();
    // The longer when more came than a slice may have.
    const slices = Math.ceil(this.#bytes / bytesPerSliceMax);
    clock.after(SLICE_MS * slices, () => {
      this.#startSlice(clock.monoUs());
      if (!stream.destroyed) stream.resume();
    });
  }

  #takeLine(line: string): void {
    if (++this.#count > this.#options.linesPerSliceMax) this.#options.onRefused();
    else this.#options.onLine(line);
  }

  #startSlice(nowUs: number): void {
    this.#sliceUs = nowUs;
    this.#bytes = 0;
    this.#count = 0;
  }
}
