// What a worker thread is given at its start, and what it says to the main thread. All of it can be cloned
// between threads; what is shared is shared memory.

import type { ErrorCode } from '#core/errors.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import type { ArrivalPlan } from '#loadgen/arrivals.ts';
import type { EncodedTimings } from '#loadgen/interval-timings.ts';
import type { PopulationRoute } from '#loadgen/population.ts';
import type { Board } from '#loadgen/worker-board.ts';

export interface WorkerPlan {
  /** Users of this worker. */
  firstUser: number;
  userCount: number;
  engine: EngineName | 'auto';
  route: PopulationRoute;
  plan: ArrivalPlan;
  /** Number of this run, u32. */
  run: number;
  receipts: boolean;
  payloadBytes: number;
  keepAliveMs: number;
  /** This worker's part of the ramp; Infinity = unbounded. */
  rampPerS: number;
  windowMax: number;
  board: Board;
  control: SharedArrayBuffer;
  schedule: SharedArrayBuffer;
  flights: SharedArrayBuffer;
  /** One byte a user of the whole population: 1 = ready. */
  present: Uint8Array<SharedArrayBuffer>;
}

export type WorkerMessage =
  /** The reactor stands; the worker begins to log users in. */
  | { kind: 'started'; engine: EngineName; waker: Waker }
  /** The histograms of second `tick`. */
  | { kind: 'timings'; tick: number; timings: EncodedTimings }
  /** It cannot go on: an operating error, told with its code, or a bug, told with its stack. */
  | { kind: 'failed'; code: ErrorCode | undefined; message: string; hint: string }
  /** Every connection is closed. */
  | { kind: 'ended' };

/** Users [first, first + count) of worker `index` of `workers`; exact for any numbers. */
export function shareOfUsers(
  users: number,
  workers: number,
  index: number,
): { first: number; count: number } {
  const first = Math.floor((users * index) / workers);
  return { first, count: Math.floor((users * (index + 1)) / workers) - first };
}
