// Closed and partly open models against a real server, and the draws that they rest on.

import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { FlightTable } from '#loadgen/flight-table.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { LiveSettings } from '#loadgen/live-settings.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import { RunControl } from '#loadgen/run-control.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { UserLoop } from '#loadgen/user-loop.ts';
import { readModel, sessionLength, thinkMsOf } from '#loadgen/user-model.ts';
import { UserPackets } from '#loadgen/user-packets.ts';
import { USER, UserTable } from '#loadgen/user-table.ts';
import { createBoard } from '#loadgen/worker-board.ts';
import { startWsar } from '#test/command.ts';

async function load(
  t: TestContext,
  ...more: string[]
): Promise<{ summary: LoadSummary; exit: number | undefined }> {
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
      '--receipts',
      'off',
    ],
    ...more,
  ]);
  const exit = await run.exit();
  const summary = JSON.parse(run.stdout().trimEnd().split('\n').at(-1)!) as LoadSummary;
  return { summary, exit };
}

test('thoughts are exponential, sessions geometric, with the means that were asked for', () => {
  const model = { kind: 'partly-open', thinkMs: 400, sessionMessages: 7 } as const;
  const n = 20_000;
  for (const seed of [1, 77]) {
    const thoughts = Array.from({ length: n }, (_, i) => thinkMsOf(model, seed, i));
    // Kolmogorov-Smirnov, and a distance that a true sample exceeds once in 10,000.
    const sorted = thoughts.sort((a, b) => a - b);
    const far = sorted.reduce((worst, ms, i) => {
      // Thoughts below 1 ms are 1 ms.
      if (ms === 1) return worst;
      return Math.max(worst, Math.abs(1 - Math.exp(-ms / 400) - i / n));
    }, 0);
    assert.ok(far < Math.sqrt(-Math.log(0.0001 / 2) / (2 * n)) + 1 / n, `${far}`);
    const lengths = Array.from({ length: n }, (_, i) => sessionLength(model, seed, i));
    const mean = lengths.reduce((sum, length) => sum + length, 0) / n;
    // The standard deviation of a geometric length is about its mean.
    assert.ok(Math.abs(mean - 7) < (5 * Math.sqrt(42)) / Math.sqrt(n), `${mean}`);
    const ones = lengths.filter((length) => length === 1).length;
    assert.ok(Math.abs(ones - n / 7) < 5 * Math.sqrt(n / 7), `${ones}`);
  }
  assert.equal(sessionLength({ ...model, sessionMessages: 1 }, 1, 5), 1);
});

test('what does not fit a model is refused in one sentence', () => {
  for (const [given, sentence] of [
    [{ model: 'closed', rate: 10 }, /--rate does not fit --model closed/],
    [{ model: 'closed', findMax: {} }, /--find-max does not fit/],
    [{ think: 100 }, /--think does not fit --model open/],
    [{ model: 'closed', sessionMessages: 3 }, /--session-messages does not fit/],
    [{ model: 'partly-open' }, /does not fit --model partly-open/],
    [{ model: 'partly-open', rate: 5, storm: [] }, /--storm does not fit/],
  ] as const) {
    assert.throws(
      () => readModel(given),
      (error: unknown) => error instanceof WsarError && sentence.test(error.message),
    );
  }
});

test('a session whose last message arrives while its user is cut off ends when he is back', () => {
  const clock = new VirtualClock();
  const users = new UserTable(0, 1, 1, 0);
  users.bind(0, 0);
  users.state[0] = USER.away;
  const control = new RunControl();
  control.endUs = 60e6;
  const schedule = new PlanChanges();
  schedule.rate.append(0, 1);
  // No other session begins.
  schedule.rate.append(1e6 + 1, 0);
  const sent: number[] = [];
  const left: number[] = [];
  const loop = new UserLoop({
    ...{ clock, users, control, schedule, board: createBoard(), timings: createTimings() },
    reactor: { send: () => sent.push(0) > 0 } as unknown as ClientReactor,
    present: new Uint8Array(1),
    packets: new UserPackets({
      ...{ level: 4, keepAliveS: 60, isCleanSession: true, receipts: false },
      ...{ payloadBytes: 64, run: 1, uidOffset: 0 },
    }),
    plan: { seed: 1, process: 'constant', users: 1 },
    live: new LiveSettings({
      ...{ slowPercent: 0, slowBytesPerS: 1024, pingS: 60, payloadBytes: 64 },
      ...{ mediaPercent: 0, downBlock: 0 },
    }),
    flights: new FlightTable(65_536),
    model: { kind: 'partly-open', thinkMs: 1, sessionMessages: 1 },
    worker: { index: 0, count: 1 },
    enter: (user) => {
      users.state[user] = USER.ready;
      loop.ready(user);
    },
    leave: (user) => {
      if (users.state[user] === USER.ready) left.push(user);
    },
  });
  clock.advance(1000);
  loop.turn(clock.monoUs());
  assert.deepEqual([sent, left], [[0], []]);
  users.state[0] = USER.waiting;
  loop.arrived(0, 0);
  assert.deepEqual(left, []);
  users.state[0] = USER.ready;
  loop.ready(0);
  assert.deepEqual([sent, left], [[0], [0]]);
});

suite('users who write in turns', { concurrency: 2 }, () => {
  test('closed: as many messages as think time allows, each after the one before, and a warning', async (t) => {
    const { summary, exit } = await load(
      t,
      ...['--model', 'closed', '--connections', '40', '--think', '200ms', '--duration', '4s'],
      ...['--workers', '2'],
    );
    assert.deepEqual([exit, summary.model, summary.connections.loggedIn], [0, 'closed', 40]);
    const { sent, received, errors, lost } = summary.messages;
    assert.deepEqual([received, lost, errors], [sent, 0, 0]);
    // N users make at most N / think a second, and less by what the server takes (Little).
    const service = summary.serviceUs.mean! / 1e6;
    const expected = (40 * 4) / (0.2 + service);
    assert.ok(sent < expected * 1.3 + 40, `${sent} of ${expected}`);
    assert.ok(sent > expected * 0.5, `${sent} of ${expected}`);
    assert.deepEqual(summary.latencyUs, summary.serviceUs, 'users wait with the server');
    assert.match(summary.warnings.join('\n'), /latency is service time/);
  });

  test('partly open: sessions arrive by plan, write some messages, and leave', async (t) => {
    const { summary, exit } = await load(
      t,
      ...['--model', 'partly-open', '--connections', '200', '--rate', '120/s', '--think', '50ms'],
      ...['--session-messages', '4', '--duration', '5s'],
    );
    const { sent, received, errors } = summary.messages;
    assert.deepEqual([exit, errors], [0, 0], 'there was always somebody for a session');
    // 30 sessions a second of four messages, in 5 s; those at the end are cut short.
    assert.ok(sent > 250 && sent < 1000, `${sent} messages`);
    // A message to somebody who has just left is lost.
    assert.ok(received > sent * 0.9, `${received} of ${sent}`);
    const sessions = summary.connections.attempted;
    assert.ok(sessions > 80 && sessions < 260, `${sessions} sessions`);
    assert.ok(sent / sessions > 2.2 && sent / sessions < 6, `${sent / sessions} messages each`);
    assert.ok(summary.connections.loggedIn < 100, 'most are away');
    assert.equal(summary.connections.lost, 0);
  });

  test('a session more than there are users is turned away and counted', async (t) => {
    const { summary, exit } = await load(
      t,
      ...['--model', 'partly-open', '--connections', '3', '--rate', '60/s', '--think', '60s'],
      ...['--session-messages', '2', '--duration', '2s', '--drain', '1s'],
    );
    // Three users are in for a minute; the others of some sixty sessions find nobody.
    assert.equal(exit, 13);
    assert.ok(summary.messages.errors > 20, `${summary.messages.errors}`);
    assert.equal(summary.connections.loggedIn, 3);
  });
});
