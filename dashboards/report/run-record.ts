// What a run leaves behind (record.json, and a row of the store's table `runs`): everything that is
// needed to judge it again without the machine. The lab writes it, the report draws it, `wsar compare`
// reads two of them. Times are wall clock ms, everything else has its unit in its name or beside it.

import type { KnobState, KnobValue } from '#core/knob/knob.ts';

export const RECORD_SCHEMA = 'wsar.run/1';

export type Judgement = 'better' | 'worse' | 'equivalent' | 'inconclusive';
export type Verdict = Judgement | 'invalid';

export interface RunRecord {
  schema: typeof RECORD_SCHEMA;
  runId: string;
  name: string;
  question: string;
  startedWallMs: number;
  endedWallMs: number;
  /** The command line that runs it again. */
  command: string;
  /** The experiment with every default filled in. */
  experiment: object;
  /** What `auto` became on this host. */
  workload: {
    connections: number;
    ratePerS: number;
    rampPerS: number;
    payloadBytes: number;
    workers: number;
    engine: string;
  };
  turned: { owner: string; name: string; a: KnobValue; b: KnobValue };
  design: { type: string; pairs: number; washoutMs: number; measureMs: number; alpha: number };
  /** How `auto` was sized, one sentence each. */
  sizing: string[];
  /** What this host or user could not do, and why. */
  leftOut: string[];
  /** Identity of the host: machine, kernel, Node, limits. */
  host: Record<string, string | number | boolean | null>;
  /** Newest states of all knobs as their owners read them back, by owner/name. */
  knobs: Record<string, KnobState>;
  /** Median time of the fixed calculation between blocks, us: the speed of the machine then. */
  spinUs: number | null;
  counts: LoginCounts | null;
  blocks: BlockRecord[];
  metrics: MetricResult[];
  validity: ValidityResult[];
  coverage: CoverageResult | null;
  verdict: {
    verdict: Verdict;
    /** One sentence for a person. */
    sentence: string;
    /** Ratio and interval of the primary metric, as text; '' when there is none. */
    interval: string;
  };
  /** Why the run ended before its plan; null when it did not. */
  cut: { cause: 'part-lost' | 'interrupted' | 'time' | 'failure'; sentence: string } | null;
  series: TimeSeries;
  events: { wallMs: number; kind: string; text: string }[];
}

/** Users logged in, counted three ways. */
export interface LoginCounts {
  wanted: number;
  /** CONNACKs that the generator has seen and not lost. */
  generator: number | null;
  /** Sessions of the server. */
  server: number | null;
  /** Sockets in use more than before the ramp; both ends of every connection are on this host. */
  sockets: number | null;
  agree: boolean;
  sentence: string;
}

export interface BlockRecord {
  index: number;
  pair: number;
  variant: 'a' | 'b';
  knobValue: KnobValue;
  startWallMs: number;
  endWallMs: number;
  /** The pair was run again because an earlier block of it was unfit. */
  isRepeat: boolean;
  /** Value by metric; null = not estimable. */
  values: Record<string, number | null>;
  /** Why a value is missing, by metric. */
  notEstimable: Record<string, string>;
  /** Why the block is unfit; empty when it is fit. */
  flaws: string[];
  /** Value of every check by name; null where the host does not tell. */
  checks: Record<string, number | null>;
  delivered: number | null;
  sent: number | null;
  /** Merged histograms of the block: HdrHistogram V2 compressed, base64, us. */
  histograms: Record<string, string>;
}

/** What pairs of block values say about the ratio B/A. */
export interface Estimate {
  judgement: Judgement;
  /** Hodges-Lehmann ratio and its exact interval, with the true coverage of the interval. */
  ratio: number;
  low: number;
  high: number;
  coverage: number;
  /** One-sided p values of "B is above A" and "B is below A". */
  pAbove: number;
  pBelow: number;
  /** Pairs that were judged. */
  pairs: number;
}

export interface MetricResult {
  name: string;
  what: string;
  unit: string;
  role: 'primary' | 'guardrail';
  better: 'lower' | 'higher';
  /** A change up to this ratio does not matter. */
  margin: number;
  medianA: number | null;
  medianB: number | null;
  /** Null when there was nothing to judge; `reason` says why. */
  estimate: Estimate | null;
  reason: string;
}

export interface ValidityResult {
  name: string;
  what: string;
  unit: string;
  limit: number;
  /** Worst value of any block that was judged; null when it could not be checked here. */
  worst: number | null;
  /** Blocks that failed it, repeated ones included. */
  failedBlocks: number;
  isOk: boolean;
  note: string;
}

export interface CoverageResult {
  /** Where the seconds were counted. */
  from: 'store' | 'bus';
  sources: {
    source: string;
    expectedSeconds: number;
    presentSeconds: number;
    /** Seconds that the source itself reported as missed ticks. */
    missedTicks: number;
  }[];
  missingRatio: number;
  isOk: boolean;
  sentence: string;
}

/** Columns over the seconds of the run; null = no row, or not measured. */
export interface TimeSeries {
  wallMs: number[];
  /** CPU of the server process, percent of one core. */
  serverCpuPercent: (number | null)[];
  latencyP50Us: (number | null)[];
  latencyP99Us: (number | null)[];
  deliveredPerS: (number | null)[];
  queueLength: (number | null)[];
  connections: (number | null)[];
}

export const EMPTY_SERIES: TimeSeries = {
  wallMs: [],
  serverCpuPercent: [],
  latencyP50Us: [],
  latencyP99Us: [],
  deliveredPerS: [],
  queueLength: [],
  connections: [],
};
