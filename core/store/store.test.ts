// One contract, two back ends: the embedded store as `wsar store` serves it, and Debian's ClickHouse
// server of 2018. What passes here may be used by the other parts.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { ClickHouseLogLevel, createClient } from '@clickhouse/client';
import type { LabEvent } from '#core/bus/topic.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { Row } from '#core/metric/row.ts';
import { createShipper, type Shipper } from '#core/store/shipper.ts';
import { exceptionCode, openStore, type Store } from '#core/store/store.ts';
import { ensureSchema, type RowLine, TABLES } from '#core/store/tables.ts';
import { startClickHouseServer } from '#test/clickhouse-server.ts';
import { startWsar, temporaryFolder } from '#test/command.ts';
import { needPrograms } from '#test/foreign-part.ts';
import { freePort } from '#test/free-port.ts';

interface BackEnd {
  url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

async function startEmbedded(t: TestContext): Promise<BackEnd> {
  const folder = temporaryFolder(t);
  const start = async (port: string) => {
    const store = startWsar(t, ['store', '--port', port, '--folder', folder]);
    const [, urlFile] = await store.line(/^url-file (.+)$/m);
    return { store, url: readFileSync(urlFile!, 'utf8').trim() };
  };
  let running = await start('0');
  const { url } = running;
  return {
    url,
    async kill() {
      running.store.child.kill('SIGKILL');
      await running.store.exit();
    },
    async restart() {
      running = await start(new URL(url).port);
      assert.equal(running.url, url, 'the token is kept');
    },
  };
}

const BACK_ENDS = [
  { name: 'the embedded store', start: startEmbedded, skip: false as const },
  {
    name: 'clickhouse-server',
    start: startClickHouseServer,
    skip: needPrograms('clickhouse-server'),
  },
];

async function openWithTables(t: TestContext, url: string): Promise<Store> {
  const store = await openStore(url);
  t.after(() => store.close());
  await ensureSchema(store);
  return store;
}

const line = (wall_ms: number, more: Partial<RowLine> = {}): RowLine => ({
  run_id: 'r',
  host: 'h',
  source: 'host',
  metric: 'm',
  wall_ms,
  value: 1,
  ...more,
});

const NOW_MS = 1_790_000_000_000;

function row(tick: number, values: Row['values'] = { a: tick, b: tick / 3, c: null }): Row {
  return { wallMs: NOW_MS + tick * 1000, tick, missedTicks: 0, intervalUs: 1e6, values };
}

/** Lets the shipper's seconds pass until the store has confirmed everything. */
async function shipped(clock: VirtualClock, shipper: Shipper): Promise<void> {
  while (shipper.stats.waitingBytes > 0) {
    clock.advance(1000);
    await sleep(20);
  }
}

for (const { name, start, skip } of BACK_ENDS) {
  describe(`store: ${name}`, { skip }, () => {
    test('rows of every kind come back as they went in, and twice is once', async (t) => {
      const { url } = await start(t);
      const store = await openWithTables(t, url);
      await Promise.all([ensureSchema(store), ensureSchema(store)]);
      const texts = [
        "it's",
        'a\\b',
        'tab\there',
        'line\nbreak',
        '"quoted"',
        'é 漢 😀',
        '{x:String}',
        '',
      ];
      const values = [0, -1.5, 1e-300, 1.7976931348623157e308, 0.1, 2 ** 53];
      const lines = [
        ...texts.map((metric, index) => line(NOW_MS + index, { metric, host: metric })),
        ...values.map((value, index) => line(NOW_MS + index, { metric: 'value', value })),
      ];
      await store.insert('rows', lines);
      await store.insert('rows', lines);
      await store.insert('rows', []);
      const back = await store.query<RowLine>('SELECT * FROM rows FINAL ORDER BY wall_ms, metric');
      const order = (a: RowLine, b: RowLine): number =>
        a.wall_ms - b.wall_ms || Buffer.compare(Buffer.from(a.metric), Buffer.from(b.metric));
      assert.deepEqual(back, lines.sort(order));
      for (const text of texts) {
        const found = await store.query<{ n: number }>(
          'SELECT count() AS n FROM rows FINAL WHERE metric = {metric:String} AND host = {metric:String}',
          { metric: text },
        );
        assert.deepEqual(found, [{ n: 1 }], text);
      }
      assert.deepEqual(
        await store.query(
          `SELECT {a:UInt64} AS a, {b:Float64} AS b, {c:Array(String)} AS c, {d:Array(UInt32)} AS d,
             {e:Int8} AS e, (SELECT count() FROM {t:Identifier} FINAL) AS n`,
          { a: 2 ** 53 - 1, b: -0.5, c: ["x'", 'y\\'], d: [1, 2], e: true, t: 'rows' },
        ),
        [{ a: 2 ** 53 - 1, b: -0.5, c: ["x'", 'y\\'], d: [1, 2], e: 1, n: lines.length }],
      );
    });

    test('what is wrong is told in one sentence that shows no token', async (t) => {
      const { url } = await start(t);
      const store = await openWithTables(t, url);
      const { password } = new URL(url);
      const refused = async (attempt: Promise<unknown>, code: string, pattern: RegExp) => {
        await assert.rejects(attempt, (error) => {
          assert.ok(error instanceof WsarError);
          assert.equal(error.code, code);
          assert.match(error.message, pattern);
          assert.ok(!error.message.includes(decodeURIComponent(password)));
          return true;
        });
      };
      await refused(store.query('SELEC 1'), 'WSAR_ERR_SYSTEM', /code 62/);
      await refused(store.query('SELECT nope FROM rows'), 'WSAR_ERR_SYSTEM', /code 47.*nope/);
      await refused(store.query('SELECT 1 FROM nowhere'), 'WSAR_ERR_SYSTEM', /code 60/);
      await refused(store.insert('nowhere', [{ a: 1 }]), 'WSAR_ERR_SYSTEM', /code 60/);
      await refused(
        store.insert('rows', [{ ...line(1), value: 'much' }]),
        'WSAR_ERR_SYSTEM',
        /code \d+/,
      );
      await assert.rejects(store.query('SELECT {a:String}'), /parameter 'a' has a value/);
      await assert.rejects(
        store.query('SELECT 1', { a: 1 }),
        /every parameter stands in the query: a/,
      );
      const wrong = new URL(url);
      wrong.password = 'wrong';
      await refused(openStore(wrong.href), 'WSAR_ERR_UNREACHABLE', /cannot be used/);
      await refused(
        openStore(`http://a:secret-token@127.0.0.1:${await freePort()}`),
        'WSAR_ERR_UNREACHABLE',
        /ECONNREFUSED/,
      );
      await store.query('SELECT nope').catch((error) => assert.equal(exceptionCode(error), 47));
    });

    test('the shipper brings rows, events and histograms, and leaves nothing behind', async (t) => {
      const { url } = await start(t);
      const spoolFolder = temporaryFolder(t);
      const clock = new VirtualClock();
      const shipper = createShipper({ storeUrl: url, runId: 'run', spoolFolder, clock });
      for (let tick = 0; tick < 50; tick++) {
        shipper.row('h', 'host', row(tick));
        shipper.row('h', 'load', { ...row(tick), histograms: { latency: `hdr${tick}` } });
      }
      shipper.row('h', 'host', { ...row(60), missedTicks: 9 });
      const event: LabEvent = {
        wallMs: NOW_MS,
        kind: 'knob',
        text: "it's turned",
        data: { to: 'x' },
      };
      shipper.event('h', 'server', event);
      await shipped(clock, shipper);
      const { taken, shipped: confirmed, dropped, retried, lastError } = shipper.stats;
      assert.deepEqual(
        [taken, confirmed, dropped, retried, lastError],
        [102, 102, 0, 0, undefined],
      );
      shipper.event('h', 'server', { ...event, text: 'the last word' });
      await shipper.close();
      assert.equal(shipper.stats.shipped, 103);
      assert.deepEqual(readdirSync(spoolFolder), []);
      const store = await openWithTables(t, url);
      const count = (table: string) =>
        store.query<{ n: number }>('SELECT count() AS n FROM {t:Identifier} FINAL', { t: table });
      assert.deepEqual(await count('rows'), [{ n: 50 * 2 * 2 + 2 + 1 }], 'nulls have no row');
      assert.deepEqual(await count('histograms'), [{ n: 50 }]);
      assert.deepEqual(
        await store.query('SELECT kind, text, data, wall_ms FROM events FINAL ORDER BY text'),
        [
          { kind: 'knob', text: "it's turned", data: '{"to":"x"}', wall_ms: NOW_MS },
          { kind: 'knob', text: 'the last word', data: '{"to":"x"}', wall_ms: NOW_MS },
        ],
      );
      assert.deepEqual(
        await store.query(
          "SELECT value, wall_ms FROM rows FINAL WHERE metric = 'wsar.tick.missed'",
        ),
        [{ value: 9, wall_ms: NOW_MS + 60_000 }],
      );
    });

    test('a store that is killed and comes back misses nothing', async (t) => {
      const backEnd = await start(t);
      const spoolFolder = temporaryFolder(t);
      const clock = new VirtualClock();
      const shipper = createShipper({ storeUrl: backEnd.url, runId: 'run', spoolFolder, clock });
      let tick = 0;
      const rows = (count: number): void => {
        for (const end = tick + count; tick < end; tick++) shipper.row('h', 'host', row(tick));
      };
      rows(100);
      await shipped(clock, shipper);
      rows(100);
      clock.advance(1000);
      // In the middle of a batch, as far as anybody can tell.
      await backEnd.kill();
      rows(100);
      for (let second = 0; second < 5; second++) {
        clock.advance(1000);
        await sleep(20);
      }
      assert.ok(shipper.stats.retried > 0);
      assert.ok(shipper.stats.waitingBytes > 0);
      assert.match(shipper.stats.lastError ?? '', /cannot be used/);
      await backEnd.restart();
      rows(100);
      await shipped(clock, shipper);
      assert.equal(shipper.stats.dropped, 0);
      assert.equal(shipper.stats.lastError, undefined);
      await shipper.close();
      const store = await openWithTables(t, backEnd.url);
      assert.deepEqual(
        await store.query(
          'SELECT count() AS n, uniqExact(wall_ms) AS seconds, sum(value) AS sum ' +
            'FROM rows FINAL WHERE metric = {m:String}',
          { m: 'a' },
        ),
        [{ n: tick, seconds: tick, sum: (tick * (tick - 1)) / 2 }],
      );
    });

    test('the common ways of HTTP: url, body, headers, formats, gzip', async (t) => {
      const { url } = await start(t);
      const { username, password, origin } = new URL(url);
      const [user, token] = [decodeURIComponent(username), decodeURIComponent(password)];
      const basic = `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`;
      const ask = async (query: string, init: RequestInit = {}) => {
        const answer = await fetch(`${origin}/?${query}`, {
          ...init,
          headers: { authorization: basic, ...(init.headers as Record<string, string>) },
        });
        return [answer.status, await answer.text()];
      };
      const q = (sql: string): string => `query=${encodeURIComponent(sql)}`;
      assert.equal(await (await fetch(`${origin}/ping`)).text(), 'Ok.\n');
      assert.deepEqual(await ask(q('SELECT 1, 2')), [200, '1\t2\n']);
      assert.deepEqual(await ask('', { method: 'POST', body: 'SELECT 3' }), [200, '3\n']);
      assert.deepEqual(await ask(q('SELECT'), { method: 'POST', body: '4' }), [200, '4\n']);
      assert.deepEqual(await ask(`${q('SELECT 5 AS a')}&default_format=JSONEachRow`), [
        200,
        '{"a":5}\n',
      ]);
      assert.deepEqual(await ask(q('SELECT 6 AS a FORMAT CSVWithNames')), [200, '"a"\n6\n']);
      const create = 'CREATE TABLE default.t (a UInt8, b String) ENGINE = Memory';
      assert.deepEqual(await ask('', { method: 'POST', body: create }), [200, '']);
      const insert = `database=default&${q('INSERT INTO t FORMAT JSONEachRow')}`;
      assert.deepEqual(
        await ask(insert, { method: 'POST', body: '{"a":1,"b":"x"}\n{"a":2,"b":"y"}' }),
        [200, ''],
      );
      const packed = {
        method: 'POST',
        body: gzipSync('{"a":3,"b":"z"}\n'),
        headers: { 'content-encoding': 'gzip' },
      };
      assert.deepEqual(await ask(insert, packed), [200, '']);
      assert.deepEqual(
        await ask('', { method: 'POST', body: "INSERT INTO default.t VALUES (4, 'it''s')" }),
        [200, ''],
      );
      assert.deepEqual(await ask(q('SELECT a, b FROM default.t ORDER BY a')), [
        200,
        "1\tx\n2\ty\n3\tz\n4\tit\\'s\n",
      ]);
      const csv = { method: 'POST', body: '5,"empty\n\nline;"\n6,""\n' };
      assert.deepEqual(await ask(`database=default&${q('INSERT INTO t FORMAT CSV')}`, csv), [
        200,
        '',
      ]);
      assert.deepEqual(await ask(q('SELECT b FROM default.t WHERE a = 5')), [
        200,
        'empty\\n\\nline;\n',
      ]);
      const sly = { method: 'POST', body: '{"a":7,"b":""}\n\nDROP TABLE default.t' };
      assert.match(String((await ask(insert, sly))[1]), /^Code: \d+/, 'data is never a statement');
      assert.equal((await ask(q('SELECT count() > 5 FROM default.t')))[0], 200);
      const raw = await fetch(`${origin}/?${q('SELECT 7')}&enable_http_compression=1`, {
        headers: { authorization: basic, 'accept-encoding': 'gzip' },
      });
      assert.equal(raw.headers.get('content-encoding'), 'gzip');
      assert.equal(await raw.text(), '7\n');
      const headers = { 'x-clickhouse-user': user, 'x-clickhouse-key': token };
      assert.equal(await (await fetch(`${origin}/?${q('SELECT 8')}`, { headers })).text(), '8\n');
      const login = `user=${encodeURIComponent(user)}&password=${encodeURIComponent(token)}`;
      assert.equal(await (await fetch(`${origin}/?${login}&${q('SELECT 9')}`)).text(), '9\n');
      for (const sql of [
        'SELECT nope',
        'SELEC',
        'SELECT 1 FROM default.nowhere',
        'INSERT INTO default.t VALUES (5',
      ]) {
        const [status, text] = await ask('', { method: 'POST', body: sql });
        assert.ok(Number(status) >= 400, sql);
        assert.match(String(text), /^Code: \d+/);
      }
      assert.match(
        String((await ask(q("INSERT INTO default.t VALUES (9, '')")))[1]),
        /Code: 164/,
        'GET changes nothing',
      );
    });

    test('@clickhouse/client as others use it', async (t) => {
      const { url } = await start(t);
      for (const compression of [false, true]) {
        const client = createClient({
          url,
          compression: { request: compression, response: compression },
          log: { level: ClickHouseLogLevel.OFF },
        });
        t.after(() => client.close());
        assert.equal((await client.ping()).success, true);
        assert.equal((await client.ping({ select: true })).success, true);
        await client.command({ query: 'DROP TABLE IF EXISTS default.c' });
        await client.command({
          query: 'CREATE TABLE default.c (a UInt32, b Array(String), c Float64) ENGINE = Memory',
          clickhouse_settings: { wait_end_of_query: 1 },
        });
        const values = Array.from({ length: 2000 }, (_, a) => ({ a, b: [`${a}`, 'é'], c: a / 4 }));
        await client.insert({ table: 'default.c', values, format: 'JSONEachRow' });
        const each = await client.query({
          query: 'SELECT * FROM default.c ORDER BY a',
          format: 'JSONEachRow',
        });
        assert.deepEqual(await each.json(), values);
        const whole = await client.query({
          query: 'SELECT a FROM default.c WHERE a < 3 ORDER BY a',
          format: 'JSON',
        });
        const json = await whole.json<{ a: number }>();
        assert.deepEqual([json.rows, json.data], [3, [{ a: 0 }, { a: 1 }, { a: 2 }]]);
        const compact = await client.query({
          query: 'SELECT a, c FROM default.c WHERE a = 8',
          format: 'JSONCompact',
        });
        assert.deepEqual((await compact.json()).data, [[8, 2]]);
        const csv = await client.query({
          query: 'SELECT a FROM default.c WHERE a = 5',
          format: 'CSV',
        });
        assert.equal(await csv.text(), '5\n');
        let streamed = 0;
        const stream = await client.query({
          query: 'SELECT a FROM default.c',
          format: 'JSONEachRow',
        });
        for await (const rows of stream.stream()) streamed += rows.length;
        assert.equal(streamed, 2000);
        await assert.rejects(
          client.query({ query: 'SELECT nope' }),
          (error) => exceptionCode(error) === 47,
        );
        await client.close();
      }
    });
  });
}

test('the schema is what every supported server takes', () => {
  for (const [table, sql] of Object.entries(TABLES)) {
    assert.match(sql, new RegExp(`^CREATE TABLE IF NOT EXISTS ${table} `));
    assert.doesNotMatch(sql, /DateTime64|LowCardinality|CODEC|TTL|Nullable/);
  }
});
