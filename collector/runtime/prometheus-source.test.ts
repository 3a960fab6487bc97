// Endpoints of our own that behave in every way, then Debian's node_exporter and our own --openmetrics.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { PrometheusSource, PrometheusStatusSource } from '#collector/runtime/prometheus-source.ts';
import { Scraper, SERIES_MAX } from '#collector/runtime/scraper.ts';
import { Sampler } from '#collector/sampler.ts';
import { parseOpenMetrics, type Sample } from '#collector/test/openmetrics-parser.ts';
import { systemClock } from '#core/clock/clock.ts';
import { startWsar } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { freePort } from '#test/free-port.ts';

async function serve(
  t: TestContext,
  answer: (response: ServerResponse, request: number) => void,
): Promise<URL> {
  let requests = 0;
  const server = createServer((_, response) => answer(response, ++requests)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
}

function open(t: TestContext, url: URL, limits: { timeoutMs?: number; bytesMax?: number } = {}) {
  let settled = Promise.withResolvers<string | undefined>();
  const scraper = new Scraper({
    url,
    clock: systemClock,
    timeoutMs: 5000,
    bytesMax: 8 << 20,
    ...limits,
    onChange: (failure) => settled.resolve(failure),
  });
  const target = { name: 'test:1', scraper, periodMs: 1000, clock: systemClock };
  const series = new PrometheusSource(target);
  const sampler = new Sampler(systemClock, [series, new PrometheusStatusSource(target)]);
  t.after(() => sampler.close());
  const value = (name: string): number => sampler.table.value(sampler.registry.slotOf(name));
  return {
    sampler,
    scraper,
    value,
    own: (what: string): number => value(`prometheus.scrape.${what}{target=test:1}`),
    /** Fetches now, waits for the end of it, and samples. */
    async fetch(): Promise<void> {
      const { page, failures } = scraper;
      scraper.start();
      while (scraper.page === page && scraper.failures === failures)
        await new Promise((resolve) => setTimeout(resolve, 5));
      sampler.sample();
    },
    async failure(): Promise<string | undefined> {
      scraper.start();
      const failure = await settled.promise;
      settled = Promise.withResolvers();
      return failure;
    },
  };
}

test('counters become rates over the time between pages, gauges stay, what is gone has no value', async (t) => {
  const url = await serve(t, (response, request) => {
    response.end(
      `# TYPE hits counter\nhits_total{path="/a,b={c}"} ${request * 1000}\ntemperature 21.5\n` +
        (request === 1 ? 'gone 1\n' : ''),
    );
  });
  const { fetch, scraper, value, own } = open(t, url);
  await fetch();
  const hits = 'prometheus.hits_total{target=test:1,path=/a_b__c_}';
  assert.ok(Number.isNaN(value(hits)));
  assert.equal(value('prometheus.temperature{target=test:1}'), 21.5);
  assert.equal(value('prometheus.gone{target=test:1}'), 1);
  const firstUs = scraper.stampUs;
  await fetch();
  const seconds = (scraper.stampUs - firstUs) / 1e6;
  assert.ok(Math.abs(value(hits) * seconds - 1000) < 1, `${value(hits)} over ${seconds}`);
  assert.ok(Number.isNaN(value('prometheus.gone{target=test:1}')));
  assert.deepEqual([own('up'), own('series'), own('malformed')], [1, 3, 0]);
});

test('a target that refuses, fails, hangs, floods or is cut off says why, has no values, and comes back', async (t) => {
  let mode = 'down';
  const url = await serve(t, (response) => {
    if (mode === 'status') response.writeHead(503).end('metric 1\n');
    else if (mode === 'hang') response.write('metric 1\n');
    else if (mode === 'cut') {
      response.writeHead(200, { 'content-length': 100 });
      response.write('metric 1\n');
      setTimeout(() => response.destroy(), 20);
    } else if (mode === 'flood') response.end('metric 1\n'.repeat(200_000));
    else if (mode === 'redirect')
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    else response.end('metric 1\n');
  });
  const wrongPort = await freePort();
  const { failure } = open(t, new URL(`http://127.0.0.1:${wrongPort}/metrics`));
  assert.equal(await failure(), 'ECONNREFUSED');
  for (const [name, wanted] of [
    ['status', /status 503/],
    ['redirect', /status 302/],
    ['hang', /no whole page within 0.3 s/],
    ['cut', /ECONNRESET|aborted|cut off/],
    ['flood', /more than 100000 bytes/],
  ] as const) {
    mode = name;
    const target = open(t, url, { timeoutMs: name === 'hang' ? 300 : 5000, bytesMax: 100_000 });
    assert.match((await target.failure()) ?? '', wanted, name);
    target.sampler.sample();
    assert.equal(target.own('up'), 0);
    assert.equal(target.scraper.page, 0, 'no page was taken');
    mode = 'fine';
    await target.fetch();
    assert.equal(target.value('prometheus.metric{target=test:1}'), 1);
    assert.deepEqual([target.own('up'), target.own('failures')], [1, 1]);
  }
});

test('more series than there is room for are counted; names that clash do no harm', async (t) => {
  const url = await serve(t, (response) => {
    const lines = Array.from({ length: SERIES_MAX + 100 }, (_, i) => `m{i="${i}"} ${i}\n`);
    response.end(`clash{a="x y"} 1\nclash{a="x_y"} 2\n${lines.join('')}`);
  });
  const { fetch, value, own } = open(t, url);
  await fetch();
  assert.equal(value('prometheus.clash{target=test:1,a=x_y}'), 1);
  assert.equal(value(`prometheus.m{target=test:1,i=${SERIES_MAX - 3}}`), SERIES_MAX - 3);
  assert.equal(own('series'), SERIES_MAX);
  assert.equal(own('refused'), 102 + 1);
});

test('series that come and go make room for others', async (t) => {
  const url = await serve(t, (response, request) => {
    const lines = Array.from(
      { length: SERIES_MAX },
      (_, i) => `m{i="${i}",generation="${request > 1 ? 2 : 1}"} 1\n`,
    );
    response.end(lines.join(''));
  });
  const { fetch, value } = open(t, url);
  for (let i = 0; i < 14; i++) await fetch();
  assert.equal(value('prometheus.m{target=test:1,i=7,generation=2}'), 1);
});

test('what came from an endpoint and from processes goes out as OpenMetrics that a strict reader takes', async (t) => {
  const url = await serve(t, (response) => {
    response.end(
      '# TYPE h histogram\nh_bucket{le="1",target="theirs"} 5\nh_bucket{le="+Inf",target="theirs"} 7\n' +
        'h_sum{target="theirs"} 9\nh_count{target="theirs"} 7\n' +
        '# TYPE h_total counter\nh_total 3\nodd{a="\\\\\\"{}=,"} 4\n',
    );
  });
  const port = await freePort();
  const collect = startWsar(t, [
    ...['collect', '0.5', '--json', '--openmetrics', String(port), '--prometheus', url.href],
    ...['--pid', String(process.pid), '--netns-of', String(process.pid), '--node', 'all'],
  ]);
  let samples: Sample[] = [];
  for (let i = 0; i < 50 && !samples.some(({ name }) => name === 'prometheus_odd'); i++) {
    await collect.line(new RegExp(`(?:.*\\n){${i + 1}}`));
    samples = parseOpenMetrics(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  }
  const theirs = samples.filter(({ labels }) => labels['exported_target'] === 'theirs');
  assert.equal(theirs.length, 4);
  for (const name of [
    'process_thread_count',
    'network_linux_tcp_segments_total',
    'nodejs_agent_threads',
  ]) {
    assert.ok(
      samples.some((sample) => sample.name === name),
      name,
    );
  }
});

test("Debian's node_exporter: its CPU, memory and counters are ours; our own --openmetrics comes back as it left", {
  skip: needPrograms('prometheus-node-exporter'),
}, async (t) => {
  const port = await freePort();
  const exporter = spawn('prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${port}`], {
    stdio: 'ignore',
  });
  t.after(() => void exporter.kill('SIGKILL'));
  const ownPort = await freePort();
  const ours = startWsar(t, ['collect', '0.5', '--json', '--openmetrics', String(ownPort)]);
  await ours.line(/\n.*\n/);
  const collect = startWsar(t, [
    ...['collect', '1', '5', '--json', '--prometheus', `http://127.0.0.1:${port}`],
    ...['--prometheus', `127.0.0.1:${ownPort}/metrics`],
  ]);
  assert.equal(await collect.exit(), 0, collect.stderr());
  const row = JSON.parse(collect.stdout().trimEnd().split('\n').at(-1)!).values as Record<
    string,
    number | null
  >;
  const theirs = (name: string, more = ''): number =>
    row[`prometheus.${name}{target=127.0.0.1:${port}${more}}`]!;
  const own = (name: string, more = ''): number =>
    row[`prometheus.${name}{target=127.0.0.1:${ownPort}${more}}`]!;
  assert.equal(row[`prometheus.scrape.up{target=127.0.0.1:${port}}`], 1);
  assert.equal(row[`prometheus.scrape.up{target=127.0.0.1:${ownPort}}`], 1);
  assert.equal(row[`prometheus.scrape.malformed{target=127.0.0.1:${port}}`], 0);
  assert.equal(row[`prometheus.scrape.malformed{target=127.0.0.1:${ownPort}}`], 0);
  assert.equal(theirs('node_memory_MemTotal_bytes'), row['system.memory.limit']);
  assert.equal(own('system_memory_limit'), row['system.memory.limit']);
  // Context switches of about the same second, by three ways.
  const switches = row['system.linux.context_switches']!;
  for (const other of [
    theirs('node_context_switches_total'),
    own('system_linux_context_switches_total'),
  ]) {
    assert.ok(other > 0 && other / switches > 0.2 && other / switches < 5, `${other} ${switches}`);
  }
  assert.ok(row[`prometheus.scrape.series{target=127.0.0.1:${port}}`]! > 300);
});
