// The main thread's side of a worker thread that runs a plane, and what the two say to each other.

import { Worker } from 'node:worker_threads';
import { type ErrorCode, WsarError } from '#core/errors.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';

/** What a worker says once: it serves, or why it cannot. */
export type PlaneMessage =
  | { kind: 'ready'; engine: EngineName; port: number; waker: Waker }
  | { kind: 'failed'; code: ErrorCode; message: string; hint: string };

export type PlaneReady = Extract<PlaneMessage, { kind: 'ready' }>;

export interface PlaneThread {
  ready: PlaneReady;
  /** Resolves when the thread is over; with the error when it failed. Never rejects. */
  ended: Promise<Error | undefined>;
  /** Waits for the end that the thread was told to come to; takes it down when it does not. */
  end(): Promise<void>;
}

const END_MS_MAX = 5000;

/**
 * Starts a worker thread; resolves when its plane serves.
 * @throws what the plane could not do, as WsarError where it is one.
 */
export async function startPlane(file: URL, workerData: unknown): Promise<PlaneThread> {
  const worker = new Worker(file, { workerData });
  let failure: Error | undefined;
  const ended = new Promise<Error | undefined>((resolve) => {
    worker.on('error', (error) => (failure = error as Error));
    worker.on('exit', (code) => resolve(failure ?? exitError(code)));
  });
  const message = await new Promise<PlaneMessage>((resolve, reject) => {
    worker.once('message', resolve);
    void ended.then((error) => reject(error ?? new Error('the thread ended before it served')));
  });
  if (message.kind === 'ready')
    return { ready: message, ended, end: () => endInTime(worker, ended) };
  await ended;
  throw new WsarError(message.code, message.message, message.hint);
}

/** For the worker: what to say about an error that keeps the plane from serving. */
export function failureOf(error: unknown): PlaneMessage {
  if (!(error instanceof WsarError)) throw error;
  const { code, message, hint } = error;
  return { kind: 'failed', code, message, hint };
}

async function endInTime(worker: Worker, ended: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => void worker.terminate(), END_MS_MAX);
  await ended;
  clearTimeout(timer);
}

function exitError(code: number): Error | undefined {
  return code === 0 ? undefined : new Error(`a worker thread ended with code ${code}`);
}
