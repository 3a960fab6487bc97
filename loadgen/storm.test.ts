import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { isCutOff, parseReturn, parseStorm, returnDelayMs } from '#loadgen/storm.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startWsar } from '#test/command.ts';
import { startLoad, summaryOf, UNHURRIED } from '#test/running-load.ts';

const USERS = 20_000;

test('a storm cuts its share off, the same users with the same seed, others the next time', () => {
  const cut = (seed: number, storm: number): number[] =>
    Array.from({ length: USERS }, (_, user) => user).filter((user) =>
      isCutOff(seed, storm, user, 0.3),
    );
  assert.deepEqual(cut(1, 0), cut(1, 0));
  const [first, second] = [cut(1, 0), new Set(cut(1, 1))];
  assert.ok(Math.abs(first.length / USERS - 0.3) < 0.02);
  const both = first.filter((user) => second.has(user)).length;
  assert.ok(Math.abs(both / USERS - 0.09) < 0.02, 'independent');
});

test('a country goes as a whole, and comes back; one that nobody lives in is refused', async (t) => {
  const broker = await startFakeBroker(t);
  const load = (country: string) =>
    startWsar(t, [
      ...['load', '--target', broker.url, '--json', '--lateness-max', '60s', '--engine', 'net'],
      ...['--connections', '100', '--rate', '20/s', '--duration', '4s', '--receipts', 'none'],
      ...['--storm', `country ${country}@500ms`, '--return', 'fixed:200ms', '--media', '0%'],
    ]);
  const run = load('br');
  await run.exit();
  const summary = summaryOf(run);
  // India has the users 0 to 19, Brazil the next 13.
  assert.equal(summary.storms![0]!.cutOff, 13);
  assert.equal(summary.storms![0]!.share, 0.13);
  assert.equal(summary.connections.loggedIn, 100);
  const none = load('XX');
  assert.equal(await none.exit(), 2);
  assert.match(none.stderr(), /nobody of this population lives in XX.*take IN, BR, DE/);
});

test('three ways to come back', () => {
  const delays = (policy: string, failures: number): number[] =>
    Array.from({ length: USERS }, (_, user) =>
      returnDelayMs(parseReturn(policy), 7, user, failures),
    );
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  assert.deepEqual(new Set(delays('fixed:500ms', 3)), new Set([500]));
  for (const [failures, most] of [
    [0, 1000],
    [3, 8000],
    [20, 60_000],
  ] as const) {
    const values = delays('backoff:1s', failures);
    assert.ok(Math.max(...values) <= most + 1 && Math.min(...values) > 0);
    assert.ok(Math.abs(mean(values) / (most / 2) - 1) < 0.05, `${mean(values)} of ${most}`);
  }
  // Beta(3,4): mean 3/7, and 2.07 times the even density at its peak.
  const beta = delays('beta:60s', 0).map((ms) => ms / 60_000);
  assert.ok(Math.abs(mean(beta) - 3 / 7) < 0.01);
  const atPeak = beta.filter((x) => x > 0.38 && x < 0.42).length / USERS / 0.04;
  assert.ok(Math.abs(atPeak - 2.07) < 0.15, `${atPeak}`);
});

test('what is no storm and no way back is refused', () => {
  for (const text of ['', '50%', '@5s', '0%@5s', '100%@5s', '50@5s', '50%@5s@6s']) {
    assert.throws(() => parseStorm(text), WsarError, text);
  }
  for (const text of ['', 'fixed', 'slow:5s', 'beta:0s', 'backoff:5']) {
    assert.throws(() => parseReturn(text), WsarError, text);
  }
});

for (const policy of ['fixed:200ms', 'backoff:300ms', 'beta:1s']) {
  test(`half of the users are cut off and come back by ${policy}`, async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, [
      ...UNHURRIED,
      ...['--engine', 'net'],
      ...['--connections', '200', '--rate', '100/s', '--duration', '5s', '--workers', '2'],
      ...['--storm', '50%@1s', '--return', policy],
    ]);
    assert.equal(await run.exit(), 0, run.stderr());
    const { connections, storms } = summaryOf(run);
    const [storm] = storms!;
    const expected = Array.from({ length: 200 }, (_, user) => user).filter((user) =>
      isCutOff(1, 0, user, 0.5),
    ).length;
    assert.deepEqual([storm!.cutOff, connections.cutOff], [expected, expected]);
    assert.deepEqual(
      [connections.loggedIn, connections.lost, connections.reconnects],
      [200, 0, expected],
    );
    assert.ok(storm!.recoveredS! > 0 && storm!.recoveredS! < 4, `${storm!.recoveredS}`);
  });
}
