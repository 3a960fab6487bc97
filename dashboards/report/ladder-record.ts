// What a ladder leaves behind: a population that grows step by step on one host, and what each step cost.

import type { RunRecord, TimeSeries } from '#dashboards/report/run-record.ts';

export const LADDER_SCHEMA = 'wsar.ladder/1';

/** Microseconds; null when no message came. */
export interface LadderLatency {
  p50: number | null;
  p99: number | null;
  p999: number | null;
  max: number | null;
}

export interface LadderStep {
  /** Users that were to be logged in. */
  connections: number;
  startedWallMs: number;
  endedWallMs: number;
  /** `held`: everybody was in for the whole time; else `sentence` says what ended it. */
  outcome: 'held' | 'stopped' | 'failed';
  sentence: string;
  /** Users logged in by the generator's CONNACKs, sessions of the server, sockets more than before. */
  counts: { generator: number | null; server: number | null; sockets: number | null };
  loginsPerS: number | null;
  serverCpuUsPerLogin: number | null;
  loadCpuUsPerLogin: number | null;
  /** Growth for one user: of the resident memory of server and generator, of the kernel's slabs. */
  serverBytesPerUser: number | null;
  loadBytesPerUser: number | null;
  kernelBytesPerUser: number | null;
  /** Fall of MemFree for one user: everything together. */
  freeBytesPerUser: number | null;
  holdS: number;
  sentPerS: number | null;
  deliveredPerS: number | null;
  serverCpuUsPerMessage: number | null;
  latencyUs: LadderLatency;
  latenessUsP99: number | null;
  queueLengthMax: number | null;
  /** Of the collector, in this step. */
  missedTicks: number;
  /** Least MemFree that was seen. */
  freeBytesMin: number | null;
  serverRssBytes: number | null;
  /** From the generator's summary, after the drain. */
  messages: { sent: number; received: number; lost: number; errors: number } | null;
  /** TCP sockets of the host before the step and after everything of it was gone. */
  socketsBefore: number | null;
  socketsAfter: number | null;
}

export interface LadderRecord {
  schema: typeof LADDER_SCHEMA;
  runId: string;
  name: string;
  question: string;
  startedWallMs: number;
  endedWallMs: number;
  command: string;
  host: RunRecord['host'];
  /** The file with every default filled in. */
  plan: unknown;
  engines: { server: string; load: string };
  steps: LadderStep[];
  /** Most users that were held. */
  reached: number;
  /** Why it ended where it did. */
  sentence: string;
  leftOut: string[];
  series: TimeSeries;
}
