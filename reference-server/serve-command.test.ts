// What `wsar serve` says and does around its serving: options, addresses, ports, the bus, its parent.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import mqtt from 'mqtt';
import { connectBus } from '#core/bus/bus.ts';
import { startEmbeddedBus } from '#core/bus/embedded-bus.ts';
import { topic } from '#core/bus/topic.ts';
import { hostName } from '#core/host/host-name.ts';
import { writeLabEnvironment } from '#core/host/lab-environment.ts';
import { turnKnob } from '#core/knob/turn-knob.ts';
import type { Row, SourceSchema } from '#core/metric/row.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { SERVER_METRIC_DEFS } from '#reference-server/report/server-metrics.ts';
import { client, startServer } from '#reference-server/test/running-server.ts';
import { ROOT, startWsar, temporaryFolder } from '#test/command.ts';

async function refusal(t: TestContext, ...args: string[]): Promise<{ code: number; text: string }> {
  const command = startWsar(t, ['serve', ...args]);
  const code = await command.exit();
  assert.equal(command.stdout(), '', 'nothing was started');
  return { code, text: command.stderr() };
}

describe('the command around the server', { concurrency: true }, () => {
  test('wrong options are one sentence and exit 2', async (t) => {
    const cases: [RegExp, string[]][] = [
      [/--port is missing; add for example --port 1883/, []],
      [/'70000' is not a whole number from 0 to 65535/, ['--port', '70000']],
      [/a --port is named twice; give up to 64/, ['--port', '1883', '--port', '1883']],
      [
        /0\.0\.0\.0 is not loopback, .*add --i-know-anyone-can-log-in/,
        ['--port', '0', '--host', '0.0.0.0'],
      ],
      [/:: is not loopback/, ['--port', '0', '--host', '::']],
      [/--ws-origin is for WebSocket; add --ws-port/, ['--port', '0', '--ws-origin', '*']],
      [/--proxy-from is for proxies; add --proxy-port/, ['--port', '0', '--proxy-from', '::1']],
      [/--host example\.org is no IP address/, ['--port', '0', '--host', 'example.org']],
      [
        /a lab server listens on loopback only/,
        ['--port', '0', '--host', '0.0.0.0', '--lab', '--i-know-anyone-can-log-in'],
      ],
      [
        /'kqueue' is not known here; use ring or epoll or net or auto/,
        ['--port', '0', '--engine', 'kqueue'],
      ],
    ];
    for (const [pattern, args] of cases) {
      const { code, text } = await refusal(t, ...args);
      assert.match(text, pattern);
      assert.equal(text.trim().split('\n').length, 1);
      assert.equal(code, 2, text);
    }
  });

  test('a port in use is exit 3, also where several workers could share it', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    t.after(() => void other.close());
    await once(other, 'listening');
    const port = String((other.address() as { port: number }).port);
    for (const workers of ['1', '2']) {
      const { code, text } = await refusal(t, '--port', port, '--workers', workers);
      assert.match(text, /port is in use/);
      assert.equal(code, 3);
    }
    const first = await startServer(t, ['--workers', '2']);
    const { code, text } = await refusal(t, '--port', String(first.port), '--workers', '2');
    assert.match(text, /port is in use/);
    assert.equal(code, 3);
  });

  test('a Unix socket that cannot be is exit 3, with a remedy about files', async (t) => {
    const folder = temporaryFolder(t);
    const taken = join(folder, 'file');
    writeFileSync(taken, 'kept');
    const cases: [RegExp, string][] = [
      [
        /cannot listen on \S+\/absent\/s: EACCES; .*folder that exists/,
        join(folder, 'absent', 's'),
      ],
      [/cannot listen on \S+\/file: .*the file is no socket; name another/, taken],
      [/cannot listen on \S+\/file\/s: \w+; .*folder that exists/, join(taken, 's')],
      [/cannot listen on \/a+: \w+; .*at most 107 bytes/, `/${'a'.repeat(300)}`],
    ];
    for (const [pattern, path] of cases) {
      const { code, text } = await refusal(t, '--unix', path);
      assert.match(text, pattern);
      assert.equal(code, 3, text);
    }
    assert.equal(readFileSync(taken, 'utf8'), 'kept');
  });

  test('an address that is asked for in so many words is listened on', async (t) => {
    const args = ['--host', '0.0.0.0', '--i-know-anyone-can-log-in', '--port', '0'];
    const command = startWsar(t, ['serve', ...args]);
    const [, port] = await command.line(/^ready mqtt:\/\/0\.0\.0\.0:(\d+)\n/);
    assert.ok(Number(port) > 0);
  });

  test('--json: the schema, then rows that hold exactly its metrics', async (t) => {
    const server = await startServer(t, ['--workers', '1']);
    await server.values(() => true);
    const [, schemaLine, rowLine] = server.command.stdout().split('\n');
    const { schema } = JSON.parse(schemaLine!) as { schema: SourceSchema };
    assert.equal(schema.source, 'server');
    assert.deepEqual(schema.metrics, SERVER_METRIC_DEFS);
    const row = JSON.parse(rowLine!) as Row;
    assert.equal(row.wallMs % 1000, 0);
    assert.deepEqual(
      Object.keys(row.values),
      schema.metrics.map(({ name }) => name),
    );
    for (const { name, unit, short, help } of schema.metrics) {
      assert.ok(unit !== '' && short !== '' && help !== '', name);
      assert.equal(typeof row.values[name], 'number', name);
    }
  });

  test('the manual lists every metric', () => {
    const manual = readFileSync(join(ROOT, 'docs/tools/serve.md'), 'utf8');
    const missing = SERVER_METRIC_DEFS.filter(
      ({ name }) => !manual.includes(`\`${name}\``) && !manual.includes(`\`${name.slice(12)}\``),
    );
    assert.deepEqual(missing, []);
  });

  test('in a lab: rows and schema on the bus, knobs turned in every worker and read back', async (t) => {
    const embedded = await startEmbeddedBus();
    const bus = await connectBus(embedded.url, { clientId: 'test' });
    t.after(async () => {
      await bus.close();
      await embedded.close();
    });
    const lab = 'serve-test';
    const rows: Row[] = [];
    const schemas: SourceSchema[] = [];
    const host = hostName();
    const arrived = Promise.withResolvers<void>();
    await bus.subscribe(topic.schema(lab, host, 'server'), (_topic, value) => {
      schemas.push(value as SourceSchema);
    });
    await bus.subscribe(topic.row(lab, host, 'server'), (_topic, value) => {
      rows.push(value as Row);
      arrived.resolve();
    });
    const env = writeLabEnvironment({
      busUrl: embedded.url,
      storeUrl: undefined,
      lab,
      runId: 'r1',
      hasLifeline: false,
    });
    const server = await startServer(t, ['--workers', '2', '--lab'], { env });
    await arrived.promise;
    assert.deepEqual(schemas[0]?.metrics, SERVER_METRIC_DEFS);
    assert.equal(rows[0]?.values['wsar.server.workers'], 2);

    const turn = (name: string, value: string | number) =>
      turnKnob(bus, { lab, owner: 'server', name, value, by: 'test', timeoutMs: 5000 });
    assert.equal((await turn('write.flush', 'immediate')).value, 'immediate');
    assert.equal((await turn('receive.arming', 'recv')).value, 'recv');
    assert.equal((await turn('inject.cpu', 300)).value, 300);
    const refused = await turn('inject.cpu', 5000);
    assert.equal(refused.value, 300);
    assert.ok(refused.refused !== undefined);

    assert.equal((await turn('turn.gather', 500)).value, 500);
    assert.equal((await turn('turn.spin', 200)).value, 200);
    if (chooseEngine('auto').engine === 'ring') {
      assert.equal((await turn('accept.backlog', 77)).value, 77);
      const { stdout } = spawnSync('ss', ['-Hltn', `sport = :${server.port}`], {
        encoding: 'utf8',
      });
      if (stdout) assert.match(stdout, /\b77\b/, 'the kernel says so too');
    }
    assert.equal((await turn('queue.window', 5)).value, 5);

    // The planted slow-down is really there: 200 messages cost at least 200 times 300 us.
    const cpuUs = async (): Promise<number> =>
      (await server.values(() => true, 'new'))['wsar.server.cpu_us'] as number;
    const ann = await client(t, server, { clientId: 'ann' });
    await ann.subscribeAsync('m/ann', { qos: 1 });
    const before = await cpuUs();
    await Promise.all(
      Array.from({ length: 200 }, () => ann.publishAsync('m/ann', 'x', { qos: 1 })),
    );
    await server.values((value) => value('messages.delivered') === 200);
    assert.ok((await cpuUs()) - before >= 60_000);

    // The queue limit holds at once: three are stored, two are not acknowledged.
    assert.equal((await turn('queue.mailbox', 3)).value, 3);
    for (let i = 0; i < 5; i++) ann.publish('m/nobody-yet', 'x', { qos: 1 }, () => {});
    const full = await server.values((value) => value('messages.withheld') === 2);
    assert.equal(full['wsar.server.queue.length'], 3);

    server.command.child.kill('SIGINT');
    assert.equal(await server.command.exit(), 130);
  });

  test('an alert is told to who runs it, though nobody reads its figures', async (t) => {
    const command = startWsar(t, [
      'serve',
      '--port',
      '0',
      '--mailbox',
      '10',
      '--sys-interval',
      '0',
    ]);
    const [, url] = await command.line(/^ready (.*)\n/);
    const sender = await mqtt.connectAsync(url!, { clientId: 'sender' });
    t.after(() => void sender.end(true));
    for (let index = 0; index < 9; index++) {
      await sender.publishAsync('m/away', String(index), { qos: 1 });
    }
    const told = /^wsar serve: alert mailbox-near-full raised: .*\n/m;
    while (!told.test(command.stderr())) await once(command.child.stderr!, 'data');
  });

  test('a bus that does not answer is exit 4', async (t) => {
    const env = { WSAR_BUS_URL: 'mqtt://a:b@127.0.0.1:1' };
    const command = startWsar(t, ['serve', '--port', '0', '--workers', '1'], { env });
    assert.equal(await command.exit(), 4);
  });

  test('the death of its parent ends it: exit 4', async (t) => {
    const server = await startServer(t, ['--workers', '1'], {
      env: { WSAR_LIFELINE: '1' },
      stdin: 'pipe',
    });
    server.command.child.stdin!.end();
    assert.equal(await server.command.exit(), 4);
    assert.match(server.command.stderr(), /parent|started this server is gone/);
  });
});
