// The three times of a message, each in a histogram of the current second. Latency is what a user
// would have seen: from the time the message was due. Service is what the target took: from the
// time it left. Lateness is our own part: how late it left though nothing but this process held it.

import { createHistogram, type Histogram, type HistogramCounts } from '#core/metric/histogram.ts';

export const TIMING_NAMES = ['latency', 'service', 'lateness'] as const;
export type TimingName = (typeof TIMING_NAMES)[number];

/**
 * Histograms by name: as objects, and as what passes from one thread to another. `parts` are latencies of a
 * part of the messages; what each is of is said by latency-parts.ts.
 */
export type Timings = Record<TimingName, Histogram> & { parts: Histogram[] };
export type TakenTimings = Record<TimingName, HistogramCounts> & { parts: HistogramCounts[] };

export function createTimings(parts = 0): Timings {
  return {
    latency: createHistogram(),
    service: createHistogram(),
    lateness: createHistogram(),
    parts: Array.from({ length: parts }, createHistogram),
  };
}

/** What was counted; the histograms begin anew. */
export function takeTimings(timings: Timings): TakenTimings {
  const { latency, service, lateness, parts } = timings;
  return {
    latency: latency.take(),
    service: service.take(),
    lateness: lateness.take(),
    parts: parts.map((part) => part.take()),
  };
}

export function mergeTimings(into: Timings, from: TakenTimings): void {
  for (const name of TIMING_NAMES) into[name].merge(from[name]);
  for (const [index, part] of from.parts.entries()) into.parts[index]!.merge(part);
}
