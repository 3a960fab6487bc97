// What the main thread and a worker tell each other before the worker's reactor runs. Afterwards the
// worker's thread belongs to its reactor and no message is read; then there is shared memory only.

import type { MessagePort } from 'node:worker_threads';
import type { ErrorCode } from '#core/errors.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import type { WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Opening } from '#reference-server/transport/listener.ts';

/** What a worker is born with. */
export interface WorkerBirth {
  self: number;
  engine: EngineName | 'auto';
  /** Already this worker's share. */
  limits: ServerLimits;
  /** See transport/places.ts: the word of all workers, and its bound. */
  places: SharedArrayBuffer;
  placesMax: number;
  hashSeed: number;
  /** The CPUs that it is bound to before it makes its tables; undefined = as the process. */
  cpus: number[] | undefined;
  control: SharedArrayBuffer;
  stats: WorkerStats;
  access: AccessRules;
  /** See broker/peers.ts. */
  interest: SharedArrayBuffer;
  /** To the service that looks at passwords; undefined without a password file. */
  passwordPort: MessagePort | undefined;
  /** See worker/worker-news.ts. */
  newsPort: MessagePort;
  /** What a server before this one had, and where this one writes it; undefined = nowhere. */
  snapshotFile: string | undefined;
  /** Pages that browsers may come from. */
  origins: readonly string[];
  outgoing: (SharedArrayBuffer | undefined)[];
  incoming: (SharedArrayBuffer | undefined)[];
}

/** What a worker took from a snapshot, and what found no room. */
export interface Restored {
  users: number;
  messages: number;
  dropped: number;
}

export type ToWorker =
  /** All at once: who finds one open may count on the others. */
  { kind: 'listen'; openings: Opening[]; reusePort: boolean } | { kind: 'run'; wakers: Waker[] };

export type FromWorker =
  | {
      kind: 'created';
      engine: EngineName;
      /** Why 'auto' did not become ring. */
      fallback: string | undefined;
      waker: Waker;
      /** REACTOR_STAT figures. */
      reactorStats: Float64Array<SharedArrayBuffer>;
      /** Figures of each mailbox; see FLOW of mailboxes.ts. */
      mailboxFlow: Uint32Array<SharedArrayBuffer>;
      /** Flags of each user; see home/user-state.ts. */
      userFlags: Uint16Array<SharedArrayBuffer>;
      /** See statistics/slow-receivers.ts. */
      slowCells: Float64Array<SharedArrayBuffer>;
      restored: Restored;
    }
  | { kind: 'listening'; ports: number[] }
  | { kind: 'failed'; code: ErrorCode; message: string; hint: string };
