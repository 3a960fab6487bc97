// The log format of HdrHistogram (version 1.3, HistogramLogWriter of the Java reference), which its
// tools read and plot: a header, then one line an interval and tag:
//
//   Tag=latency,<start, s since StartTime>,<length, s>,<max, ms>,<V2 compressed, base64>
//
// Values inside the histograms are microseconds, so readers that assume nanoseconds want a unit ratio
// of 1000 (HistogramLogProcessor -outputValueUnitRatio 1000 prints milliseconds). Pure text; who
// writes it to disk is elsewhere.

import type { Histogram } from '#core/metric/histogram.ts';

const US_PER_MS = 1000;

/** The lines before the first interval. `wallMs` is the start, milliseconds since 1970. */
export function histogramLogHead(wallMs: number, by: string): string {
  const startS = (wallMs / 1000).toFixed(3);
  return (
    `#[Logged with ${by}; values are microseconds]\n` +
    '#[Histogram log format version 1.3]\n' +
    `#[StartTime: ${startS} (seconds since epoch), ${new Date(wallMs).toISOString()}]\n` +
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
  );
}

/** One interval of one series; times in seconds, the start since StartTime. A tag has no comma. */
export function histogramLogLine(
  tag: string,
  startS: number,
  lengthS: number,
  histogram: Histogram,
): string {
  const max = histogram.count === 0 ? 0 : histogram.max / US_PER_MS;
  const times = `${startS.toFixed(3)},${lengthS.toFixed(3)},${max.toFixed(3)}`;
  return `Tag=${tag},${times},${histogram.encode()}\n`;
}
