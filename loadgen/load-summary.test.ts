import assert from 'node:assert/strict';
import test from 'node:test';
import type { Tick } from '#core/clock/ticker.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { progressLine } from '#loadgen/load-progress.ts';
import { LOAD_METRICS, loadRow } from '#loadgen/load-rows.ts';
import { type LoadResult, summarize } from '#loadgen/load-summary.ts';
import { readOptions } from '#loadgen/read-options.ts';
import { count, duration, summaryTable } from '#loadgen/summary-table.ts';
import { parseTarget } from '#loadgen/target.ts';
import { parseThreshold } from '#loadgen/threshold.ts';
import { BOARD, createBoard, sumBoards } from '#loadgen/worker-board.ts';

const OPTIONS = readOptions({
  target: parseTarget('mqtt://127.0.0.1:1883'),
  connections: 1000,
  duration: 10_000,
  rate: 500,
});

/** A run in which all went well, with changes. */
function resultOf(
  changes: Partial<LoadResult> = {},
  counts: Record<string, number> = {},
): LoadResult {
  const timings = createTimings();
  for (let i = 1; i <= 5000; i++) {
    timings.latency.record(i + 100);
    timings.service.record(i);
    timings.lateness.record(100);
  }
  const good = {
    attempted: 1000,
    connected: 1000,
    logins: 1000,
    loggedIn: 1000,
    ready: 1000,
    planned: 5000,
    sent: 5000,
    expected: 5000,
    acked: 5000,
    received: 5000,
    receipts: 5000,
  };
  return {
    options: OPTIONS,
    engine: 'net',
    end: 'complete',
    failure: undefined,
    counts: { ...sumBoards([createBoard()]), ...good, ...counts },
    timings,
    rampS: 0.5,
    steadyS: 10,
    sentInSteady: 5000,
    cutOnTheirWay: 0,
    ratePerS: 500,
    rampCpuUs: 1000,
    cpuUs: 50_000,
    userBytesPerConnection: 123.456,
    sourceAddresses: 1,
    little: { onTheWay: 1, expected: 1, agrees: true },
    sockets: { before: 10, during: 2010 },
    stack: undefined,
    ...changes,
  };
}

test('a good run is valid and its figures follow from the counts', () => {
  const summary = summarize(resultOf());
  assert.deepEqual([summary.valid, summary.invalidReasons, summary.messages.lost], [true, [], 0]);
  assert.deepEqual(
    [summary.rateAchievedPerS, summary.connectsPerS, summary.cpuUsPerMessage],
    [500, 2000, 10],
  );
  assert.deepEqual([summary.latencyUs.p50, summary.latencyUs.max], [2601, 5100]);
});

test('what still arrived when the drain had to end is lost, and told apart', () => {
  const { messages } = summarize(resultOf({ cutOnTheirWay: 7 }, { received: 4990 }));
  assert.deepEqual([messages.lost, messages.unfinished], [10, 7]);
  const { messages: later } = summarize(resultOf({ cutOnTheirWay: 70 }, { received: 4990 }));
  assert.deepEqual([later.lost, later.unfinished], [10, 10]);
});

test('the lateness rule: one message in a hundred over the limit is a saturated generator', () => {
  const late = resultOf();
  for (let i = 0; i < 49; i++) late.timings.lateness.record(10_001);
  assert.equal(summarize(late).valid, true);
  for (let i = 0; i < 20; i++) late.timings.lateness.record(12_000);
  const summary = summarize(late);
  assert.deepEqual([summary.valid, summary.saturated], [false, true]);
  assert.match(summary.invalidReasons[0]!, /left 10 ms or more after its time, 10 ms are allowed/);
});

test("connections that were given up below TLS are the generator's own doing", () => {
  const { saturated, invalidReasons } = summarize(resultOf({}, { tlsGivenUp: 3 }));
  assert.equal(saturated, true);
  assert.match(invalidReasons.join(), /^3 connections were given up: too much waited below TLS/);
});

test('messages that leave after the steady phase are no rate', () => {
  const summary = summarize(resultOf({ sentInSteady: 1000 }));
  assert.deepEqual([summary.rateAchievedPerS, summary.messages.sent], [100, 5000]);
});

test('flaws of the target are told and are not the fault of the generator', () => {
  const cases: [Partial<LoadResult>, Record<string, number>, RegExp][] = [
    [{}, { ready: 990 }, /^10 of 1000 users were not logged in at the end$/],
    [{}, { errors: 40, held: 20 }, /^60 of 5000 planned messages could not be sent$/],
    [{ cutOnTheirWay: 7 }, {}, /^7 messages were still on their way when the drain ended$/],
    [{ end: 'stopped' }, {}, /^it was stopped before its end$/],
    [{ end: 'failed', failure: 'it died' }, { ready: 0 }, /^it died$/],
  ];
  for (const [changes, counts, sentence] of cases) {
    const { valid, saturated, invalidReasons } = summarize(resultOf(changes, counts));
    assert.deepEqual([valid, saturated, invalidReasons.length], [false, false, 1]);
    assert.match(invalidReasons[0]!, sentence);
  }
  assert.equal(summarize(resultOf({}, { errors: 50 })).valid, true, 'one in a hundred is allowed');
});

test('lost messages are a result, not a flaw of the run', () => {
  const summary = summarize(resultOf({}, { received: 4000 }));
  assert.deepEqual([summary.messages.lost, summary.valid], [1000, true]);
});

test('a run without messages says "-" and null, never 0', () => {
  const summary = summarize(resultOf({ timings: createTimings() }, { planned: 0, sent: 0 }));
  const json = JSON.parse(JSON.stringify(summary));
  assert.deepEqual([json.latencyUs.p99, json.cpuUsPerMessage], [null, null]);
  assert.match(summaryTable(summary), /latency +- +-/);
});

test('check marks are of MQTT alone', () => {
  const summary = summarize(resultOf());
  assert.match(summaryTable(summary), /check marks +5,000 stored, 5,000 delivered/);
  assert.doesNotMatch(
    summaryTable({ ...summary, protocol: 'http 1.1 by autocannon' }),
    /check marks/,
  );
});

test('the table holds every figure with its unit', () => {
  const text = summaryTable(summarize(resultOf()));
  for (const part of [
    '1,000 of 1,000 logged in',
    '2,000 logins/s',
    '5,000 received',
    '500/s',
    '123 B/connection',
    '10.0 us/message',
    'valid          yes',
  ]) {
    assert.ok(text.includes(part), `${part} in:\n${text}`);
  }
});

test('times are printed with three digits and a unit', () => {
  assert.deepEqual(
    [Number.NaN, 7, 999, 1000, 12_345, 123_456, 2_000_000, 3_600_000_000].map(duration),
    ['-', '7 us', '999 us', '1.00 ms', '12.3 ms', '123 ms', '2.00 s', '3600 s'],
  );
  assert.equal(count(1_234_567.4), '1,234,567');
});

test('a row has every metric of the schema and no other; empty histograms are absent', () => {
  const board = createBoard();
  board[BOARD.sent] = 7;
  const tick: Tick = { index: 3, missedTicks: 1, wallMs: 5000, monoUs: 1, lateUs: 0 };
  const timings = createTimings();
  timings.latency.record(1234);
  const row = loadRow(tick, {
    target: 10,
    coverage: 1,
    counts: sumBoards([board, board]),
    timings,
    cpuUs: 5,
    intervalUs: 1_000_000,
  });
  assert.deepEqual(Object.keys(row.values).sort(), LOAD_METRICS.map(({ name }) => name).sort());
  assert.equal(row.values['wsar.load.messages.sent'], 14);
  assert.equal(row.values['wsar.load.latency_us.p99'], 1234);
  assert.equal(row.values['wsar.load.service_us.p99'], null);
  assert.deepEqual(Object.keys(row.histograms!), ['latency']);
  assert.deepEqual([row.tick, row.missedTicks, row.wallMs], [3, 1, 5000]);
});

test('progress says how long it will take', () => {
  const counts = { ...sumBoards([createBoard()]), ready: 200, loggedIn: 200 };
  const state = {
    counts,
    target: 1000,
    timings: createTimings(),
    ratePerS: 50,
    receivedPerS: 49.6,
    loginsPerS: 100,
    remainingS: 12.3,
    hosts: undefined,
  };
  assert.equal(
    progressLine({ ...state, phase: 'ramp' }),
    'ramp: 200 of 1,000 in, 100/s, 0 failed, 8 s to go',
  );
  assert.match(progressLine({ ...state, phase: 'ramp', loginsPerS: 0 }), /unknown time to go$/);
  const hosts = { alive: 29, total: 30 };
  assert.match(progressLine({ ...state, phase: 'steady', hosts }), / in on 29\/30 hosts, 50 of 50/);
  assert.match(progressLine({ ...state, phase: 'steady' }), /50 of 50 messages\/s.* 13 s to go$/);
});

test('witnesses that disagree are warnings, and a run near its ceiling is flagged', () => {
  const all = { by: 'lab', sessions: 1000, expected: 1000 } as const;
  const generator = { limitedBy: 'generator', protocol: 'mqtt 3.1.1' } as const;
  const ceiling = { ...generator, ratePerS: 5000, users: 100 };
  const calm = summarize(resultOf(), { socketsPerUser: 2, server: all, ceiling });
  assert.deepEqual([calm.warnings, calm.ceiling?.share], [[], 0.1]);
  const loud = summarize(
    resultOf({
      little: { onTheWay: 9, expected: 2, agrees: false },
      sockets: { before: 10, during: 1010 },
    }),
    {
      socketsPerUser: 2,
      server: { ...all, sessions: 900 },
      ceiling: { ...ceiling, ratePerS: 600 },
    },
  );
  assert.deepEqual(
    loud.warnings.map((warning) => warning.slice(0, 20)),
    [
      "Little's law does no",
      'the kernel counts 10',
      'the server counts 90',
      'this generator reach',
    ],
  );
  const fewer = resultOf({ sockets: { before: 30_000, during: 10 } });
  assert.match(
    summarize(fewer, { socketsPerUser: 2 }).warnings.join(),
    /counts 29990 TCP sockets less/,
  );
  assert.equal(loud.valid, true);
  assert.match(
    summaryTable(loud),
    /cross-checks +kernel 1,000 of 2,000 sockets, server 900 of 1,000/,
  );
  const none = summarize(resultOf(), { socketsPerUser: 2, ceiling: { ...ceiling, ratePerS: 0 } });
  assert.equal(none.ceiling?.share, null);
  assert.match(none.warnings.join(), /keeps no rate on time here/);
});

test('thresholds: failed, held, and not to be told from so few samples', () => {
  const failIf = ['p50 > 2ms', 'messages.lost > 0', 'p99.99 > 1s'].map(parseThreshold);
  const summary = summarize(resultOf({ options: { ...OPTIONS, failIf } }));
  assert.deepEqual(
    summary.thresholds.map(({ failed }) => failed),
    [true, false, null],
  );
  assert.deepEqual(summary.invalidReasons, ["too few samples to judge 'p99.99 > 1s'"]);
});

test('a search is valid beyond what the target takes, and not when the generator ended it', () => {
  const step = { ratePerS: 100, value: 1, verdict: 'held' } as const;
  const search = { ratePerS: 100, limitedBy: 'rule' } as const;
  const lost = resultOf({}, { errors: 4000, planned: 9000 });
  const known = { socketsPerUser: 0, search: { ...search, steps: [step] } };
  assert.equal(summarize(lost, known).valid, true);
  const untried = { ...known, search: { ...search, limitedBy: 'time' as const, steps: [] } };
  const reason = 'too few seconds to judge one rate of the search';
  assert.deepEqual(summarize(resultOf({}), untried).invalidReasons, [reason]);
  assert.equal(summarize(lost).valid, false);
  const ended = { ...known, search: { ...known.search, limitedBy: 'generator' as const } };
  assert.equal(summarize(lost, ended).saturated, true);
});
