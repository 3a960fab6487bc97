import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ExpositionReader, labelsOf, type Sample } from '#collector/runtime/exposition.ts';

function read(...pieces: string[]): { samples: Sample[]; malformed: number } {
  const samples: Sample[] = [];
  const reader = new ExpositionReader((sample) => samples.push(sample));
  reader.start();
  for (const piece of pieces) reader.push(piece);
  reader.end();
  return { samples, malformed: reader.malformed };
}

const PAGE = [
  '# HELP http_requests_total The total number of HTTP requests.',
  '# TYPE http_requests_total counter',
  'http_requests_total{method="post",code="200"} 1027 1395066363000',
  'http_requests_total{method="post",code="400"}    3',
  '# TYPE odd gauge',
  'msdos_file_access{path="C:\\\\DIR\\\\} 5",error="cannot find:\\n\\"FILE.TXT\\""} 1.458255915e9',
  'metric_without_timestamp_and_labels 12.47',
  'something_weird{problem="division by zero"} +Inf -3982045',
  'not_a_number NaN',
  '# TYPE latency histogram',
  'latency_bucket{le="0.05"} 24054 # {trace_id="KOO5S4vxi0o"} 0.67',
  'latency_bucket{le="+Inf"} 144320',
  'latency_sum 53423',
  'latency_count 144320',
  '# TYPE foo counter',
  'foo_total 17.0 1520879607.789 # {a="b"} 1 1520879607.789',
  'foo_created 1520430000.123',
  '# TYPE rpc summary',
  'rpc{quantile="0.5"} 4773',
  'rpc_count 2693',
  'jobs_count 5',
  '# EOF',
  '',
].join('\n');

test('both formats: names, labels, values, time stamps, exemplars, and what grows', () => {
  const { samples, malformed } = read(PAGE);
  assert.equal(malformed, 0);
  const found = samples.map(
    ({ key, value, isCounter }) => `${isCounter ? 'counter' : 'gauge'} ${key} ${value}`,
  );
  assert.deepEqual(found, [
    'counter http_requests_total{method="post",code="200"} 1027',
    'counter http_requests_total{method="post",code="400"} 3',
    'gauge msdos_file_access{path="C:\\\\DIR\\\\} 5",error="cannot find:\\n\\"FILE.TXT\\""} 1458255915',
    'gauge metric_without_timestamp_and_labels 12.47',
    'counter latency_bucket{le="0.05"} 24054',
    'counter latency_bucket{le="+Inf"} 144320',
    'counter latency_sum 53423',
    'counter latency_count 144320',
    'counter foo_total 17',
    'gauge foo_created 1520430000.123',
    'gauge rpc{quantile="0.5"} 4773',
    'counter rpc_count 2693',
    'gauge jobs_count 5',
  ]);
});

test('pieces may end anywhere', () => {
  const whole = read(PAGE);
  for (let size = 1; size < 40; size++) {
    const pieces = Array.from({ length: Math.ceil(PAGE.length / size) }, (_, i) =>
      PAGE.slice(i * size, (i + 1) * size),
    );
    assert.deepEqual(read(...pieces), whole);
  }
  assert.deepEqual(read(PAGE.replaceAll('\n', '\r\n')), whole);
});

test('lines that are none are counted, not believed', () => {
  const wrong = [
    '1a 5',
    'a',
    'a{b="c} 5',
    'a b c d',
    'a{b="c"}',
    'a five',
    '{} 3',
    'a 0x10',
    '<html>',
  ];
  const { samples, malformed } = read(`${wrong.join('\n')}\ngood 1\n`);
  assert.deepEqual(
    samples.map(({ key }) => key),
    ['good'],
  );
  assert.equal(malformed, wrong.length);
  const long = read(`a{b="${'x'.repeat(100_000)}"} 1\ngood 1\n`);
  assert.deepEqual([long.samples.length, long.malformed], [2, 0]);
  const pieces = Array.from({ length: 20 }, () => 'y'.repeat(1000));
  const flood = read(...pieces, '\ngood 1\n');
  assert.deepEqual([flood.samples.map(({ key }) => key), flood.malformed], [['good'], 1]);
});

test('labels come out without escapes', () => {
  const key = read(PAGE).samples[2]!.key;
  assert.deepEqual(labelsOf(key), [
    ['path', 'C:\\DIR\\} 5'],
    ['error', 'cannot find:\n"FILE.TXT"'],
  ]);
  assert.deepEqual(labelsOf('plain'), []);
});

test('whatever comes, reading it neither throws nor takes long', (t) => {
  const seed = Date.now() % 2 ** 31;
  t.diagnostic(`seed ${seed}`);
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('a{b="', '"} 1\n', '\\', '\n', '# TYPE a counter\n', ' # {'),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      for (const { value } of read(...pieces).samples) assert.ok(Number.isFinite(value));
    }),
    { seed, numRuns: 300 },
  );
});
