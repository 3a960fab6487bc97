// A ladder as the rest of the lab sees it: a population that grows step by step, each step with a server and a
// generator of its own, so that steps do not disturb each other and a part of the ladder can be run alone.

import type { KernelEngineName } from '#core/socket/reactor.ts';

export const LADDER_VERSION = 1;

/** Generators of a ladder: clients without kernel sockets, or an engine whose both ends are in the kernel. */
export type LadderLoadEngine = KernelEngineName | 'stack' | 'auto';

export interface Ladder {
  version: typeof LADDER_VERSION;
  name: string;
  question: string;
  seed: number;
  server: { workers: number | 'auto'; engine: KernelEngineName | 'auto' };
  load: {
    /** auto = stack where it runs, else what the server runs on. */
    engine: LadderLoadEngine;
    workers: number;
    /** Messages a second of the whole population, open loop. */
    ratePerS: number;
    payloadBytes: number;
    /** Logins a second; auto = as fast as the server answers. */
    rampPerS: number | 'auto';
    keepAliveMs: number;
    /** Network of the clients; engine stack only. */
    rttMs: number;
    jitterMs: number;
    lossRatio: number;
  };
  /** Users of each step, rising. */
  steps: number[];
  /** Steady load before a step is measured, and how long it is measured. */
  settleMs: number;
  holdMs: number;
  stop: {
    /** The step ends at once with less free memory (MemFree). */
    freeBytesMin: number;
    /** Of the hold; the ladder ends after a step that breaks one of these. */
    latencyP99MsMax: number;
    latenessP99MsMax: number;
    lostMessagesMax: number;
    queueLengthMax: number;
  };
  maxDurationMs: number;
}
