import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHistogram } from '#core/metric/histogram.ts';
import type { Row } from '#core/metric/row.ts';
import { holdFigures, loginFigures } from '#lab/ladder/step-figures.ts';

const row = (second: number, values: Row['values'], histograms?: Row['histograms']): Row => ({
  wallMs: 1_000_000 + second * 1000,
  tick: second,
  missedTicks: 0,
  intervalUs: 1_000_000,
  values,
  ...(histograms === undefined ? {} : { histograms }),
});

test('logins a second from whole seconds of logging in, CPU of one from all of them', () => {
  const loggedIn = [0, 4000, 24_000, 44_000, 64_000, 70_000];
  const load = loggedIn.map((count, second) =>
    row(second, { 'wsar.load.connections.logged_in': count, 'wsar.load.cpu_us': second * 280_000 }),
  );
  const server = loggedIn.map((_, second) =>
    row(second, { 'wsar.server.cpu_us': second * 700_000 }),
  );
  const figures = loginFigures({ server, load, host: [] }, 70_000);
  assert.deepEqual(figures, {
    loginsPerS: 20_000,
    loginSlices: [],
    serverCpuUsPerLogin: 50,
    loadCpuUsPerLogin: 20,
  });
});

test('every 100,000 logins: their time by the rows around them', () => {
  const load = [0, 50_000, 150_000, 200_000, 225_000, 310_000].map((count, second) =>
    row(second, { 'wsar.load.connections.logged_in': count }),
  );
  const { loginSlices } = loginFigures({ server: [], load, host: [] }, 310_000);
  assert.deepEqual(
    loginSlices.map(({ users, seconds }) => [users, Number(seconds.toFixed(2))]),
    [
      [100_000, 1.5],
      [200_000, 1.5],
      [300_000, 1.88],
    ],
  );
});

test('too few seconds of logging in have no rate, one row of it no CPU', () => {
  const load = [0, 500, 1000].map((count, second) =>
    row(second, { 'wsar.load.connections.logged_in': count }),
  );
  assert.equal(loginFigures({ server: [], load, host: [] }, 1000).loginsPerS, null);
  const values = { 'wsar.load.connections.logged_in': 1000, 'wsar.load.cpu_us': 7 };
  const figures = loginFigures({ server: [], load: [row(0, values)], host: [] }, 1000);
  assert.equal(figures.loadCpuUsPerLogin, null);
});

test('figures of the hold: rates over its seconds, percentiles of merged histograms', () => {
  const histogram = (us: number): string => {
    const made = createHistogram();
    made.record(us);
    return made.encode();
  };
  const seconds = [0, 1, 2];
  const server = seconds.map((second) =>
    row(second, {
      'wsar.server.messages.delivered': second * 100,
      'wsar.server.cpu_us': second * 2000,
      'wsar.server.queue.length': 7 - second,
    }),
  );
  const load = seconds.map((second) =>
    row(
      second,
      { 'wsar.load.messages.sent': second * 101, 'wsar.load.cpu_us': second * 700 },
      // The first row stands for the second before.
      { latency: histogram(second === 0 ? 900_000 : second * 1000) },
    ),
  );
  const figures = holdFigures({ server, load, host: [] });
  assert.equal(figures.deliveredPerS, 100);
  assert.equal(figures.sentPerS, 101);
  assert.equal(figures.serverCpuUsPerMessage, 20);
  assert.equal(figures.loadCpuUsPerMessage, 7);
  assert.equal(figures.queueLengthMax, 7);
  assert.equal(figures.latencyUs.max, 2000);
  assert.equal(figures.latenessUsP99, null);
});

test('without rows every figure is null, never zero', () => {
  const { latencyUs, ...figures } = holdFigures({ server: [], load: [], host: [] });
  const all = [...Object.values(figures), ...Object.values(latencyUs)];
  assert.ok(all.length >= 10);
  assert.deepEqual([...new Set(all)], [null]);
});
