// What only the embedded store promises: its limits, its refusals, and that nothing of one request
// reaches another. What it shares with every ClickHouse server stands in core/store/store.test.ts.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import {
  type EndpointLimits,
  type StoreEndpoint,
  startEndpoint,
} from '#core/store/embedded/endpoint.ts';
import { type Engine, openEngine } from '#core/store/embedded/engine.ts';

const CREDENTIALS = { user: 'wsar', password: 'token' };
const folder = mkdtempSync(join(tmpdir(), 'wsar-test-'));
let engine: Engine;
let endpoint: StoreEndpoint;

before(async () => {
  engine = await openEngine(folder);
  endpoint = await startEndpoint(0, CREDENTIALS);
  endpoint.attach(engine);
});

after(async () => {
  await endpoint.close();
  await engine.close();
  rmSync(folder, { recursive: true });
});

interface Asked {
  query?: string;
  /** More of the url. */
  url?: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
  port?: number;
}

async function ask({ query, url = '', body, headers = {}, port = endpoint.port }: Asked) {
  const sql = query === undefined ? '' : `query=${encodeURIComponent(query)}&`;
  const answer = await fetch(`http://127.0.0.1:${port}/?${sql}${url}`, {
    method: body === undefined ? 'GET' : 'POST',
    ...(body === undefined ? {} : { body }),
    headers: { 'x-clickhouse-user': 'wsar', 'x-clickhouse-key': 'token', ...headers },
  });
  return {
    status: answer.status,
    text: await answer.text(),
    code: Number(answer.headers.get('x-clickhouse-exception-code')),
    headers: answer.headers,
  };
}

async function limited(limits: Partial<EndpointLimits>): Promise<StoreEndpoint> {
  const small = await startEndpoint(0, CREDENTIALS, {
    bodyBytesMax: 1e6,
    allBodiesBytesMax: 1e6,
    waitingMax: 64,
    ...limits,
  });
  small.attach(engine);
  return small;
}

test('parameters of the url arrive as they are, in every type', async () => {
  const client = createClient({
    url: `http://wsar:token@127.0.0.1:${endpoint.port}`,
    log: { level: ClickHouseLogLevel.OFF },
  });
  const values = {
    s: "it's\ta \\ \n {b:String} é",
    n: 42,
    f: -0.25,
    a: ["x'", 'y'],
    b: true,
    nothing: null,
  };
  const result = await client.query({
    query: `SELECT {s:String} AS s, {n:UInt64} AS n, {f:Float64} AS f, {a:Array(String)} AS a,
      {b:Bool} AS b, {nothing:Nullable(String)} AS nothing`,
    query_params: values,
    format: 'JSONEachRow',
  });
  assert.deepEqual(await result.json(), [values]);
  await client.close();
  const missing = await ask({ query: 'SELECT {x:String}' });
  assert.deepEqual([missing.status, missing.code], [400, 456]);
});

test('who has no token, or a wrong one, gets no answer', async () => {
  const base = `http://127.0.0.1:${endpoint.port}`;
  const basic = (text: string) => ({
    authorization: `Basic ${Buffer.from(text).toString('base64')}`,
  });
  const cases: [Record<string, string>, string, number][] = [
    [{}, '?query=SELECT+1', 401],
    [{ authorization: 'Bearer token' }, '?query=SELECT+1', 401],
    [{ authorization: 'Basic ???' }, '?query=SELECT+1', 401],
    [basic('wsar'), '?query=SELECT+1', 403],
    [basic('wsar:'), '?query=SELECT+1', 403],
    [basic('wsar:token2'), '?query=SELECT+1', 403],
    [basic('root:token'), '?query=SELECT+1', 403],
    [{ 'x-clickhouse-key': 'token' }, '?query=SELECT+1', 403],
    [{ ...basic('wsar:token'), 'x-clickhouse-key': 'wrong' }, '?query=SELECT+1', 403],
    [{}, '?user=wsar&password=no&query=SELECT+1', 403],
    [{}, '', 200],
    [basic('wsar:token'), '?query=SELECT+1', 200],
  ];
  for (const [headers, path, status] of cases) {
    const answer = await fetch(`${base}/${path}`, { headers });
    assert.equal(answer.status, status, JSON.stringify(headers));
    if (status === 401) assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic/);
    if (status !== 200)
      assert.match(await answer.text(), /^Code: (194|516)\. DB::Exception: .+\([A-Z_]+\)\n$/);
  }
  assert.equal((await fetch(`${base}/nowhere`)).status, 404);
  assert.equal(await (await fetch(`${base}/replicas_status`)).text(), 'Ok.\n');
});

test('an exception has its number, its name and a fitting status', async () => {
  const cases: [Asked, number, number][] = [
    [{ query: 'SELEC 1' }, 400, 62],
    [{ query: 'SELECT nope' }, 404, 47],
    [{ query: 'SELECT 1 FROM nowhere' }, 404, 60],
    [{ query: 'SELECT 1', url: 'database=nowhere' }, 404, 81],
    [{ query: 'SELECT 1 FORMAT Nope' }, 404, 73],
    [{ query: 'SELECT 1', url: 'no_such_setting=1' }, 404, 115],
    [{ query: 'SELECT 1', url: 'a%27b=1' }, 404, 115],
    [{ query: 'SELECT 1', url: 'session_id=x' }, 501, 48],
    [{ query: 'SELECT 1', url: 'compress=1' }, 501, 48],
    [{ query: 'CREATE TABLE g (a UInt8) ENGINE = Memory' }, 500, 164],
    [{ query: 'SELECT throwIf(1)' }, 500, 395],
    [{ body: 'SELECT 1', headers: { 'content-encoding': 'snappy' } }, 400, 89],
    [{ body: 'SELECT 1', headers: { 'content-encoding': 'gzip' } }, 400, 271],
    [{ body: Buffer.from([0x53, 0xff, 0x00]) }, 400, 62],
    [{ query: 'SELECT count() FROM numbers(1e12)', url: 'max_execution_time=1' }, 408, 159],
    [{ query: 'SELECT number FROM numbers(1000000)', url: 'max_result_bytes=1000' }, 500, 396],
  ];
  for (const [asked, status, code] of cases) {
    const answer = await ask(asked);
    assert.deepEqual([answer.status, answer.code], [status, code], JSON.stringify(asked));
    assert.match(answer.text, new RegExp(`^Code: ${code}\\. DB::Exception: [^]+\\([A-Z_]+\\)\n$`));
  }
});

test('settings, database and parameters of one request never reach another', async () => {
  const threads = { query: "SELECT getSetting('max_threads'), currentDatabase()" };
  const before = (await ask(threads)).text;
  assert.match(before, /\twsar\n$/);
  assert.equal(
    (await ask({ ...threads, url: 'max_threads=3&database=default' })).text,
    '3\tdefault\n',
  );
  assert.equal((await ask({ body: 'SET max_threads = 5' })).status, 200);
  assert.equal((await ask({ body: 'USE default' })).status, 200);
  assert.equal((await ask({ query: 'SELECT {p:String}', url: 'param_p=x' })).text, 'x\n');
  assert.equal((await ask({ query: 'SELECT {p:String}' })).code, 456);
  assert.equal((await ask(threads)).text, before);
});

test('settings of HTTP itself are taken and change nothing', async () => {
  const url =
    'wait_end_of_query=1&buffer_size=1000&quota_key=x&send_progress_in_http_headers=1&query_id=mine';
  const answer = await ask({ query: 'SELECT 1', url });
  assert.equal(answer.text, '1\n');
  assert.equal(answer.headers.get('x-clickhouse-query-id'), 'mine');
});

test('bodies come packed in every common way; answers have their type, length and summary', async () => {
  await ask({ body: 'CREATE TABLE packed (a UInt32) ENGINE = Memory' });
  const text = '{"a":1}\n{"a":2}\n\n{"a":3}';
  const packings: [string, Buffer][] = [
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['identity', Buffer.from(text)],
  ];
  for (const [encoding, body] of packings) {
    const headers = { 'content-encoding': encoding };
    const answer = await ask({ query: 'INSERT INTO packed FORMAT JSONEachRow', body, headers });
    assert.equal(answer.status, 200, answer.text);
    const summary = JSON.parse(answer.headers.get('x-clickhouse-summary')!);
    assert.equal(summary.written_rows, '3');
  }
  const binary = Buffer.from([4, 0, 0, 0, 5, 0, 0, 0]);
  const inserted = await ask({ query: 'INSERT INTO packed FORMAT RowBinary', body: binary });
  assert.equal(JSON.parse(inserted.headers.get('x-clickhouse-summary')!).written_rows, '2');
  const answer = await ask({
    query: 'SELECT a FROM packed',
    url: 'default_format=JSONEachRow',
  });
  assert.equal(answer.text.split('\n').length, 15);
  assert.equal(JSON.parse(answer.headers.get('x-clickhouse-summary')!).read_rows, '14');
  const types: [string, string][] = [
    ['JSON', 'application/json; charset=UTF-8'],
    ['JSONEachRow', 'application/x-ndjson; charset=UTF-8'],
    ['CSV', 'text/csv; charset=UTF-8'],
    ['TSV', 'text/tab-separated-values; charset=UTF-8'],
    ['Pretty', 'text/plain; charset=UTF-8'],
    ['RowBinary', 'application/octet-stream'],
  ];
  for (const [format, type] of types) {
    const { headers } = await ask({ query: `SELECT 1 AS a FORMAT ${format}` });
    assert.equal(headers.get('content-type'), type);
    assert.equal(headers.get('x-clickhouse-format'), format);
  }
  const head = await fetch(`http://127.0.0.1:${endpoint.port}/?query=SELECT+1`, {
    method: 'HEAD',
    headers: { 'x-clickhouse-user': 'wsar', 'x-clickhouse-key': 'token' },
  });
  assert.equal(head.status, 200);
});

test('a body has a largest size, packed or not, and all together have one', async (t) => {
  const small = await limited({ bodyBytesMax: 10_000, allBodiesBytesMax: 15_000 });
  t.after(() => small.close());
  const { port } = small;
  const fits = await ask({ port, body: `SELECT 1 -- ${'x'.repeat(4000)}` });
  assert.equal(fits.text, '1\n');
  const large = await ask({ port, body: `SELECT 1 -- ${'x'.repeat(10_000)}` });
  assert.deepEqual([large.status, large.code], [413, 229]);
  const bomb = gzipSync(Buffer.alloc(1_000_000, ' '));
  const unpacked = await ask({ port, body: bomb, headers: { 'content-encoding': 'gzip' } });
  assert.deepEqual([unpacked.status, unpacked.code], [413, 229]);
  const sleepy = `SELECT sleep(0.3) -- ${'x'.repeat(8000)}`;
  const both = await Promise.all([ask({ port, body: sleepy }), ask({ port, body: sleepy })]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 503]);
  assert.equal((await ask({ port, body: sleepy })).status, 200, 'the room is free again');
});

test('a few statements run, a bounded number wait, and an insert does not wait for questions', async (t) => {
  const small = await limited({ waitingMax: 3 });
  t.after(() => small.close());
  const { port } = small;
  await ask({ port, body: 'CREATE TABLE lane (a UInt32) ENGINE = Memory' });
  const order: string[] = [];
  const questions = Array.from({ length: 10 }, async () => {
    const { status } = await ask({ port, query: 'SELECT sleep(0.5)' });
    if (status === 200) order.push('question');
    return status;
  });
  const insert = ask({ port, query: 'INSERT INTO lane FORMAT JSONEachRow', body: '{"a":1}' }).then(
    ({ status }) => {
      order.push('insert');
      return status;
    },
  );
  const statuses = await Promise.all(questions);
  assert.equal(await insert, 200);
  assert.deepEqual(
    [
      statuses.filter((status) => status === 200).length,
      statuses.filter((status) => status === 503).length,
    ],
    [5, 5],
  );
  assert.ok(order.indexOf('insert') < 2, order.join());
});

test('while a question works, the endpoint answers others', async () => {
  let isDone = false;
  const heavy = ask({ query: 'SELECT sum(sipHash64(number)) FROM numbers(100000000)' }).then(
    (answer) => {
      isDone = true;
      return answer;
    },
  );
  let pings = 0;
  while (pings < 20) {
    assert.equal(await (await fetch(`http://127.0.0.1:${endpoint.port}/ping`)).text(), 'Ok.\n');
    pings++;
  }
  assert.equal(isDone, false, '20 pings fit into one heavy question');
  assert.equal((await heavy).status, 200);
});

test('a client that goes away in the middle of its body, or its answer, hurts nobody', async () => {
  const head =
    'POST /?query=SELECT HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: wsar\r\nX-ClickHouse-Key: token\r\n';
  for (const rest of [
    'Content-Length: 100\r\n\r\nhalf',
    'Transfer-Encoding: chunked\r\n\r\n5\r\nab',
  ]) {
    const socket = createConnection(endpoint.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(head + rest);
    socket.resetAndDestroy();
    await once(socket, 'close');
  }
  const abort = new AbortController();
  const gone = fetch(
    `http://wsar.invalid`.replace(
      'wsar.invalid',
      `127.0.0.1:${endpoint.port}/?query=SELECT+sleep(0.2)`,
    ),
    {
      headers: { 'x-clickhouse-user': 'wsar', 'x-clickhouse-key': 'token' },
      signal: abort.signal,
    },
  );
  abort.abort();
  await assert.rejects(gone);
  assert.equal((await ask({ query: 'SELECT 1' })).text, '1\n');
});

test('before the engine is there, and after the end, a request is told so', async () => {
  const early = await startEndpoint(0, CREDENTIALS);
  const answer = await ask({ port: early.port, query: 'SELECT 1' });
  assert.deepEqual([answer.status, answer.code], [503, 236]);
  assert.equal((await fetch(`http://127.0.0.1:${early.port}/ping`)).status, 503);
  early.attach(engine);
  const running = ask({ port: early.port, query: 'SELECT sleep(0.3)' });
  while (
    (await ask({ port: early.port, query: 'SELECT count() FROM system.processes' })).text !== '2\n'
  );
  await early.close();
  assert.equal((await running).status, 200, 'what runs is answered before the end');
  await assert.rejects(ask({ port: early.port, query: 'SELECT 1' }));
});
