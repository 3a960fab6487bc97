import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { WsarError } from '#core/errors.ts';
import {
  createHistogram,
  decodeHistogram,
  HISTOGRAM_US_MAX,
  type Histogram,
} from '#core/metric/histogram.ts';

/** Times spread over all magnitudes, so that every bucket width is met. */
const times = fc
  .double({ min: 0, max: Math.log10(HISTOGRAM_US_MAX), noNaN: true })
  .map((power) => Math.min(HISTOGRAM_US_MAX, Math.max(1, Math.round(10 ** power))));
const samples = fc.array(times, { minLength: 1, maxLength: 400 });
const percents = fc.oneof(
  fc.constantFrom(0, 50, 90, 99, 99.9, 100),
  fc.double({ min: 0, max: 100, noNaN: true }),
);

function filled(values: number[]): Histogram {
  const histogram = createHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** Second method: the same order statistic from a sorted list. */
function percentileOfSorted(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  // The tolerance keeps (p / 100) * n from stepping over an index by one rounding error.
  const rank = Math.ceil((p / 100) * sorted.length * (1 - 1e-15));
  return sorted[Math.max(0, rank - 1)]!;
}

/** Same counters; the ends of a histogram read from text are those of their bucket. */
function assertSame(a: Histogram, b: Histogram): void {
  assert.equal(a.count, b.count);
  for (const p of [0, 1, 25, 50, 90, 99, 99.9, 100]) {
    const [left, right] = [a.percentile(p), b.percentile(p)];
    assert.ok(Math.abs(left - right) <= right / 1000, `p${p}: ${left} against ${right}`);
  }
  assert.equal(a.encode(), b.encode());
}

test('a percentile is within 3 significant digits of the sorted list', () => {
  fc.assert(
    fc.property(samples, percents, (values, p) => {
      const exact = percentileOfSorted(values, p);
      const told = filled(values).percentile(p);
      assert.ok(Math.abs(told - exact) <= exact / 1000, `p${p}: ${told} against ${exact}`);
    }),
  );
});

test('count, min and max are exact; the mean is within 3 digits', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const histogram = filled(values);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      assert.equal(histogram.count, values.length);
      assert.equal(histogram.max, Math.max(...values));
      assert.equal(histogram.min, Math.min(...values));
      assert.ok(Math.abs(histogram.mean - mean) <= mean / 1000);
    }),
  );
});

test('merging equals recording everything in one, as object, as counts and as text', () => {
  fc.assert(
    fc.property(samples, samples, (left, right) => {
      const union = filled([...left, ...right]);
      const merged = filled(left);
      merged.merge(filled(right));
      assertSame(merged, union);
      const source = filled(right);
      const fromCounts = filled(left);
      fromCounts.merge(structuredClone(source.take()));
      assertSame(fromCounts, union);
      assert.deepEqual([fromCounts.min, fromCounts.max], [union.min, union.max]);
      assert.equal(source.count, 0, 'what was taken is gone');
      const fromText = filled(left);
      fromText.merge(filled(right).encode());
      assertSame(fromText, union);
    }),
  );
});

test('encode and decode give the same histogram', () => {
  fc.assert(
    fc.property(samples, (values) => {
      const text = filled(values).encode();
      assert.match(text, /^HIST/);
      assertSame(decodeHistogram(text), filled(values));
    }),
  );
});

test('an empty histogram says NaN, encodes, and merges as nothing', () => {
  const empty = createHistogram();
  assert.deepEqual([empty.count, empty.max, empty.min, empty.mean], [0, NaN, NaN, NaN]);
  assert.equal(empty.percentile(99), Number.NaN);
  assert.equal(JSON.stringify({ p99: empty.percentile(99) }), '{"p99":null}');
  assert.equal(decodeHistogram(empty.encode()).count, 0);
  const one = filled([7]);
  one.merge(empty);
  one.merge(empty.encode());
  one.merge(empty.take());
  assert.deepEqual([one.count, one.min, one.max], [1, 7, 7]);
});

test('times outside 1 us .. 1 h count at the ends, the long ones visibly', () => {
  const histogram = filled([0, 0.2, HISTOGRAM_US_MAX * 5, Infinity]);
  assert.deepEqual([histogram.min, histogram.max], [1, HISTOGRAM_US_MAX]);
  assert.deepEqual([histogram.count, histogram.clamped], [4, 2]);
  assert.equal(decodeHistogram(histogram.encode()).max, HISTOGRAM_US_MAX);
  assert.throws(() => histogram.record(-1), /not negative/);
  assert.throws(() => histogram.record(Number.NaN), /not negative/);
});

test('reset forgets everything', () => {
  const histogram = filled([5, 5e9]);
  histogram.reset();
  assert.deepEqual([histogram.count, histogram.clamped], [0, 0]);
  assert.equal(histogram.encode(), createHistogram().encode());
});

test('foreign and damaged texts are refused with a sentence', () => {
  const text = filled([1, 10, 100, 1000]).encode();
  for (const bad of ['', 'HIST', '{"p50":1}', text.slice(0, -8), `A${text.slice(1)}`]) {
    assert.throws(
      () => createHistogram().merge(bad),
      (error) => error instanceof WsarError && error.code === 'WSAR_ERR_FILE',
    );
  }
});

test('recording allocates nothing', () => {
  const histogram = createHistogram();
  // Fractions of a microsecond, as clocks give them, over every bucket up to 36 minutes.
  const values = Float64Array.from({ length: 200_000 }, (_, i) => 1.5 ** (i % 53) + i / 7);
  const grown = (): number => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < values.length; i++) histogram.record(values[i]!);
    return process.memoryUsage().heapUsed - before;
  };
  for (let round = 0; round < 5; round++) grown();
  // The compiler may still allocate in some rounds; boxing one number a record would show in all.
  const growth = [0, 1, 2, 3, 4].map(() => Math.abs(grown()));
  assert.ok(Math.min(...growth) < values.length / 4, `bytes in 200,000 records: ${growth}`);
});
