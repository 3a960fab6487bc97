import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { createHostClock } from '#core/clock/host-clock.ts';

test('two threads read the same monotonic time', async () => {
  const clock = createHostClock();
  const file = new URL('./host-clock.ts', import.meta.url).href;
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
     import(${JSON.stringify(file)}).then(({ createHostClock }) => {
       const clock = createHostClock();
       parentPort.on('message', () => parentPort.postMessage(clock.monoUs()));
       parentPort.postMessage('ready');
     });`,
    { eval: true },
  );
  await once(worker, 'message');
  // The other thread's reading lies between two of ours; how far apart those are is the machine's
  // affair.
  for (let i = 0; i < 20; i++) {
    const beforeUs = clock.monoUs();
    worker.postMessage('tell');
    const [thereUs] = (await once(worker, 'message')) as [number];
    const afterUs = clock.monoUs();
    assert.ok(
      thereUs > beforeUs - 50 && thereUs < afterUs + 50,
      `${beforeUs} ${thereUs} ${afterUs}`,
    );
  }
  await worker.terminate();
});

test('the host clock counts from the start of CLOCK_MONOTONIC', () => {
  const hostUs = Number(process.hrtime.bigint()) / 1000;
  const readUs = createHostClock().monoUs();
  assert.ok(readUs >= hostUs - 50);
});
