// What `wsar load` says about itself: rules with their exit codes, histogram logs, the ceiling of the
// generator, the search for the highest rate, and what others counted.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { HistogramLogReader } from 'hdr-histogram-js';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { startEchoServer } from '#loadgen/test/echo-server.ts';
import { startFakeBroker } from '#loadgen/test/fake-broker.ts';
import { makeCertificate } from '#loadgen/test/mosquitto-wires.ts';
import { ROOT, type RunningCommand, startWsar, temporaryFolder } from '#test/command.ts';

function startLoad(t: TestContext, url: string, ...more: string[]): RunningCommand {
  const calm = ['--json', '--lateness-max', '60s', '--engine', 'net'];
  return startWsar(t, ['load', '--scenario', 'one-to-one', '--target', url, ...calm, ...more]);
}

function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1) ?? '') as LoadSummary;
}

const SMALL = ['--connections', '20', '--rate', '400/s', '--duration', '1s'];

describe('wsar load about itself', { concurrency: 3 }, () => {
  test('a rule that is true at the end: exit 10, one line says which and by how much', async (t) => {
    const broker = await startFakeBroker(t);
    const rules = ['--fail-if', 'p50 > 1us', '--fail-if', 'messages.lost > 0'];
    const run = startLoad(t, broker.url, ...SMALL, ...rules);
    assert.equal(await run.exit(), 10, run.stderr());
    assert.match(run.stderr(), /failed: p50 > 1us \(it is \d+ us\)/);
    const { thresholds, valid } = summaryOf(run);
    assert.deepEqual([valid, thresholds.map(({ failed }) => failed)], [true, [true, false]]);
  });

  test('rules that are not true: exit 0; too few samples for one: exit 13', async (t) => {
    const broker = await startFakeBroker(t);
    const held = startLoad(t, broker.url, ...SMALL, '--fail-if', 'connections.failed > 0');
    const untold = startLoad(
      t,
      broker.url,
      ...SMALL,
      '--first-user',
      '100',
      '--fail-if',
      'p999 > 1h',
    );
    assert.equal(await held.exit(), 0, held.stderr());
    assert.equal(await untold.exit(), 13);
    assert.match(
      untold.stderr(),
      /too few samples to judge 'p999 > 1h'",.*take a longer --duration/,
    );
  });

  test('the histogram log holds every sample, by series', async (t) => {
    const broker = await startFakeBroker(t);
    const file = join(temporaryFolder(t), 'run.hlog');
    const run = startLoad(t, broker.url, ...SMALL, '--duration', '2500ms', '--hlog', file);
    assert.equal(await run.exit(), 0, run.stderr());
    const reader = new HistogramLogReader(readFileSync(file, 'utf8'));
    const sums: Record<string, number> = {};
    for (let next = reader.nextIntervalHistogram(); next; next = reader.nextIntervalHistogram()) {
      sums[next.tag] = (sums[next.tag] ?? 0) + next.totalCount;
    }
    const { messages, latenessUs } = summaryOf(run);
    assert.deepEqual(sums, {
      latency: messages.received,
      service: messages.received,
      lateness: latenessUs.count,
    });
  });

  test('a histogram log that cannot be written: a wrong command line', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(t, broker.url, ...SMALL, '--hlog', '/nowhere/at/all.hlog');
    assert.equal(await run.exit(), 2);
    assert.match(run.stderr(), /all\.hlog cannot be written/);
    assert.equal(broker.logins, 0);
  });

  test('a histogram log on a full disk: a wrong command line, and no empty file', (t) => {
    const folder = temporaryFolder(t);
    const script =
      'mount -t tmpfs -o size=4k none "$1" || exit 77; echo > "$1/filler"\n' +
      '"$2" load --target mqtt://127.0.0.1:1 --connections 9 --rate 9/s --duration 1s ' +
      '--hlog "$1/run.hlog"; code=$?; ls "$1"; exit $code';
    const args = ['-m', 'sh', '-c', script, 'sh', folder, join(ROOT, 'bin/wsar')];
    const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
    if (status === 77 || /unshare.*(not permitted|failed)/i.test(stderr)) {
      return t.skip('only root may mount a small file system');
    }
    assert.match(stderr, /run\.hlog cannot be written: ENOSPC/);
    assert.deepEqual([status, stdout], [2, 'filler\n']);
  });

  test('the generator measures its own ceiling, and the kernel and Little agree', async (t) => {
    const server = startWsar(t, ['serve', '--port', '0', '--lab']);
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
        '--calibrate',
      ],
      ...['--connections', '300', '--rate', '300/s', '--duration', '3s'],
    ]);
    assert.equal(await run.exit(), 0, run.stderr());
    const { ceiling, kernel, little, warnings } = summaryOf(run);
    assert.ok(ceiling !== undefined && ceiling.ratePerS >= 1000, JSON.stringify(ceiling));
    assert.ok(ceiling.share! < 0.5);
    assert.equal(kernel?.expected, 600);
    assert.ok(little !== null, JSON.stringify(warnings));
  });

  for (const framing of ['length', 'line']) {
    test(`the ceiling of a load of ${framing}s is measured with them`, async (t) => {
      const { port } = await startEchoServer(t, 'tcp');
      const run = startWsar(t, [
        ...['load', '--target', `tcp://127.0.0.1:${port}`, '--framing', framing, '--json'],
        ...['--calibrate', '--lateness-max', '60s'],
        ...['--connections', '50', '--rate', '100/s', '--duration', '1s'],
      ]);
      assert.equal(await run.exit(), 0, run.stderr());
      const { ceiling, messages } = summaryOf(run);
      assert.equal(ceiling?.protocol, `echo ${framing}`);
      assert.ok(ceiling.ratePerS >= 1000, JSON.stringify(ceiling));
      assert.equal(messages.lost, 0);
    });
  }

  test('the ceiling of MQTT 5, WebSocket and TLS is measured with them, that of HTTP too', async (t) => {
    const { cert, key } = makeCertificate(t);
    const server = startWsar(t, [
      ...['serve', '--lab', '--port', '0', '--wss-port', '0', '--cert', cert, '--key', key],
    ]);
    const [, wss] = await server.line(/^ready (wss:\S+)$/m);
    const echo = await startEchoServer(t, 'ws');
    const http = createServer((_request, response) => response.end('x'));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      http.close();
      http.closeAllConnections();
    });
    const httpPort = (http.address() as { port: number }).port;
    const calm = ['--lateness-max', '60s'];
    const wires: [protocol: string, ...words: string[]][] = [
      [
        ...(['mqtt 5 over ws over tls', '--target', wss!, '--protocol', 'ws'] as const),
        ...['--mqtt', '5', '--cafile', cert, ...calm],
      ],
      ['echo over ws', '--target', `ws://127.0.0.1:${echo.port}`, ...calm],
      ['http 1.1 by autocannon', '--target', `http://127.0.0.1:${httpPort}`, '--upload', '70KiB'],
    ];
    for (const [protocol, ...words] of wires) {
      const small = ['--connections', '50', '--rate', '100/s', '--duration', '1s'];
      const run = startWsar(t, ['load', ...words, ...small, '--json', '--calibrate']);
      assert.equal(await run.exit(), 0, run.stderr());
      const { ceiling, messages } = summaryOf(run);
      assert.equal(ceiling?.protocol, protocol);
      assert.ok(ceiling.ratePerS > 100 && messages.received > 50, `${protocol}: ${run.stdout()}`);
    }
  });

  test('a search in which no rate holds the rule: exit 10, and every step is told', async (t) => {
    const broker = await startFakeBroker(t);
    const run = startLoad(
      t,
      broker.url,
      ...['--connections', '5', '--rate', '6/s', '--drain', '1s'],
      ...['--find-max', 'latency.max < 1us', '--duration', '120s'],
    );
    assert.equal(await run.exit(), 10, run.stderr());
    const { search } = summaryOf(run);
    assert.deepEqual([search?.ratePerS, search?.limitedBy], [0, 'rule']);
    assert.deepEqual(
      search?.steps.map(({ ratePerS, verdict }) => [ratePerS, verdict]),
      [
        [6, 'broken'],
        [1.5, 'broken'],
        [1, 'broken'],
      ],
    );
  });
});
