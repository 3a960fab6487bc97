// Everything the threads of a tee share, and who writes what. Three kinds of threads: the main thread
// (command line, rows, knob), one production worker or several, one shadow worker. No locks: every word
// has one writer, readers see it a moment later.
//
//   control            main -> workers: stop flags, version of the share, epoch of the shadow plane
//   share              main -> production: the share of connections that is copied
//   production[w]      production worker w -> main: counters PRODUCTION
//   obeyed[w]          production worker w -> main: version of the share that it follows
//   rings[w]           production worker w -> shadow worker: copies (tee-proxy/copy-ring.ts)
//   released[w][flow]  shadow worker -> production worker w: generation whose copies are all given up
//   clearedEpoch[w]    production worker w -> shadow worker: epoch for which ring w is clean
//   shadow[k]          shadow worker -> main: counters SHADOW of shadow k
//   plane              shadow worker -> main: counters PLANE

import { allocateCopyRing } from '#tee-proxy/copy-ring.ts';
import { SHED_REASONS } from '#tee-proxy/shed-reason.ts';

export const CONTROL = { stopProduction: 0, stopShadow: 1, shareVersion: 2, epoch: 3 } as const;

/** Counters of one production worker; `connections` is a gauge. */
export const PRODUCTION = {
  accepted: 0,
  connections: 1,
  /** Clients turned away because the table was full. */
  refusedFull: 2,
  upstreamFailed: 3,
  /** Bytes taken from clients for the upstream, and from the upstream for clients. */
  rxBytes: 4,
  txBytes: 5,
  /** Connections chosen for copying, and the bytes their clients sent. */
  sampled: 6,
  offeredBytes: 7,
  /** Of these, what was not put into the ring. */
  skippedBytes: 8,
  /** Pauses of an upstream because its client is slow, and the other way round. There is no third reason. */
  pausesForClient: 9,
  pausesForUpstream: 10,
  /** Connections cut because the reactor took no more output: must stay 0. */
  outputOverflows: 11,
  cpuUs: 12,
  /** Copies given up here, by reason. */
  shed: 16,
} as const;
export const PRODUCTION_COUNT = PRODUCTION.shed + SHED_REASONS.length;

/** Counters of one shadow; `connections` and `breakerOpen` are gauges. */
export const SHADOW = {
  connections: 0,
  attempts: 1,
  established: 2,
  /** Bytes handed to the reactor for sending, and of these what was lost when a copy was given up. */
  handedBytes: 3,
  lostBytes: 4,
  /** Bytes taken from the rings for a copy that was given up already. */
  droppedBytes: 5,
  /** Answers of the shadow: read and thrown away. */
  discardedBytes: 6,
  breakerOpen: 7,
  breakerTripped: 8,
  probes: 9,
  /** Copies that got everything their production connection gave. */
  completed: 10,
  shed: 16,
} as const;
export const SHADOW_COUNT = SHADOW.shed + SHED_REASONS.length;

/** Counters of the shadow plane; from `takenBytes` on, one word a production worker. */
export const PLANE = { cpuUs: 0, queuedBytes: 1, takenBytes: 8 } as const;

export type SharedFloats = Float64Array<SharedArrayBuffer>;
export type SharedWords = Int32Array<SharedArrayBuffer>;

export interface TeeMemory {
  control: SharedWords;
  /** [0] = share in [0, 1]. */
  share: SharedFloats;
  obeyed: SharedWords;
  production: SharedFloats[];
  rings: SharedArrayBuffer[];
  released: SharedWords[];
  clearedEpoch: SharedWords;
  shadow: SharedFloats[];
  plane: SharedFloats;
}

export interface TeeMemoryOptions {
  workers: number;
  shadows: number;
  /** Client connections of one worker at most. */
  flowsMax: number;
  ringBytes: number;
}

/** Allocates it, all zero. May be posted to the workers. */
export function allocateTeeMemory(options: TeeMemoryOptions): TeeMemory {
  const { workers, shadows, flowsMax, ringBytes } = options;
  const perWorker = <T>(make: () => T): T[] => Array.from({ length: workers }, make);
  return {
    control: words(8),
    share: floats(1),
    obeyed: words(workers),
    production: perWorker(() => floats(PRODUCTION_COUNT)),
    rings: perWorker(() => allocateCopyRing(shadows > 0 ? ringBytes : 4096)),
    released: perWorker(() => words(shadows > 0 ? flowsMax : 0)),
    clearedEpoch: words(workers),
    shadow: Array.from({ length: shadows }, () => floats(SHADOW_COUNT)),
    plane: floats(PLANE.takenBytes + workers),
  };
}

/** Adds to a counter of the calling thread's own. */
export function add(counters: SharedFloats, index: number, value: number): void {
  counters[index] = counters[index]! + value;
}

function floats(count: number): SharedFloats {
  return new Float64Array(new SharedArrayBuffer(8 * count));
}

function words(count: number): SharedWords {
  return new Int32Array(new SharedArrayBuffer(4 * count));
}
