// The thread of a NullServer: listens on a free port of loopback, says which, and ends when told
// through shared memory (and woken).

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import { NullServer } from '#loadgen/ceiling/null-server.ts';

export interface NullServerPlan {
  connections: number;
  receipts: boolean;
  /** See NullServer. */
  echoes: boolean;
  engine: EngineName | 'auto';
  /** Int32: 1 = end. */
  over: SharedArrayBuffer;
}

export interface NullServerReady {
  port: number;
  waker: Waker;
}

assert(parentPort !== null, 'a null server runs in a worker thread');
const { connections, receipts, echoes, engine, over } = workerData as NullServerPlan;
const isOver = new Int32Array(over);
const server = new NullServer(receipts, echoes, () => Atomics.load(isOver, 0) === 1);
const reactor = createReactor({ engine, handler: server, capacity: connections });
server.reactor = reactor;
const { port } = reactor.listen({ host: '127.0.0.1', port: 0 });
parentPort.postMessage({ port, waker: reactor.waker } satisfies NullServerReady);
await reactor.run();
