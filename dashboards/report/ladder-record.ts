// What a ladder leaves behind: a population that grows step by step on one host, and what each step cost.

import type { RunRecord, TimeSeries, Verdict } from '#dashboards/report/run-record.ts';

export const LADDER_SCHEMA = 'wsar.ladder/2';

/** Microseconds; null when no message came. */
export interface LadderLatency {
  p50: number | null;
  p99: number | null;
  p999: number | null;
  max: number | null;
}

/** Growth of one of the kernel's slabs for one user. */
export interface SlabGrowth {
  name: string;
  bytesPerUser: number;
}

/** A hundred thousand logins, by the rows of their time. */
export interface LoginSlice {
  /** Users that were in at its end. */
  users: number;
  seconds: number;
}

/** What was queued in the server, and how it went away when the last message had been planned. */
export interface LadderDrain {
  /** Messages queued then, and how long they would take at the rate at which they left (s). */
  queued: number | null;
  predictedS: number | null;
  /** Until every queue was empty and all that was sent had arrived, to the next row; null = not in time. */
  seenS: number | null;
}

/** How a step got over what was done to it on purpose. */
export interface LadderRecovery {
  /** Median of the seconds before, and the worst second after. */
  p99UsBefore: number | null;
  p99UsWorst: number | null;
  loggedInLeast: number;
  sentPerSMost: number | null;
  queuedBefore: number;
  queuedWorst: number;
  /** Until everybody was in, p99 as before and the queue short, for three seconds; null = not in the hold. */
  recoveredS: number | null;
}

export interface LadderDisturbance extends LadderRecovery {
  /** 'storm 10%@20s, back by backoff:1s'. */
  text: string;
  /** By the generator: users cut off, highest rate of logins afterwards. */
  cutOff: number | null;
  loginsPerSMost: number | null;
  /** Connections, logins and messages that the server refused in the hold. */
  refused: number | null;
}

export interface LadderStep {
  /** Phase of the ladder; '' when it has none. */
  phase: string;
  engine: string;
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
  /** Every 100,000 logins. */
  loginSlices: LoginSlice[];
  /** Null when they were in before a second row came. */
  serverCpuUsPerLogin: number | null;
  loadCpuUsPerLogin: number | null;
  /** Growth for one user while all logged in: of the resident memory of server and generator, of the slabs; null when
   * it was less than before. */
  serverBytesPerUser: number | null;
  loadBytesPerUser: number | null;
  kernelBytesPerUser: number | null;
  /** Users who are registered and away, and the growth of the server's resident memory for one of them. */
  away: { users: number; serverBytesPerUser: number | null } | null;
  /** Of which the largest, largest first; empty where /proc/slabinfo is not ours to read. */
  slabs: SlabGrowth[];
  /** Fall of the free memory for one user: everything together; null when more was free than before. */
  freeBytesPerUser: number | null;
  holdS: number;
  sentPerS: number | null;
  deliveredPerS: number | null;
  serverCpuUsPerMessage: number | null;
  loadCpuUsPerMessage: number | null;
  /** TCP segments a second to and from the server, over the hold. */
  packetsPerS: number | null;
  latencyUs: LadderLatency;
  latenessUsP99: number | null;
  queueLengthMax: number | null;
  drain: LadderDrain | null;
  /** Null when nothing was done to it. */
  disturbance: LadderDisturbance | null;
  /** Of the collector, in this step. */
  missedTicks: number;
  /** Least free memory that was seen. */
  freeBytesMin: number | null;
  serverRssBytes: number | null;
  loadRssBytes: number | null;
  /** From the generator's summary, after the drain; duplicates: arrived twice, or not ours. */
  messages: {
    sent: number;
    received: number;
    lost: number;
    /** Of the lost: on their way while others still arrived, when the step had to end; undefined of older records. */
    unfinished?: number;
    errors: number;
    duplicates: number;
  } | null;
  /** Addresses that the users came from: each is a host with ports of its own. */
  clientAddresses: number | null;
  /** TCP sockets of the host before the step and after everything of it was gone. */
  socketsBefore: number | null;
  socketsAfter: number | null;
}

/** What a setting did to one figure. */
export interface SettingFinding {
  figure: string;
  better: 'lower' | 'higher';
  /** Geometric means of the blocks. */
  before: number | null;
  after: number | null;
  /** After by before, and its 98 % interval; null when it cannot be told. */
  ratio: number | null;
  low: number | null;
  high: number | null;
  verdict: Verdict;
  /** Fit blocks before and after that have this figure. */
  blocks: [before: number, after: number];
}

/** A phase that was compared with another one at the knee, A B B A. */
export interface LadderComparison {
  phase: string;
  against: string;
  /** Null when it was not begun. */
  users: number | null;
  /** Its steps, by their place in the record. */
  before: number[];
  after: number[];
  findings: SettingFinding[];
}

/** The host before the ladder and after everything of it was gone. */
export interface HostRestored {
  /** Settings (/proc/sys) whose value is another. */
  settingsCompared: number;
  settingsChanged: string[];
  /** TCP sockets of the host's own namespace. */
  sockets: [before: number | null, after: number | null];
  freeBytes: [before: number | null, after: number | null];
  devices: [before: number, after: number];
  /** The ladder's network namespace, and whether a process is left in it. */
  namespace: string | null;
  isNamespaceGone: boolean;
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
  engines: { server: string };
  steps: LadderStep[];
  /** How each phase ended. */
  phases: { name: string; reached: number; sentence: string }[];
  comparisons: LadderComparison[];
  /** Null as long as the ladder has not ended whole: in the store's copy of the record. */
  restored: HostRestored | null;
  /** Most users that were held. */
  reached: number;
  /** Why it ended where it did. */
  sentence: string;
  leftOut: string[];
  series: TimeSeries;
}
