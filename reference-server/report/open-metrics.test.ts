// OpenMetrics of a real server: every line is of the format, values are those of the rows, long mailboxes are named.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt from 'mqtt';
import { startServer } from '#reference-server/test/running-server.ts';

const SAMPLE = /^([a-z][a-z0-9_]+)(\{worker="\d+"(?:,row="\d+")?\})? (-?[\d.e+-]+|\+Inf)$/;

test('GET /metrics: families with type and help, counters as _total, the longest mailboxes, # EOF', async (t) => {
  const server = await startServer(t, ['--lab', '--workers', '2', '--metrics-port', '0']);
  const [, url] = await server.command.line(/^metrics (http:\/\/127\.0\.0\.1:\d+\/metrics)\n/m);
  const client = await mqtt.connectAsync(server.url, { clientId: 'ann', reconnectPeriod: 0 });
  t.after(() => void client.end(true));
  for (let i = 0; i < 7; i++) await client.publishAsync('m/away', 'x', { qos: 1 });
  await server.values((value) => value('queue.length') === 7, 'new');
  const response = await fetch(url!);
  assert.match(response.headers.get('content-type')!, /^application\/openmetrics-text/);
  const lines = (await response.text()).split('\n');
  assert.deepEqual(lines.slice(-2), ['# EOF', '']);
  const values = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of lines.slice(0, -2)) {
    const type = /^# TYPE (\S+) (counter|gauge)$/.exec(line);
    if (type !== null) {
      assert.ok(!typed.has(type[1]!), `${type[1]} stands once`);
      typed.add(type[1]!);
      continue;
    }
    if (line.startsWith('# HELP ')) continue;
    const sample = SAMPLE.exec(line);
    assert.ok(sample !== null, line);
    assert.ok(typed.has(sample[1]!.replace(/_total$/, '')), `${line} has a type before it`);
    const isOfWorker = sample[1]!.startsWith('wsar_server_worker_');
    const name = isOfWorker ? `${sample[1]}${sample[2]}` : sample[1]!;
    values.set(name, Number(sample[3]));
  }
  assert.equal(values.get('wsar_server_messages_received_total'), 7);
  assert.equal(values.get('wsar_server_queue_length'), 7);
  assert.equal(values.get('wsar_server_mailbox_length'), 7);
  for (const worker of [0, 1]) {
    const of = (name: string) =>
      values.get(`wsar_server_worker_${name}_total{worker="${worker}"}`)!;
    assert.ok(of('working_us') > 0 && of('sleeping_us') > 0 && of('turns') > 0);
    assert.equal(of('spinning_us'), 0);
  }
  assert.ok(values.get('wsar_server_mailbox_oldest_seconds')! >= 0);
  assert.equal((await fetch(url!.replace('/metrics', '/'))).status, 404);
});
