import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HistogramLogReader } from 'hdr-histogram-js';
import { createHistogram } from '#core/metric/histogram.ts';
import { histogramLogHead, histogramLogLine } from '#core/metric/histogram-log.ts';

test('the reader of hdr-histogram-js gets back every interval, tag, time and count', () => {
  const startMs = 1_700_000_000_250;
  let text = histogramLogHead(startMs, 'wsar');
  for (let second = 0; second < 3; second++) {
    for (const tag of ['latency', 'service']) {
      const histogram = createHistogram();
      for (let i = 1; i <= 100 * (second + 1); i++) histogram.record(i * 10);
      text += histogramLogLine(tag, second, 1, histogram);
    }
  }
  const reader = new HistogramLogReader(text);
  for (let second = 0; second < 3; second++) {
    for (const tag of ['latency', 'service']) {
      const histogram = reader.nextIntervalHistogram();
      assert.ok(histogram !== null);
      assert.equal(histogram.tag, tag);
      assert.equal(histogram.totalCount, 100 * (second + 1));
      assert.equal(histogram.startTimeStampMsec, startMs + second * 1000);
      assert.equal(histogram.endTimeStampMsec, startMs + second * 1000 + 1000);
      const median = histogram.getValueAtPercentile(50);
      assert.ok(Math.abs(median - 500 * (second + 1)) <= 0.001 * median + 10, `${median}`);
    }
  }
  assert.equal(reader.nextIntervalHistogram(), null);
});

test('an interval without samples is a line too', () => {
  const text = histogramLogHead(0, 'wsar') + histogramLogLine('lateness', 4, 1, createHistogram());
  const histogram = new HistogramLogReader(text).nextIntervalHistogram();
  assert.equal(histogram?.totalCount, 0);
});
