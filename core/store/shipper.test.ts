// What the shipper does when the store misbehaves; that it brings everything stands in store.test.ts.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabEvent } from '#core/bus/topic.ts';
import { VirtualClock } from '#core/clock/clock.ts';
import type { Row } from '#core/metric/row.ts';
import { encodeFrame } from '#core/spool/frame.ts';
import {
  eventPayload,
  FRAME_EVENT,
  FRAME_ROW,
  rowPayload,
  toLines,
} from '#core/store/shipped-frames.ts';
import { createShipper, type ShipperOptions } from '#core/store/shipper.ts';
import { ROOT, temporaryFolder } from '#test/command.ts';
import { freePort } from '#test/free-port.ts';

const row = (tick: number, more: Partial<Row> = {}): Row => ({
  wallMs: 1_790_000_000_000 + tick * 1000,
  tick,
  missedTicks: 0,
  intervalUs: 1e6,
  values: { a: tick },
  ...more,
});

/** A store of our own making: answers each request as told, and remembers what came. */
async function fakeStore(
  t: TestContext,
  answer: (sql: string, body: string, response: ServerResponse) => void,
) {
  const server = createServer((request: IncomingMessage, response) => {
    const sql = new URL(request.url ?? '', 'http://x').searchParams.get('query') ?? '';
    let body = '';
    request.setEncoding('utf8').on('data', (part) => (body += part));
    request.on('end', () => answer(sql || body, body, response));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://wsar:token@127.0.0.1:${(server.address() as { port: number }).port}`;
}

function start(t: TestContext, options: Partial<ShipperOptions> & { clock?: VirtualClock }) {
  const clock = options.clock ?? new VirtualClock();
  const spoolFolder = options.spoolFolder ?? temporaryFolder(t);
  const shipper = createShipper({
    storeUrl: undefined,
    runId: 'run',
    clock,
    ...options,
    spoolFolder,
  });
  return { clock, spoolFolder, shipper };
}

async function until(clock: VirtualClock, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    clock.advance(1000);
    await sleep(10);
  }
}

test('without a store rows stay in the spool, and a later shipper brings them', async (t) => {
  const first = start(t, {});
  for (let tick = 0; tick < 20; tick++) first.shipper.row('h', 'host', row(tick));
  first.clock.advance(5000);
  await first.shipper.close();
  assert.equal(first.shipper.stats.shipped, 0);
  assert.ok(readdirSync(first.spoolFolder).some((name) => name.endsWith('.spool')));
  const got: string[] = [];
  const storeUrl = await fakeStore(t, (sql, body, response) => {
    if (sql.startsWith('INSERT')) got.push(...body.trim().split('\n'));
    response.end();
  });
  const second = start(t, { storeUrl, spoolFolder: first.spoolFolder, runId: 'another' });
  await second.shipper.close();
  assert.equal(got.length, 20);
  assert.ok(
    got.every((line) => JSON.parse(line).run_id === 'run'),
    'rows keep their run',
  );
  assert.deepEqual(readdirSync(first.spoolFolder), []);
});

test('what the spool has no room for is counted, and nothing else is lost', async (t) => {
  const { shipper } = start(t, { spool: { diskBytesMax: 5000, bufferBytesMax: 3000 } });
  for (let tick = 0; tick < 100; tick++) {
    shipper.row('h', 'host', row(tick));
    await sleep(0);
  }
  const { taken, dropped } = shipper.stats;
  assert.equal(taken + dropped, 100);
  assert.ok(taken > 20 && dropped > 20, `${taken} taken, ${dropped} dropped`);
  await shipper.close();
});

test('pauses between attempts grow, and a store that comes back is used at once after them', async (t) => {
  let isUp = false;
  const attempts: number[] = [];
  let inserted = 0;
  const clock = new VirtualClock();
  const storeUrl = await fakeStore(t, (sql, body, response) => {
    if (!isUp) {
      attempts.push(clock.monoUs() / 1e6);
      response.writeHead(500).end('Code: 999. DB::Exception: not today');
      return;
    }
    if (sql.startsWith('INSERT')) inserted += body.trim().split('\n').length;
    response.end();
  });
  const { shipper } = start(t, { storeUrl, clock });
  shipper.row('h', 'host', row(1));
  await until(clock, () => attempts.length >= 6);
  const pauses = attempts.slice(1, 6).map((at, index) => Math.round(at - attempts[index]!));
  // On a busy machine a request may take virtual seconds, which only lengthens a pause.
  for (const [index, least] of [2, 4, 8, 10, 10].entries()) {
    assert.ok(pauses[index]! >= least, `pauses of ${pauses} s`);
  }
  assert.ok(shipper.stats.retried >= 5);
  assert.match(shipper.stats.lastError ?? '', /not today/);
  isUp = true;
  await until(clock, () => shipper.stats.waitingBytes === 0);
  assert.deepEqual([inserted, shipper.stats.shipped, shipper.stats.lastError], [1, 1, undefined]);
  await shipper.close();
});

test('a batch that the store cannot read is dropped after three attempts, and the next ones pass', async (t) => {
  let inserts = 0;
  const storeUrl = await fakeStore(t, (sql, body, response) => {
    if (sql.startsWith('INSERT')) {
      inserts++;
      if (body.includes('"poison"')) {
        response.writeHead(400).end('Code: 27. DB::Exception: Cannot parse input. (CANNOT_PARSE)');
        return;
      }
    }
    response.end();
  });
  const { clock, shipper } = start(t, { storeUrl });
  shipper.row('h', 'poison', row(1));
  await until(clock, () => shipper.stats.waitingBytes === 0);
  assert.equal(inserts, 3);
  assert.deepEqual([shipper.stats.shipped, shipper.stats.dropped], [0, 1]);
  shipper.row('h', 'host', row(2));
  await until(clock, () => shipper.stats.waitingBytes === 0);
  assert.deepEqual([shipper.stats.shipped, shipper.stats.dropped], [1, 1]);
  await shipper.close();
});

test('closing is bounded when the store hangs or is gone; the rows stay', async (t) => {
  const hanging = await fakeStore(t, () => {});
  const gone = `http://wsar:token@127.0.0.1:${await freePort()}`;
  await Promise.all(
    [hanging, gone].map(async (storeUrl) => {
      const { clock, shipper, spoolFolder } = start(t, { storeUrl });
      shipper.row('h', 'host', row(1));
      clock.advance(1000);
      await shipper.close();
      await shipper.close();
      assert.equal(shipper.stats.shipped, 0);
      assert.ok(shipper.stats.waitingBytes > 0);
      assert.ok(readdirSync(spoolFolder).some((name) => name.endsWith('.spool')));
    }),
  );
});

test('a killed shipper leaves its rows in order and without a hole for the next one', async (t) => {
  const spoolFolder = temporaryFolder(t);
  const script = `
    import { systemClock } from '#core/clock/clock.ts';
    import { createShipper } from '#core/store/shipper.ts';
    const shipper = createShipper({ storeUrl: undefined, runId: 'run',
      spoolFolder: ${JSON.stringify(spoolFolder)}, clock: systemClock });
    let tick = 0;
    setInterval(() => {
      shipper.row('h', 'host', { wallMs: 1.79e12, tick, missedTicks: 0, intervalUs: 1e6, values: { a: tick } });
      process.stdout.write(tick++ + '\\n');
    }, 2);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  t.after(() => void child.kill('SIGKILL'));
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text) => (told += text));
  const ended = once(child, 'close');
  while (told.split('\n').length < 100) await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await ended;
  const values: number[] = [];
  const storeUrl = await fakeStore(t, (sql, body, response) => {
    if (sql.startsWith('INSERT')) {
      for (const line of body.trim().split('\n')) values.push(JSON.parse(line).value);
    }
    response.end();
  });
  const { shipper } = start(t, { storeUrl, spoolFolder });
  await shipper.close();
  // The last rows may still have been on their way to the file; spool.test.ts holds what is in it.
  assert.ok(values.length > 0);
  assert.deepEqual(
    values,
    values.map((_, index) => index),
  );
});

test('rows of other makes are counted and spoil nothing', () => {
  const origin = { runId: 'r', host: 'h', source: 's' };
  const frame = (type: number, payload: Buffer) => ({
    type,
    payload: encodeFrame(type, payload).subarray(9),
  });
  const rowFrame = (value: unknown) => frame(FRAME_ROW, rowPayload(origin, value as Row));
  const eventFrame = (value: unknown) =>
    frame(FRAME_EVENT, eventPayload(origin, value as LabEvent));
  const good = rowFrame(row(1, { values: { a: 1, nothing: null }, decays: { a: [1, 1, 1] } }));
  const lines = toLines([
    good,
    rowFrame({}),
    rowFrame({ ...row(1), wallMs: 'now' }),
    rowFrame({ ...row(1), wallMs: -1 }),
    rowFrame({ ...row(1), wallMs: 1e300 }),
    rowFrame({ ...row(1), values: null }),
    eventFrame({}),
    eventFrame({ wallMs: 5.4, kind: 'note', text: 'x' }),
    frame(9, Buffer.from('{}')),
    frame(FRAME_ROW, Buffer.from('not json')),
    frame(FRAME_ROW, Buffer.from('null')),
    rowFrame({ ...row(2), values: { a: 'text', b: { deep: 1 }, c: 3 } }),
  ]);
  assert.equal(lines.refused, 9);
  assert.deepEqual(
    lines.rows.map(({ metric, value }) => [metric, value]),
    [
      ['a', 1],
      ['c', 3],
    ],
  );
  assert.deepEqual(lines.events, [
    { run_id: 'r', host: 'h', source: 's', wall_ms: 5, kind: 'note', text: 'x', data: '{}' },
  ]);
});
