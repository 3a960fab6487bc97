// The OpenMetrics text and its server, read by a strict parser.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { serveOpenMetrics } from '#collector/openmetrics-server.ts';
import { openMetricsText } from '#collector/report/openmetrics.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { parseOpenMetrics } from '#collector/test/openmetrics-parser.ts';
import { DEVICE_HEADER, deviceText, makeProcTree } from '#collector/test/proc-tree.ts';
import { readTree } from '#collector/test/read-tree.ts';
import { startWsar } from '#test/command.ts';

function tableOf(t: TestContext, isDetailed: boolean) {
  const tree = makeProcTree(t);
  const odd = deviceText('we"ird\\', [7, 1], [9, 2]);
  tree.write('net/dev', `${DEVICE_HEADER}${deviceText('eth0', [5000, 50], [7000, 70])}${odd}`);
  const { tick, sampler } = readTree(...hostSources(tree.root, isDetailed));
  t.after(() => sampler.close());
  tick();
  tick();
  return sampler.table;
}

for (const isDetailed of [false, true]) {
  test(`the text is what the format wants${isDetailed ? ', in detail too' : ''}`, (t) => {
    const samples = parseOpenMetrics(openMetricsText(tableOf(t, isDetailed), 1_700_000_000_000));
    const find = (name: string, labels: Record<string, string> = {}) =>
      samples.find(
        (sample) =>
          sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels),
      )?.value;
    const eth0 = { device: 'eth0', direction: 'receive' };
    assert.equal(find('system_network_io_total', eth0), 5000, 'the count, not its rate');
    assert.equal(find('system_network_io_total', { ...eth0, device: 'we"ird\\' }), 7);
    assert.equal(find('system_memory_limit'), 1_024_000_000);
    assert.equal(find('tcp_connections_opened_per_second'), 0, 'derived, beside the counts');
    assert.equal(find('tcp_connections_opened_total', { type: 'active' }), 100);
    assert.equal(find('system_linux_pressure_total', { resource: 'cpu', type: 'some' }), 1);
    assert.equal(find('wsar_collector_row_time_seconds'), 1_700_000_000);
    assert.equal(find('system_linux_runqueue_wait_per_second'), undefined, 'not known: left out');
  });
}

test('the server gives the last tick, refuses the rest, and ends with hanging readers', async (t) => {
  const table = tableOf(t, false);
  const server = await serveOpenMetrics(table, { host: '127.0.0.1', port: 0 });
  const ask = (path: string, method = 'GET') =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  assert.equal((await ask('/metrics')).status, 503, 'before the first tick');
  t.after(() => server.close());
  server.tick(1000);
  const response = await ask('/metrics');
  assert.match(
    response.headers.get('content-type') ?? '',
    /^application\/openmetrics-text; version=1/,
  );
  const samples = parseOpenMetrics(await response.text());
  assert.ok(samples.length >= 80, `${samples.length} samples`);
  assert.equal((await ask('/other')).status, 404);
  assert.equal((await ask('/metrics', 'POST')).status, 405);
  const hanging = connect(server.port, '127.0.0.1').on('error', () => {});
  await new Promise((resolve) => hanging.once('connect', resolve));
  hanging.write('GET /metr');
  await server.close();
  hanging.destroy();
});

test('a port in use is that error, not one of usage', async (t) => {
  const table = tableOf(t, false);
  const first = await serveOpenMetrics(table, { host: '127.0.0.1', port: 0 });
  t.after(() => first.close());
  await assert.rejects(serveOpenMetrics(table, { host: '127.0.0.1', port: first.port }), {
    code: 'WSAR_ERR_PORT_IN_USE',
  });
});

test('wsar --openmetrics serves while it prints', async (t) => {
  const command = startWsar(t, ['collect', '0.1', '--openmetrics', '0']);
  await command.line(/^\d\d:\d\d:\d\d/m);
  const url = /http:\S+/.exec(command.stderr())![0];
  const samples = parseOpenMetrics(await (await fetch(url)).text());
  assert.ok(samples.some(({ name }) => name === 'system_linux_context_switches_total'));
  command.child.kill('SIGINT');
  assert.equal(await command.exit(), 130);
});
