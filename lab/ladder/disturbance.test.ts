import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Row } from '#core/metric/row.ts';
import { disturbedAtMs, parseFreeze, recoveryOf } from '#lab/ladder/disturbance.ts';

const USERS = 1000;
/** Seconds of a hold: how many are in, p99 in ms, queued; 100 messages a second. */
function hold(seconds: [loggedIn: number, p99Ms: number, queued: number][]) {
  const row = (index: number, values: Row['values']): Row => ({
    wallMs: 1_000_000 + index * 1000,
    tick: index,
    missedTicks: 0,
    intervalUs: 1_000_000,
    values,
  });
  return {
    load: seconds.map(([loggedIn, p99Ms], index) =>
      row(index, {
        'wsar.load.connections.logged_in': loggedIn,
        'wsar.load.latency_us.p99': p99Ms * 1000,
        'wsar.load.messages.sent': index * 100,
      }),
    ),
    server: seconds.map(([, , queued], index) =>
      row(index, { 'wsar.server.queue.length': queued }),
    ),
  };
}
const CALM: [number, number, number] = [USERS, 20, 3];
const AT_MS = 1_002_000;

test('over it when users, latency and queue are as before for three seconds', () => {
  const rows = hold([
    ...[CALM, CALM, CALM],
    ...([[900, 20, 3], [USERS, 900, 3], [USERS, 30, 500], CALM, CALM] as (typeof CALM)[]),
    // Once more, so that the calm before it does not count.
    ...([[USERS, 999, 3], CALM, CALM, CALM] as (typeof CALM)[]),
  ]);
  assert.deepEqual(recoveryOf(rows, AT_MS, USERS), {
    p99UsBefore: 20_000,
    p99UsWorst: 999_000,
    loggedInLeast: 900,
    sentPerSMost: 100,
    queuedBefore: 3,
    queuedWorst: 500,
    recoveredS: 7,
  });
});

test('what was not seen to be as before is not over it', () => {
  assert.equal(recoveryOf(hold([CALM, CALM, CALM, CALM, CALM]), AT_MS, USERS).recoveredS, null);
  const missing = hold([CALM, CALM, CALM, [980, 20, 3], [980, 20, 3], [980, 20, 3], [980, 20, 3]]);
  assert.equal(recoveryOf(missing, AT_MS, USERS).recoveredS, null);
  const { recoveredS, p99UsWorst } = recoveryOf({ load: [], server: [] }, AT_MS, USERS);
  assert.deepEqual([recoveredS, p99UsWorst], [null, null]);
});

test('a second in which the server did not tell is none', () => {
  const rows = hold([CALM, CALM, CALM, [USERS, 5000, 99], CALM, CALM, CALM]);
  rows.server.splice(3, 1);
  assert.equal(recoveryOf(rows, AT_MS, USERS).recoveredS, 2);
});

test('when it begins, and what a freeze may be', () => {
  const nothing = { storm: '', returnPolicy: '', spike: '', freeze: '' };
  assert.equal(disturbedAtMs(nothing), undefined);
  assert.equal(disturbedAtMs({ ...nothing, storm: '10%@20s', freeze: '3s@15s' }), 15_000);
  assert.equal(disturbedAtMs({ ...nothing, spike: '35%@4s/1s/1s' }), 4000);
  assert.deepEqual(parseFreeze('3s@20s'), { forMs: 3000, atMs: 20_000, of: 'process' });
  assert.deepEqual(parseFreeze('3s@20s/worker'), { forMs: 3000, atMs: 20_000, of: 'worker' });
  for (const wrong of ['3s', '3@20s', '31s@20s', '0s@1s', '1s@2s@3s', '1s@2s/moon']) {
    assert.throws(() => parseFreeze(wrong), /freeze|stand still|unit|'3'|3/);
  }
});
