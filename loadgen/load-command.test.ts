// `wsar load` as people start it, against targets with every kind of flaw.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { type FakeBrokerFlaws, startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';

/** On a busy machine every generator is late; that is the subject of one test only. */
function startLoad(t: TestContext, url: string, ...more: string[]): RunningCommand {
  const calm = ['--json', '--lateness-max', '60s', '--engine', 'net'];
  return startWsar(t, ['load', '--scenario', 'one-to-one', '--target', url, ...calm, ...more]);
}

/** The last line of stdout. */
function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1) ?? '') as LoadSummary;
}

/** stderr ends with one JSON error, and before it there is progress at the most; its parts. */
function errorOf(run: RunningCommand): { code: string; message: string; hint: string } {
  const lines = run.stderr().trimEnd().split('\n');
  for (const line of lines.slice(0, -1)) assert.match(line, /^(ramp|steady|end): /, run.stderr());
  const { error } = JSON.parse(lines.at(-1)!) as {
    error: { code: string; message: string; hint: string };
  };
  return error;
}

const SMALL = ['--connections', '20', '--rate', '200/s', '--duration', '500ms'];

// Most of the time of these runs is waiting: several at a time.
describe('wsar load', { concurrency: 4 }, () => {
  test('users log in, talk and leave; nothing is lost', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ...SMALL, '--arrivals', 'constant', '--workers', '2');
    assert.equal(await run.exit(), 0, run.stderr());
    const { connections, messages, valid, end, latencyUs } = summaryOf(run);
    assert.deepEqual(
      [connections.loggedIn, connections.failed, end, valid],
      [20, 0, 'complete', true],
    );
    assert.ok(Math.abs(messages.planned - 100) <= 1);
    assert.deepEqual(
      [messages.sent, messages.received, messages.acked, messages.lost, messages.unmatched],
      [messages.planned, messages.planned, messages.planned, 0, 0],
    );
    assert.equal(latencyUs.count, messages.planned);
    assert.equal(broker.logins, 21, 'the probe and twenty users');
    assert.equal(broker.goodbyes, 21);
  });

  test('the last line is the summary table without --json, progress goes to stderr', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startWsar(t, [
      'load',
      '--scenario',
      'one-to-one',
      '--target',
      broker.url,
      ...SMALL,
      '--lateness-max',
      '60s',
    ]);
    assert.equal(await run.exit(), 0);
    assert.match(run.stdout(), /^target .*\n/);
    assert.match(run.stdout(), /20 of 20 logged in/);
    assert.match(run.stdout(), /latency +\d/);
    assert.match(run.stdout(), /valid +yes\n$/);
  });

  test('messages in pieces and in bulk arrive whole', async (t) => {
    const broker = await startFakeBroker(t, { pieceBytes: 7 });
    const run = startLoad(t, broker.url, ...SMALL, '--payload', '5 KiB');
    assert.equal(await run.exit(), 0, run.stderr());
    const { messages } = summaryOf(run);
    assert.ok(messages.planned > 50);
    assert.equal(messages.received, messages.planned);
  });

  test('a message that is delivered twice counts once', async (t) => {
    const broker = await startFakeBroker(t, { copies: 2 });
    const run = startLoad(t, broker.url, ...SMALL);
    assert.equal(await run.exit(), 0, run.stderr());
    const { messages } = summaryOf(run);
    assert.deepEqual([messages.received, messages.unmatched], [messages.sent, messages.sent]);
  });

  test('messages that never arrive are counted as lost', async (t) => {
    const broker = await startFakeBroker(t, { copies: 0 });
    const run = startLoad(t, broker.url, ...SMALL);
    assert.equal(await run.exit(), 0, run.stderr());
    const { messages, latencyUs } = summaryOf(run);
    assert.deepEqual([messages.received, messages.lost], [0, messages.sent]);
    assert.equal(latencyUs.p99, null);
  });

  test('users that are cut off come back and are counted', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      '--connections',
      '10',
      '--rate',
      '100/s',
      '--duration',
      '3s',
    );
    await run.line(/"wsar.load.messages.received":[1-9]/);
    for (const login of [2, 5, 7]) broker.cut(login);
    assert.equal(await run.exit(), 0, run.stderr());
    const { connections } = summaryOf(run);
    assert.deepEqual([connections.lost, connections.reconnects, connections.loggedIn], [3, 3, 10]);
  });

  test('a server that never closes is left all the same', async (t) => {
    const broker = await startFakeBroker(t, { neverCloses: true });
    const run = startLoad(t, broker.url, '--connections', '5', '--duration', '50ms');
    assert.equal(await run.exit(), 0, run.stderr());
    assert.equal(broker.goodbyes, 6);
  });

  test('two loads on one target do not cut each other off', async (t) => {
    const broker = await startFakeBroker(t);
    const runs = [0, 1000].map((first) =>
      startLoad(t, broker.url, ...SMALL, '--first-user', String(first)),
    );
    for (const run of runs) {
      assert.equal(await run.exit(), 0, run.stderr());
      const { connections, messages } = summaryOf(run);
      assert.deepEqual([connections.lost, messages.lost, messages.unmatched], [0, 0, 0]);
    }
  });

  test('pings keep silent users alive', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      ...['--connections', '5', '--duration', '2500ms', '--keepalive', '1s'],
    );
    assert.equal(await run.exit(), 0, run.stderr());
    assert.equal(summaryOf(run).connections.lost, 0);
  });

  const BAD_TARGETS: [string, FakeBrokerFlaws, RegExp][] = [
    [
      'refuses the login',
      { connackCode: () => 5 },
      /refused the login: the user is not authorized$/,
    ],
    [
      'answers no MQTT',
      { answer: Buffer.from('HTTP/1.1 400 Bad Request\r\n') },
      /is no MQTT server/,
    ],
    ['closes instead', { answer: Buffer.alloc(0) }, /closed the connection instead of answering/],
    ['never answers', { isSilent: true }, /accepts connections but did not answer a login within/],
  ];
  for (const [what, flaws, sentence] of BAD_TARGETS) {
    test(`a target that ${what}: one sentence, a report of nothing, exit 4`, async (t) => {
      const broker = await startFakeBroker(t, flaws);
      const run = startLoad(t, broker.url, ...SMALL);
      assert.equal(await run.exit(), 4);
      const { code, message, hint } = errorOf(run);
      assert.equal(code, 'WSAR_ERR_UNREACHABLE');
      assert.match(message, sentence);
      assert.equal(/no name and password/.test(hint), what === 'refuses the login', hint);
      const { valid, invalidReasons, connections } = summaryOf(run);
      assert.deepEqual([valid, invalidReasons, connections.attempted], [false, [message], 0]);
    });
  }

  test('a target that is not there: one sentence, exit 4', async (t) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const run = startLoad(t, `mqtt://127.0.0.1:${port}`, ...SMALL);
    assert.equal(await run.exit(), 4);
    assert.match(errorOf(run).message, /cannot be reached: ECONNREFUSED$/);
  });

  test('a source block of another host: a wrong command line, nobody logs in', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ...SMALL, '--sources', '192.0.2.0/24');
    assert.equal(await run.exit(), 2);
    assert.match(errorOf(run).message, /from 192\.0\.2\.\d+, which is no address of this host/);
    assert.deepEqual([run.stdout(), broker.logins], ['', 0]);
  });

  test('a target that is full lets some in: the report says how many, exit 4', async (t) => {
    const broker = await startFakeBroker(t, { connackCode: (login) => (login > 15 ? 3 : 0) });
    const run = startLoad(t, broker.url, ...SMALL);
    assert.equal(await run.exit(), 4);
    assert.match(
      errorOf(run).message,
      /let in 15 of 20 users \(it refused 5: it is not available\)$/,
    );
    const { connections, messages } = summaryOf(run);
    assert.deepEqual(
      [connections.loggedIn, connections.refused, connections.failed, messages.sent],
      [15, 5, 5, 0],
    );
  });

  test('refused subscriptions are refused logins', async (t) => {
    const broker = await startFakeBroker(t, { refusesSubscriptions: true });
    const run = startLoad(t, broker.url, ...SMALL);
    assert.equal(await run.exit(), 4);
    assert.match(errorOf(run).message, /let in 0 of 20 .*refused 20: it refused the subscription/);
  });

  test('a target that dies: partial report, exit 4', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      '--connections',
      '10',
      '--rate',
      '100/s',
      '--duration',
      '60s',
    );
    await run.line(/"wsar.load.messages.received":[1-9]/);
    broker.close();
    assert.equal(await run.exit(), 4);
    assert.match(errorOf(run).message, /cut off all 10 users and let nobody in again/);
    const { messages, connections, end } = summaryOf(run);
    assert.ok(messages.received > 0);
    assert.deepEqual([connections.lost, end], [10, 'failed']);
  });

  test('a target that goes deaf, its connections standing: partial report, one sentence, exit 13', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      ...['--connections', '10', '--rate', '100/s', '--duration', '5s', '--drain', '1s'],
    );
    await run.line(/"wsar.load.messages.received":[1-9]/);
    broker.deafen();
    assert.equal(await run.exit(), 13);
    const { code, message } = errorOf(run);
    assert.equal(code, 'WSAR_ERR_INVALID_RUN');
    assert.match(
      message,
      /cannot be judged: \d+ messages were still on their way when the drain ended/,
    );
    const { connections, messages, valid } = summaryOf(run);
    assert.ok(messages.received > 0 && messages.lost > 0);
    assert.deepEqual([connections.loggedIn, connections.lost, valid], [10, 0, false]);
  });

  test('a name that nobody knows: one sentence, exit 4, nothing is started', async (t) => {
    const run = startLoad(t, 'mqtt://no-such-host.invalid:1883', ...SMALL);
    assert.equal(await run.exit(), 4);
    assert.match(
      errorOf(run).message,
      /^the host of mqtt:\/\/no-such-host\.invalid:1883 has no IPv4/,
    );
    assert.equal(run.stdout(), '');
  });

  test('a wrong scenario: one sentence, exit 2, nothing is started', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ...SMALL, '--scenario', 'telegram');
    assert.equal(await run.exit(), 2);
    assert.match(errorOf(run).message, /no scenario 'telegram'/);
    assert.deepEqual([run.stdout(), broker.logins], ['', 0]);
  });

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`${signal} ends the run with a partial report and exit ${exitCode}`, async (t) => {
      const broker = await startFakeBroker(t);
      const run = startLoad(
        t,
        broker.url,
        '--connections',
        '10',
        '--rate',
        '100/s',
        '--duration',
        '60s',
      );
      await run.line(/"wsar.load.messages.received":[1-9]/);
      run.child.kill(signal);
      assert.equal(await run.exit(), exitCode, run.stderr());
      const { end, messages, connections } = summaryOf(run);
      assert.deepEqual([end, messages.lost, connections.loggedIn], ['stopped', 0, 10]);
      assert.ok(messages.sent > 0);
      assert.equal(broker.goodbyes, 11);
    });
  }

  test('SIGINT in the ramp ends it too', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      '--connections',
      '1000',
      '--ramp',
      '5/s',
      '--duration',
      '1s',
    );
    await run.line(/"wsar.load.connections.logged_in":[1-9]/);
    run.child.kill('SIGINT');
    assert.equal(await run.exit(), 130);
    const { connections, messages } = summaryOf(run);
    assert.ok(connections.loggedIn > 0 && connections.loggedIn < 1000);
    assert.equal(messages.planned, 0);
  });

  test('the parent is gone: the load ends, exit 4', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startWsar(
      t,
      [
        'load',
        '--scenario',
        'one-to-one',
        '--target',
        broker.url,
        '--json',
        '--connections',
        '5',
        '--duration',
        '60s',
      ],
      { env: { WSAR_LIFELINE: '1' }, stdin: 'pipe' },
    );
    await run.line(/"wsar.load.connections.logged_in":5/);
    run.child.stdin!.destroy();
    assert.equal(await run.exit(), 4);
    assert.equal(errorOf(run).code, 'WSAR_ERR_PARENT_LOST');
    assert.equal(summaryOf(run).end, 'stopped');
  });

  test('a saturated generator says so: exit 13', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ...SMALL, '--lateness-max', '1us');
    assert.equal(await run.exit(), 13);
    assert.equal(errorOf(run).code, 'WSAR_ERR_INVALID_RUN');
    assert.match(
      errorOf(run).message,
      /the generator was saturated: 1 message in 100 left .* ms or more after/,
    );
    const { valid, saturated } = summaryOf(run);
    assert.deepEqual([valid, saturated], [false, true]);
  });

  const BAD_LINES: [string[], number, string, RegExp][] = [
    [[], 2, 'WSAR_ERR_USAGE', /--connections is missing/],
    [['--connections', '5', '--duration', '1s'], 2, 'WSAR_ERR_USAGE', /--target is missing/],
    [['--connections', '0'], 2, 'WSAR_ERR_USAGE', /not a whole number/],
    [['--connections', '5', '--duration', '10'], 2, 'WSAR_ERR_QUANTITY', /'10' has no unit/],
    [
      ['--target', 'mqtt://127.0.0.1:1', '--connections', '1', '--rate', '5/s', '--duration', '1s'],
      2,
      'WSAR_ERR_USAGE',
      /nobody to write to/,
    ],
    [['--rate', '5000'], 2, 'WSAR_ERR_QUANTITY', /has no unit/],
    [['--rate', '2000000/s'], 2, 'WSAR_ERR_USAGE', /too fast/],
    [['--ramp', '0/s'], 2, 'WSAR_ERR_USAGE', /never ends/],
    [['--payload', '35 B'], 2, 'WSAR_ERR_USAGE', /not possible/],
    [['--keepalive', '20h'], 2, 'WSAR_ERR_USAGE', /cannot be said in MQTT/],
    [['--arrivals', 'bursty'], 2, 'WSAR_ERR_USAGE', /'bursty' is not known/],
    [['--sources', 'nic99'], 2, 'WSAR_ERR_USAGE', /no block of IPv4/],
    [['--target', 'ftp://127.0.0.1'], 2, 'WSAR_ERR_USAGE', /is no target/],
    [['--target', 'mqtt://[::1]:1883'], 2, 'WSAR_ERR_USAGE', /IPv6/],
    [
      ['--target', 'mqtt://192.0.2.1:1883', '--connections', '5', '--duration', '1s'],
      2,
      'WSAR_ERR_TARGET_NOT_OWNED',
      /192\.0\.2\.1.* is not on this host/,
    ],
    [
      ['--target', 'mqtt://127.0.0.1:1', '--connections', '50000000', '--duration', '1s'],
      3,
      'WSAR_ERR_MEMORY',
      /50000000 connections need about \d+ MiB/,
    ],
    [
      [
        ...['--target', 'mqtt://127.0.0.1:1', '--connections', '60000', '--duration', '1s'],
        ...['--sources', '127.1.0.1'],
      ],
      3,
      'WSAR_ERR_LIMIT',
      /60000 connections need as many source ports/,
    ],
  ];
  test('a wrong command line: one sentence and a remedy, and nothing is started', async (t) => {
    await Promise.all(
      BAD_LINES.map(async ([args, exitCode, code, sentence]) => {
        const run = startWsar(t, ['load', '--json', ...args]);
        assert.equal(await run.exit(), exitCode, `${args}: ${run.stderr()}`);
        const error = errorOf(run);
        assert.equal(error.code, code, `${args}`);
        assert.match(error.message, sentence);
        assert.ok(error.hint.length > 0);
        assert.equal(run.stdout(), '');
      }),
    );
  });
});
