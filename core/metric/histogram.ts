// Latency histograms: HdrHistogram over hdr-histogram-js, which is imported here and nowhere else.
//
// Fixed layout everywhere in wsar: microseconds, 1 us .. 1 h, 3 significant digits. So any two of
// them merge exactly (bucket by bucket); a percentile of a whole is taken from the merged histogram
// and never from other percentiles. The text form is the V2 compressed encoding in base64 (it
// starts with "HIST"), which every HdrHistogram tool reads.
//
// Cost: 92 KiB each; `record` is about 50 ns and allocates nothing (times under 36 minutes are
// small integers to V8); `percentile`, `mean` and `encode` walk the 23,552 counters. A counter
// holds 2^32 - 1. Between threads `take` and `merge` pass a list of the counters that are not 0
// (0.1 ms instead of the 0.5 ms of the text form, which matters to a thread that has to be on
// time). The text form keeps the counters, not the exact ends: `max` and `min` come back as those
// of their bucket.

import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  JsHistogram,
} from 'hdr-histogram-js';
import { assert } from '#core/assert.ts';
import { WsarError } from '#core/errors.ts';

/**
 * The longest time that can be told apart, one hour; what is longer is recorded as this and
 * counted in `clamped`.
 */
export const HISTOGRAM_US_MAX = 3_600_000_000;

const SIGNIFICANT_DIGITS = 3;

/**
 * What `take` returns, for the way from one thread to another: smallest and largest sample,
 * `clamped`, then pairs of counter index and count.
 */
export type HistogramCounts = Uint32Array<ArrayBuffer>;

const COUNTS_HEADER = 3;

export interface Histogram {
  /**
   * Counts one time, us. Rounded to whole us; under 1 us counts as 1; over one hour counts as one
   * hour.
   */
  record(us: number): void;
  /**
   * Adds what another histogram counted. Throws WSAR_ERR_FILE when the text is no histogram of
   * this layout.
   */
  merge(other: Histogram | HistogramCounts | string): void;
  /**
   * The time, us, that `p` percent (0..100) of the samples do not exceed; NaN when there is none.
   */
  percentile(p: number): number;
  /** Samples. */
  readonly count: number;
  /** Longest and shortest sample, us, within the resolution; NaN when there is none. */
  readonly max: number;
  readonly min: number;
  /** Mean, us, within the resolution; NaN when there is none. */
  readonly mean: number;
  /** Samples over one hour, which count as one hour. Not part of the text form. */
  readonly clamped: number;
  /** HdrHistogram V2, compressed, base64. */
  encode(): string;
  /** Hands over what was counted and forgets it: `merge` in another thread takes it. */
  take(): HistogramCounts;
  /** Forgets every sample. */
  reset(): void;
}

export function createHistogram(): Histogram {
  return new FixedHistogram();
}

/** The histogram that `encode` wrote. Throws WSAR_ERR_FILE when the text is none of this layout. */
export function decodeHistogram(text: string): Histogram {
  const histogram = new FixedHistogram();
  histogram.merge(text);
  return histogram;
}

class FixedHistogram implements Histogram {
  readonly #hdr: JsHistogram = createHdr();
  #clamped = 0;

  record(us: number): void {
    assert(us >= 0, 'a recorded time is a number and not negative');
    let whole = Math.round(us);
    if (whole < 1) whole = 1;
    if (whole > HISTOGRAM_US_MAX) {
      whole = HISTOGRAM_US_MAX;
      this.#clamped++;
    }
    this.#hdr.recordValue(whole);
  }

  merge(other: Histogram | HistogramCounts | string): void {
    if (typeof other === 'string') {
      const decoded = decode(other);
      if (decoded.totalCount > 0) this.#hdr.add(decoded);
    } else if (other instanceof Uint32Array) this.#mergeCounts(other);
    else {
      assert(other instanceof FixedHistogram, 'a histogram comes from createHistogram');
      // Adding an empty one would lower the library's idea of the smallest value.
      if (other.count > 0) this.#hdr.add(other.#hdr);
      this.#clamped += other.#clamped;
    }
  }

  percentile(p: number): number {
    assert(p >= 0 && p <= 100, 'a percentile lies in 0..100');
    // The library answers with the upper end of the bucket, which for the last one passes the
    // maximum.
    return this.count === 0 ? Number.NaN : Math.min(this.#hdr.getValueAtPercentile(p), this.max);
  }

  get count(): number {
    return this.#hdr.totalCount;
  }

  get max(): number {
    return this.count === 0 ? Number.NaN : Math.min(this.#hdr.maxValue, HISTOGRAM_US_MAX);
  }

  get min(): number {
    return this.count === 0 ? Number.NaN : this.#hdr.minNonZeroValue;
  }

  get mean(): number {
    return this.count === 0 ? Number.NaN : this.#hdr.mean;
  }

  get clamped(): number {
    return this.#clamped;
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#hdr);
  }

  take(): HistogramCounts {
    const hdr = this.#hdr;
    if (this.count === 0) return new Uint32Array(0);
    const first = hdr.countsArrayIndex(hdr.minNonZeroValue);
    const last = hdr.countsArrayIndex(hdr.maxValue);
    let used = 0;
    for (let i = first; i <= last; i++) if (hdr.getCountAtIndex(i) > 0) used++;
    const counts = new Uint32Array(COUNTS_HEADER + 2 * used);
    counts[0] = hdr.minNonZeroValue;
    counts[1] = hdr.maxValue;
    counts[2] = this.#clamped;
    let at = COUNTS_HEADER;
    for (let i = first; i <= last; i++) {
      const count = hdr.getCountAtIndex(i);
      if (count === 0) continue;
      counts[at++] = i;
      counts[at++] = count;
    }
    this.reset();
    return counts;
  }

  #mergeCounts(counts: HistogramCounts): void {
    if (counts.length === 0) return;
    const hdr = this.#hdr;
    hdr.updateMinAndMax(counts[0]!);
    hdr.updateMinAndMax(counts[1]!);
    this.#clamped += counts[2]!;
    for (let at = COUNTS_HEADER; at < counts.length; at += 2) {
      hdr.addToCountAtIndex(counts[at]!, counts[at + 1]!);
      hdr.addToTotalCount(counts[at + 1]!);
    }
  }

  reset(): void {
    this.#hdr.reset();
    this.#clamped = 0;
  }
}

function createHdr(): JsHistogram {
  const hdr = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HISTOGRAM_US_MAX,
    numberOfSignificantValueDigits: SIGNIFICANT_DIGITS,
  });
  assert(hdr instanceof JsHistogram, 'without WebAssembly the library builds its own histogram');
  return hdr;
}

function decode(text: string): JsHistogram {
  let hdr: unknown;
  try {
    hdr = decodeFromCompressedBase64(text, 32);
  } catch (error) {
    throw notOurs('the text is no HdrHistogram V2 in base64', error);
  }
  if (
    !(hdr instanceof JsHistogram) ||
    hdr.lowestDiscernibleValue !== 1 ||
    hdr.highestTrackableValue !== HISTOGRAM_US_MAX ||
    hdr.numberOfSignificantValueDigits !== SIGNIFICANT_DIGITS
  ) {
    throw notOurs('the HdrHistogram has another range or precision');
  }
  return hdr;
}

function notOurs(what: string, cause?: unknown): WsarError {
  return new WsarError(
    'WSAR_ERR_FILE',
    what,
    'give one that wsar wrote: 1 us to 1 h, 3 significant digits',
    cause,
  );
}
