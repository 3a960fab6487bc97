// The front as the main thread sees it: a thread on libuv for what a reactor cannot do. It starts it,
// learns its ports and ends it. What the front does is in front-thread.ts.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, WsarError } from '#core/errors.ts';
import type { ListenerPlan } from '#reference-server/transport/listener.ts';
import type { TlsMaterial } from '#reference-server/transport/tls-material.ts';

/** What the front is born with. */
export interface FrontPlan {
  listeners: ListenerPlan[];
  tls: TlsMaterial | undefined;
  /** From where PROXY headers are believed: addresses, or 'address/bits'. */
  proxyFrom: string[];
  /** What the inner listeners want to see first. */
  secret: Uint8Array;
  innerHost: string;
  /** Of the inner listener of each of `listeners`. */
  innerPorts: number[];
  connectionsMax: number;
  handshakeTimeoutMs: number;
}

export type FromFront =
  | { kind: 'listening'; ports: number[] }
  | { kind: 'failed'; code: ErrorCode; message: string; hint: string };

/** Index into the front's figures: connections it refused. */
export const FRONT_REFUSED = 0;

export interface Front {
  /** Of each listener; 0 of a Unix socket. */
  ports: number[];
  readonly refused: number;
  /** Rejects when the thread ends without being asked to. */
  failed: Promise<never>;
  stop(): Promise<void>;
}

/** Resolves when every listener listens. Throws WSAR_ERR_PORT_IN_USE, WSAR_ERR_SYSTEM. */
export async function startFront(plan: FrontPlan): Promise<Front> {
  const figures = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const url = new URL('./front-thread.ts', import.meta.url);
  const thread = new Worker(url, { workerData: { plan, figures }, name: 'serve-front' });
  const exited = once(thread, 'exit');
  exited.catch(() => {});
  const [said] = (await once(thread, 'message')) as [FromFront];
  if (said.kind === 'failed') {
    await exited;
    throw new WsarError(said.code, said.message, said.hint);
  }
  let isStopping = false;
  const failed = exited.then(async () => {
    if (isStopping) return await new Promise<never>(() => {});
    throw new Error('the front ended by itself');
  });
  failed.catch(() => {});
  return {
    ports: said.ports,
    get refused() {
      return Atomics.load(figures, FRONT_REFUSED);
    },
    failed,
    async stop() {
      isStopping = true;
      thread.postMessage('stop');
      await exited.catch(() => {});
    },
  };
}
