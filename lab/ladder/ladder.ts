// A ladder as the rest of the lab sees it: steps of a growing population, each with a server and a generator of
// its own, so that steps do not disturb each other and any of them can be run alone. A phase is a ladder within:
// when one of its steps does not hold, the rest of the phase is left out and the next phase begins.

import type { KernelEngineName } from '#core/socket/reactor.ts';
import type { Disturbance } from '#lab/ladder/disturbance.ts';

export const LADDER_VERSION = 1;

/** Generators of a ladder: clients without kernel sockets, or an engine whose both ends are in the kernel. */
export type LadderLoadEngine = KernelEngineName | 'stack' | 'kernel' | 'auto';

/** How the clients of a step are, and what they do. */
export interface LadderClients {
  /** kernel = what the server runs on; auto = stack where it runs, else that. */
  engine: LadderLoadEngine;
  workers: number;
  /** Agents in network namespaces of their own; 0 = one process, whose hosts are its source addresses. */
  virtualHosts: number;
  /** Messages a second of the whole population, open loop. */
  ratePerS: number;
  /** Instead: messages a second of each thousand users, so that more users send more; 0 = not so. */
  ratePerThousandPerS: number;
  payloadBytes: number;
  /** Logins a second; auto = as fast as the server answers. */
  rampPerS: number | 'auto';
  keepAliveMs: number;
  /** Networks of the clients, as `wsar load --network` has it; '' = the host's own. Engine stack only. */
  network: string;
  /** Who reads slowly, as `wsar load --slow-readers` has it; '' = nobody. */
  slowReaders: string;
  /** kept: the server holds messages for who is cut off. */
  sessions: 'clean' | 'kept';
  /** Users who are registered and away, for each one who is logged in. */
  awayRatio: number;
  /** What is done to the step on purpose. */
  disturbance: Disturbance;
}

/** How the server of a step is started. */
export interface LadderServer {
  workers: number | 'auto';
  engine: KernelEngineName | 'auto';
  /** First values of its knobs write.flush, receive.arming and turn.gather. */
  flush: 'turn' | 'immediate';
  arming: 'poll' | 'recv';
  gatherUs: number;
}

export interface PlannedStep {
  /** Phase that it belongs to. */
  phase: string;
  /** knee = as many as the first phase held. */
  users: number | 'knee';
  /** At the knee: the phase whose comparison it belongs to; '' for a step of the climb. */
  comparedIn: string;
  server: LadderServer;
  clients: LadderClients;
  /** How near the phase's end is looked for: between the last step held and the first broken; 0 = not. */
  refineRatio: number;
  /** How long it is measured. */
  holdMs: number;
}

/** A step whose users are known. */
export type SizedStep = PlannedStep & { users: number };

export interface Ladder {
  version: typeof LADDER_VERSION;
  name: string;
  question: string;
  seed: number;
  /** A network namespace for everything but the bus's outer side; auto = where this user can make one. */
  namespace: 'auto' | 'on' | 'off';
  /** Of that namespace's table of TCP connections. */
  connectionBuckets: number;
  /** Where rows go: the store, or only the spool of the run, which spares the store's memory. */
  history: 'store' | 'spool';
  /** In the order in which they run. */
  steps: PlannedStep[];
  /** Phases that are compared with another one at the knee: A B B A. */
  comparisons: { phase: string; against: string }[];
  /** Steady load before a step is measured. */
  settleMs: number;
  stop: LadderStop;
  maxDurationMs: number;
}

export interface LadderStop {
  /** The step ends at once with less free memory (core/host/free-memory.ts). */
  freeBytesMin: number;
  /** Of the hold; the phase ends after a step that breaks one of these. */
  latencyP99MsMax: number;
  latenessP99MsMax: number;
  lostMessagesMax: number;
  duplicatesMax: number;
  queueLengthMax: number;
  /** After the hold: until every queue is empty and everything sent has arrived. */
  drainMsMax: number;
}
