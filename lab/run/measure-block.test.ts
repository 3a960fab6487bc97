import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExperiment } from '#lab/experiment/read-experiment.ts';
import { type MeasuredBlock, measureBlock } from '#lab/run/measure-block.ts';
import { hostRow, loadRow, START_MS, STEADY, serverRow } from '#lab/test/made-rows.ts';

const { experiment } = parseExperiment(
  `version: 1
name: x
question: q
load: { connections: 500, rate: 2000/s }
knob: { owner: server, name: write.flush, a: turn, b: immediate }
design: { pairs: 3 }
metrics: { primary: cpu.us_per_msg, guardrail: [latency.p99, enters.per_msg] }
`,
  'x.yaml',
);

const SECONDS = [10, 11, 12, 13, 14];

function block(changes: Partial<MeasuredBlock> = {}): MeasuredBlock {
  return {
    index: 0,
    pair: 0,
    variant: 'a',
    knobValue: 'turn',
    startWallMs: START_MS + 10_000,
    endWallMs: START_MS + 14_000,
    isRepeat: false,
    connections: 500,
    cpus: 2,
    rows: {
      server: SECONDS.map((second) => serverRow(second)),
      load: SECONDS.map((second) => loadRow(second)),
      host: SECONDS.map((second) => hostRow(second)),
    },
    foreignTurns: 0,
    spinOffRatio: 0.01,
    ...changes,
  };
}

const withRows = (rows: Partial<MeasuredBlock['rows']>): MeasuredBlock =>
  block({ rows: { ...block().rows, ...rows } });

const flaws = (measured: MeasuredBlock): string[] => measureBlock(measured, experiment).flaws;

test('known workload: 50 us a message, 2 enters, p99 of 800 us over 4 seconds', () => {
  const record = measureBlock(block(), experiment);
  assert.equal(record.values['cpu.us_per_msg'], 50);
  assert.equal(record.values['enters.per_msg'], 2);
  assert.equal(record.values['latency.p99'], 800);
  assert.equal(record.delivered, 8000);
  assert.equal(record.sent, 8000);
  assert.deepEqual(record.flaws, []);
  assert.deepEqual(Object.keys(record.histograms), ['latency', 'service', 'lateness']);
});

test('too few messages for a percentile: no value, and why', () => {
  const few = { ...STEADY, messagesPerS: 1000 };
  const record = measureBlock(withRows({ load: SECONDS.map((s) => loadRow(s, few)) }), experiment);
  assert.equal(record.values['latency.p99'], null);
  assert.equal(record.notEstimable['latency.p99'], '4000 messages in the block, p99 needs 5000');
});

test('each flaw by itself', () => {
  const load = (changes: object) => SECONDS.map((s) => loadRow(s, { ...STEADY, ...changes }));
  assert.deepEqual(flaws(withRows({ load: load({ latenessUs: 31_000 }) })), [
    'generator late, p99: 31 ms, at most 20 ms',
  ]);
  assert.deepEqual(flaws(withRows({ server: block().rows.server.toSpliced(2, 1) })), [
    'seconds without a row of server or generator: 1 s, at most 0 s',
  ]);
  assert.deepEqual(flaws(withRows({ host: SECONDS.map((s) => hostRow(s, 0.05)) })), [
    'CPU taken by the hypervisor: 5 %, at most 2 %',
  ]);
  assert.deepEqual(flaws(withRows({ host: SECONDS.map((s) => hostRow(s, 0, 3)) })), [
    'packets dropped by the kernel: 12, at most 0',
  ]);
  // Server 50 ms/s x 2 and generator 30 ms/s x 2 of two processors are 8 %; the rest is somebody else's.
  assert.deepEqual(flaws(withRows({ host: SECONDS.map((s) => hostRow(s, 0, 0, 0.4)) })), [
    'CPU taken by other programs: 32 %, at most 25 %',
  ]);
  assert.deepEqual(flaws(block({ spinOffRatio: 0.3 })), [
    'fixed calculation off its usual time: 30 %, at most 10 %',
  ]);
  assert.deepEqual(flaws(block({ foreignTurns: 1 })), [
    'knob turned by somebody else: 1, at most 0',
  ]);
  assert.deepEqual(flaws(block({ connections: 510 })), ['users not logged in: 10, at most 0']);
  const short = block().rows.load.map((row) => ({
    ...row,
    values: {
      ...row.values,
      'wsar.load.messages.planned': row.values['wsar.load.messages.sent']! * 1.1,
    },
  }));
  assert.match(flaws(withRows({ load: short }))[0]!, /^messages not sent as planned: 9\.09 %/);
});

test('what the host does not tell is no flaw, and is recorded as unknown', () => {
  const record = measureBlock({ ...withRows({ host: [] }), spinOffRatio: null }, experiment);
  assert.deepEqual(record.flaws, []);
  assert.deepEqual(
    [record.checks['steal'], record.checks['softnet'], record.checks['spin']],
    [null, null, null],
  );
});

test('a server that was restarted, or rows that never came, give no value and no nonsense', () => {
  const restarted = [...SECONDS.slice(0, 4).map((s) => serverRow(s)), serverRow(1)];
  const record = measureBlock(withRows({ server: restarted }), experiment);
  assert.equal(record.values['cpu.us_per_msg'], null);
  const empty = measureBlock(withRows({ server: [], load: [] }), experiment);
  assert.deepEqual(Object.values(empty.values), [null, null, null]);
  assert.match(empty.flaws[0]!, /seconds without a row of server or generator: 5 s/);
});
