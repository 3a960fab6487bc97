// The histograms of every second in a file that the tools of HdrHistogram read (--hlog). Written as the
// run goes, so that what was measured stands on disk however the run ends. A full disk ends the file
// and not the run; it is said once.

import { closeSync, existsSync, openSync, rmSync, writeSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';
import type { Histogram } from '#core/metric/histogram.ts';
import { histogramLogHead, histogramLogLine } from '#core/metric/histogram-log.ts';
import { TIMING_NAMES, type Timings } from '#loadgen/interval-timings.ts';
import { partTag } from '#loadgen/latency-parts.ts';

export class HistogramFile {
  readonly #file: string;
  readonly #startMs: number;
  readonly #talk: (text: string) => void;
  /** Tags of the parts that are told apart (latency-parts.ts). */
  readonly #tags: readonly string[];
  #fd: number | undefined;

  /** Throws WSAR_ERR_FILE when the file cannot be made. */
  constructor(
    file: string,
    startMs: number,
    talk: (text: string) => void,
    parts: readonly string[] = [],
  ) {
    this.#tags = parts.map(partTag);
    this.#file = file;
    this.#startMs = startMs;
    this.#talk = talk;
    const isNew = !existsSync(file);
    try {
      this.#fd = openSync(file, 'w', 0o644);
      writeSync(this.#fd, histogramLogHead(startMs, 'wsar load'));
    } catch (error) {
      this.close();
      // A full disk takes the name and not the text.
      if (isNew) rmSync(file, { force: true });
      throw new WsarError(
        'WSAR_ERR_FILE',
        `${file} cannot be written: ${(error as Error).message}`,
        'name a file in a folder that exists and is yours',
        error,
      );
    }
  }

  /** One interval that ended at `endMs` (milliseconds since 1970). */
  interval(endMs: number, lengthUs: number, timings: Timings): void {
    if (this.#fd === undefined) return;
    const lengthS = lengthUs / 1e6;
    const startS = Math.max(0, (endMs - this.#startMs) / 1000 - lengthS);
    const named: [string, Histogram][] = [
      ...TIMING_NAMES.map((name): [string, Histogram] => [name, timings[name]]),
      ...timings.parts.map((part, i): [string, Histogram] => [this.#tags[i]!, part]),
    ];
    const lines = named
      .filter(([, histogram]) => histogram.count > 0)
      .map(([tag, histogram]) => histogramLogLine(tag, startS, lengthS, histogram));
    try {
      if (lines.length > 0) writeSync(this.#fd, lines.join(''));
    } catch (error) {
      this.#talk(`wsar load: ${this.#file} ends here: ${(error as Error).message}\n`);
      this.close();
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
