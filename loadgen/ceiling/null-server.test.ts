// The server that does nothing, as a foreign client sees it on every wire: a login, a subscription, and a message of
// the largest size that a load may have, whole.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import mqtt from 'mqtt';
import { whyNoOpenssl } from '#core/socket/tls/openssl.ts';
import { wake } from '#core/socket/waker.ts';
import type { NullServerPlan, NullServerReady } from '#loadgen/ceiling/null-server-worker.ts';
import { skipUnless } from '#test/foreign-part.ts';

const LARGEST_BYTES = 65_536;
const lack = whyNoOpenssl();
const skip = skipUnless(lack === undefined ? [] : [`OpenSSL (${lack})`], 'use Linux');

async function start(t: TestContext, speaks: Partial<NullServerPlan['speaks']>): Promise<number> {
  const over = new SharedArrayBuffer(4);
  const workerData: NullServerPlan = {
    ...{ connections: 16, receipts: true, engine: 'auto', over },
    speaks: { tls: false, webSocket: false, echoes: false, http: false, level: 4, ...speaks },
  };
  const worker = new Worker(new URL('./null-server-worker.ts', import.meta.url), { workerData });
  const ended = once(worker, 'exit');
  const [ready] = (await once(worker, 'message')) as [NullServerReady];
  t.after(async () => {
    Atomics.store(new Int32Array(over), 0, 1);
    wake(ready.waker);
    assert.deepEqual(await ended, [0]);
  });
  return ready.port;
}

const WIRES = { mqtt: [false, false], mqtts: [true, false], ws: [false, true], wss: [true, true] };
for (const [scheme, [tls, webSocket]] of Object.entries(WIRES)) {
  for (const level of [4, 5] as const) {
    test(`${scheme}, MQTT level ${level}: what is written to a mailbox arrives there`, {
      skip,
    }, async (t) => {
      const port = await start(t, { tls: tls!, webSocket: webSocket!, level });
      const client = await mqtt.connectAsync(`${scheme}://127.0.0.1:${port}/mqtt`, {
        ...{ protocolVersion: level, rejectUnauthorized: false, reconnectPeriod: 0 },
      });
      t.after(() => client.end(true));
      const granted = await client.subscribeAsync(['m/00000007', 'r/00000007'], { qos: 1 });
      assert.deepEqual(
        granted.map(({ qos }) => qos),
        [1, 1],
      );
      const payload = Buffer.alloc(LARGEST_BYTES, 'wsar ');
      const arrived = new Promise<[string, Buffer]>((resolve) => {
        client.on('message', (topic, bytes) => {
          if (topic.startsWith('m/')) resolve([topic, bytes]);
        });
      });
      await client.publishAsync('m/00000007', payload, { qos: 1 });
      assert.deepEqual(await arrived, ['m/00000007', payload]);
    });
  }
}
