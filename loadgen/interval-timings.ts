// The three times of a message, each in a histogram of the current second. Latency is what a user would
// have seen: from the time the message was due. Service is what the target took: from the time it left.
// Lateness is our own part: how late it left though nothing but this process held it.

import { createHistogram, type Histogram } from '#core/metric/histogram.ts';

export const TIMING_NAMES = ['latency', 'service', 'lateness'] as const;
export type TimingName = (typeof TIMING_NAMES)[number];

/** Histograms by name: as objects here, as text between threads and in rows. */
export type Timings = Record<TimingName, Histogram>;
export type EncodedTimings = Record<TimingName, string>;

export function createTimings(): Timings {
  return { latency: createHistogram(), service: createHistogram(), lateness: createHistogram() };
}

/** The text forms; the histograms begin anew. */
export function takeTimings(timings: Timings): EncodedTimings {
  const encoded = {} as EncodedTimings;
  for (const name of TIMING_NAMES) {
    encoded[name] = timings[name].encode();
    timings[name].reset();
  }
  return encoded;
}

export function mergeTimings(into: Timings, from: EncodedTimings | Timings): void {
  for (const name of TIMING_NAMES) into[name].merge(from[name]);
}
