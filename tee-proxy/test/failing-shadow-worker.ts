// A shadow worker that fails once, when the last word of the control block says so. Engine net only: ring
// does not run timers in its thread.

import { workerData } from 'node:worker_threads';
import type { ShadowWorkerData } from '#tee-proxy/shadow-worker.ts';

const FAIL_NOW = 7;
const { control } = (workerData as ShadowWorkerData).memory;

setInterval(() => {
  if (Atomics.exchange(control, FAIL_NOW, 0) === 1) throw new Error('injected fault');
}, 10).unref();
await import('#tee-proxy/shadow-worker.ts');
