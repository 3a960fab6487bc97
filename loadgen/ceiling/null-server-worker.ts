// The thread of a server that does nothing: listens on a free port of loopback, says which, and ends when told through
// shared memory (and woken). What it speaks is layered as the load is: TLS, WebSocket, then MQTT, an echo or HTTP.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { EngineName, ReactorHandler, Waker } from '#core/socket/reactor.ts';
import { makeNullIdentity } from '#loadgen/ceiling/null-certificate.ts';
import { NullHttp } from '#loadgen/ceiling/null-http.ts';
import { NullServer } from '#loadgen/ceiling/null-server.ts';
import { NullWebSocket } from '#loadgen/ceiling/null-web-socket.ts';
import { type ClientReactor, forwardTo, linkLayers } from '#loadgen/transport/client-reactor.ts';
import { TlsLayer } from '#loadgen/transport/tls-layer.ts';
import { createBoard } from '#loadgen/worker-board.ts';

/** What is received at once may be sent back at once: what TLS reads together is the most. One send must fit. */
const SEND_BYTES_MAX = 256 * 1024;

export interface NullServerPlan {
  connections: number;
  receipts: boolean;
  speaks: {
    tls: boolean;
    webSocket: boolean;
    /** See NullServer. */
    echoes: boolean;
    http: boolean;
    /** Of MQTT. */
    level: number;
  };
  engine: EngineName | 'auto';
  /** Int32: 1 = end. */
  over: SharedArrayBuffer;
}

export interface NullServerReady {
  port: number;
  waker: Waker;
}

assert(parentPort !== null, 'a null server runs in a worker thread');
const { connections, receipts, speaks, engine, over } = workerData as NullServerPlan;
const { tls, webSocket, echoes, http, level } = speaks;
const overFlag = new Int32Array(over);
const isOver = (): boolean => Atomics.load(overFlag, 0) === 1;
const server = http ? new NullHttp(isOver) : new NullServer(receipts, echoes, level, isOver);
let handled: ReactorHandler = server;
const handler = forwardTo(() => handled);
const outputBytesMax = 2 * SEND_BYTES_MAX;
const reactor = createReactor({ engine, handler, capacity: connections, outputBytesMax });
const tlsLayer = tls ? new TlsLayer(makeNullIdentity(), connections, createBoard()) : undefined;
const layers = [
  ...(tlsLayer === undefined ? [] : [tlsLayer]),
  ...(webSocket ? [new NullWebSocket(connections, SEND_BYTES_MAX, echoes ? [] : ['mqtt'])] : []),
];
const top = (below: ClientReactor): ReactorHandler => {
  server.reactor = below;
  return server;
};
handled = linkLayers(layers, top, reactor);
const { port } = reactor.listen({ host: '127.0.0.1', port: 0 });
parentPort.postMessage({ port, waker: reactor.waker } satisfies NullServerReady);
try {
  await reactor.run();
} finally {
  tlsLayer?.release();
}
