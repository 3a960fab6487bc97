import assert from 'node:assert/strict';
import test from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { awayMsOf, restMsOf, sessionMsOf } from '#loadgen/session-clock.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { startWsar } from '#test/command.ts';

/** The distribution function of the normal distribution (Abramowitz and Stegun, 7.1.26). */
function normalBelow(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-x * x);
  return (1 + (z < 0 ? -erf : erf)) / 2;
}

/** Kolmogorov-Smirnov distance, against one that a true sample exceeds once in 10,000. */
function assertFits(sample: number[], below: (x: number) => number, what: string): void {
  const sorted = [...sample].sort((a, b) => a - b);
  const n = sorted.length;
  const far = sorted.reduce(
    (worst, x, i) => Math.max(worst, Math.abs(below(x) - (i + 0.5) / n)),
    0,
  );
  assert.ok(far < Math.sqrt(-Math.log(0.0001 / 2) / (2 * n)) + 0.5 / n, `${what}: ${far}`);
}

test('sessions are log-normal, times away exponential, each user and session for itself', () => {
  const plan = { sessionMs: 640_000, awayMs: 50_000 };
  for (const seed of [1, 42]) {
    const users = Array.from({ length: 20_000 }, (_, user) => user);
    const lengths = users.map((user) => sessionMsOf(plan, seed, user, user % 5));
    assertFits(lengths, (ms) => normalBelow(Math.log(ms / 640_000) + 0.5), `seed ${seed}`);
    const mean = lengths.reduce((sum, ms) => sum + ms, 0) / lengths.length;
    assert.ok(Math.abs(mean / 640_000 - 1) < 0.06, `${mean}`);
    const away = users.map((user) => awayMsOf(plan, seed, user, user % 5));
    assertFits(away, (ms) => 1 - Math.exp(-ms / 50_000), `away, seed ${seed}`);
  }
  assert.notEqual(sessionMsOf(plan, 1, 7, 0), sessionMsOf(plan, 1, 7, 1));
});

test('as many sessions end in the first tenth of a mean as in any other: by Little, users over mean', () => {
  const plan = { sessionMs: 640_000, awayMs: 2000 };
  const users = 50_000;
  for (const seed of [1, 42]) {
    const ends = new Float64Array(10);
    for (let user = 0; user < users; user++) {
      let endMs = restMsOf(plan, seed, user);
      for (let session = 1; endMs < plan.sessionMs; session++) {
        ends[Math.floor((endMs / plan.sessionMs) * 10)]!++;
        endMs += sessionMsOf(plan, seed, user, session);
      }
    }
    for (const count of ends) {
      assert.ok(Math.abs(count / (users / 10) - 1) < 0.06, `seed ${seed}: ${ends}`);
    }
  }
});

test('users come and go under load: logins by Little, nobody lost, and nobody missing at the end', async (t) => {
  const server = startWsar(t, ['serve', '--port', '0', '--lab', '--json']);
  const [, url] = await server.line(/^ready (mqtt:\S+)$/m);
  const run = startWsar(t, [
    ...[
      'load',
      '--scenario',
      'one-to-one',
      '--target',
      url!,
      '--json',
      '--lateness-max',
      '60s',
      '--connections',
      '200',
    ],
    ...['--rate', '50/s', '--duration', '5s', '--session-length', '2s', '--away', '200ms'],
    ...['--receipts', 'off', '--storm', 'block 4@1s'],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  const { reconnects, lost, cutOff } = summary.connections;
  // 200 users, 2.2 s a round: 90 a second, and the first sessions are rests.
  assert.ok(reconnects > 200 && reconnects < 900, `${reconnects} logins`);
  assert.equal(lost, 0, 'who says goodbye is not lost');
  assert.ok(cutOff >= 4 && cutOff <= 7, `a thirtieth of those who are in: ${cutOff}`);
  assert.ok(summary.messages.received >= summary.messages.sent * 0.9);
});

test('a long ramp does not let everybody leave at once: sessions begin with the steady phase', async (t) => {
  const broker = await startFakeBroker(t);
  const run = startWsar(t, [
    ...['load', '--scenario', 'one-to-one', '--target', broker.url, '--json', '--engine', 'net'],
    ...['--connections', '120', '--ramp', '30/s', '--session-length', '20s', '--away', '100ms'],
    ...['--duration', '2s', '--lateness-max', '60s'],
  ]);
  assert.equal(await run.exit(), 0, run.stderr());
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  assert.ok(summary.rampS > 3.5, `${summary.rampS}`);
  // 120 users, 20 s: twelve in two seconds. With the ramp of four seconds it was twice as many.
  const { reconnects } = summary.connections;
  assert.ok(reconnects >= 3 && reconnects <= 19, `${reconnects} logins after a session`);
});
