// `wsar load` on HTTP servers: the same report, rules and exit codes.

import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { createHostClock } from '#core/clock/host-clock.ts';
import type { LoadSummary } from '#loadgen/load-summary.ts';
import { type RunningCommand, startWsar } from '#test/command.ts';

async function startServer(t: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

function startLoad(t: TestContext, url: string, ...more: string[]): RunningCommand {
  const small = ['--connections', '10', '--duration', '2s'];
  return startWsar(t, ['load', '--target', url, '--json', ...small, ...more]);
}

function summaryOf(run: RunningCommand): LoadSummary {
  return JSON.parse(run.stdout().trimEnd().split('\n').at(-1) ?? '') as LoadSummary;
}

describe('wsar load on HTTP', { concurrency: 3 }, () => {
  test('downloads at a rate: as many requests as asked, each timed', async (t) => {
    const clock = createHostClock();
    const seenUs: number[] = [];
    const url = await startServer(t, (request, response) => {
      seenUs.push(clock.monoUs());
      assert.equal(request.url, '/pictures/1');
      response.end('x'.repeat(1000));
    });
    const run = startLoad(
      t,
      `${url}/pictures/1`,
      '--rate',
      '200/s',
      '--fail-if',
      'messages.errors > 0',
    );
    assert.equal(await run.exit(), 0, run.stderr());
    const { protocol, messages, latencyUs, steadyS, thresholds } = summaryOf(run);
    assert.equal(protocol, 'http 1.1 by autocannon');
    // autocannon spends the rate of a second at its begin; its seconds are seen here, however long they were.
    const seenS = (seenUs.at(-1)! - seenUs[0]!) / 1e6;
    const most = 200 * Math.min(Math.round(seenS) + 1, Math.ceil(steadyS) + 2);
    assert.ok(messages.received > 250 && messages.received <= most, `${messages.received}`);
    // One request of each connection may be cut off at the end.
    const unanswered = seenUs.length - messages.received;
    assert.ok(unanswered >= 0 && unanswered <= 10, `${unanswered}`);
    assert.ok(latencyUs.count >= messages.received);
    assert.equal(thresholds[0]?.failed, false);
  });

  test('uploads: the server gets every byte', async (t) => {
    const sizes: number[] = [];
    const url = await startServer(t, (request, response) => {
      let bytes = 0;
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => {
        sizes.push(bytes);
        response.end();
      });
      assert.equal(request.method, 'POST');
    });
    const run = startLoad(t, url, '--rate', '20/s', '--upload', '100 KiB');
    assert.equal(await run.exit(), 0, run.stderr());
    assert.ok(sizes.length > 20 && sizes.every((size) => size === 102_400));
  });

  test('a slow answer stands for the requests that were due meanwhile', async (t) => {
    let asked = 0;
    const url = await startServer(t, (_request, response) => {
      if (++asked === 50) setTimeout(() => response.end(), 1000);
      else response.end();
    });
    const run = startLoad(t, url, '--connections', '1', '--rate', '100/s', '--duration', '4s');
    assert.equal(await run.exit(), 0, run.stderr());
    const { latencyUs, serviceUs } = summaryOf(run);
    assert.ok(latencyUs.count - serviceUs.count >= 95, 'a second at 100 a second');
    assert.ok(latencyUs.p90 > serviceUs.p90);
  });

  test('without a rate each connection asks again at once', async (t) => {
    const url = await startServer(t, (_request, response) => response.end('x'));
    const run = startLoad(t, url, '--duration', '1s');
    assert.equal(await run.exit(), 0, run.stderr());
    const { messages, latencyUs, serviceUs } = summaryOf(run);
    assert.ok(messages.received > 10, `${messages.received} answers`);
    assert.deepEqual(latencyUs, serviceUs, 'nothing was planned');
  });

  test('errors are counted and can fail the run; a server of errors only is unreachable', async (t) => {
    let asked = 0;
    const flaky = await startServer(t, (_request, response) => {
      response.statusCode = ++asked % 2 === 0 ? 500 : 200;
      response.end();
    });
    const broken = await startServer(t, (_request, response) => {
      response.statusCode = 503;
      response.end();
    });
    const some = startLoad(t, flaky, '--rate', '50/s', '--fail-if', 'messages.errors > 0');
    const all = startLoad(t, broken, '--rate', '50/s');
    assert.equal(await some.exit(), 13, 'half of the requests failed: no run to judge');
    assert.equal(await all.exit(), 4);
    assert.match(all.stderr(), /answered no request \(it answered with status 503\)/);
  });

  test('an address as the target of https is no warning of Node', async (t) => {
    const run = startLoad(t, 'https://127.0.0.1:9');
    assert.equal(await run.exit(), 4);
    assert.match(run.stderr(), /^\{"error":.*answered no request .*\n$/);
  });

  test('options of a population are refused', async (t) => {
    const run = startLoad(t, 'http://127.0.0.1:9', '--arrivals', 'poisson');
    assert.equal(await run.exit(), 2);
    assert.match(run.stderr(), /--arrivals is not for http:\/\/ targets/);
  });
});
