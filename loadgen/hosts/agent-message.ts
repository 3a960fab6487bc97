// What a controller and its agents say to each other on the bus, as JSON under wsar/<lab>/agent/<id>/:
//
//   hello (retained)  Hello; cleared when the agent leaves; `gone` is its last will
//   command           AgentCommand, controller to agent
//   ack               AgentAnswer, agent to controller
//
//   clock x n -> plan -> ready -> start -> second ... (-> finish) -> drained -> logout -> done
//
// `turn`, `stop` and `failed` may come at any time. Numbers are those of the controller's clock. What was turned
// before an agent came is told to it behind its plan.

import type { ErrorCode } from '#core/errors.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import type { ClockOffset } from '#loadgen/hosts/clock-offset.ts';
import type { Segment } from '#loadgen/hosts/segment.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import type { Turn } from '#loadgen/load-settings.ts';
import type { LoadEnd } from '#loadgen/load-summary.ts';
import type { PortPlanKind } from '#loadgen/source-plan.ts';
import type { Counts } from '#loadgen/worker-board.ts';

/** Version of what is said here. An agent of another one is not taken. */
export const AGENT_PROTOCOL = 4;

export interface Hello {
  id: string;
  host: string;
  pid: number;
  /** AGENT_PROTOCOL of the agent; the first one did not say it. */
  protocol?: number;
}

/** LoadOptions as JSON can say them. */
export type PlainOptions = Omit<LoadOptions, 'rampPerS' | 'trace'> & { rampPerS: number | null };

export type AgentCommand =
  | { kind: 'clock'; sentUs: number }
  | {
      kind: 'plan';
      run: number;
      options: PlainOptions;
      segment: Segment;
      offset: ClockOffset;
      /** The controller's wall time minus its monotonic time, ms: seconds of all end together. */
      wallLeadMs: number;
      /** The others have begun: what was due before it is ready is not sent. */
      joinsLate: boolean;
    }
  /** `outside`: what the hosts told with `ready`, one text each. */
  | { kind: 'start'; atUs: number; outside: string[] }
  | { kind: 'turn'; id: number; turn: Turn }
  /** The steady phase ends now. */
  | { kind: 'finish' }
  | { kind: 'logout' }
  | { kind: 'stop' };

export type AgentAnswer =
  | { kind: 'clock'; sentUs: number; agentUs: number }
  /** `outside`: whom the server refused his group, see refused-members.ts. */
  | { kind: 'ready'; hash: number; outside: string }
  /** `atUs`: the end of the second. */
  | { kind: 'second'; atUs: number; counts: Counts; histograms: Record<string, string> }
  /** `lateUs`: how long after its time it came to be obeyed. */
  | { kind: 'turned'; id: number; isTaken: boolean; lateUs: number }
  | { kind: 'drained' }
  | {
      kind: 'done';
      end: LoadEnd;
      counts: Counts;
      histograms: Record<string, string>;
      figures: AgentFigures;
    }
  | { kind: 'failed'; code: ErrorCode | undefined; message: string; hint: string };

/** What an agent tells at its end beside counts and histograms. */
export interface AgentFigures {
  engine: EngineName;
  rampS: number;
  steadyS: number;
  sentInSteady: number;
  rampCpuUs: number;
  cpuUs: number;
  userBytesPerConnection: number | null;
  sourceAddresses: number;
  /** Of its part of the plan, as it was turned. */
  turnedHash: number;
  portPlan: PortPlanKind | undefined;
  /** Which messages to groups are with whom, see GroupLedger; null without groups. */
  ledger: string | null;
}

export function toPlainOptions(options: LoadOptions): PlainOptions {
  const { rampPerS, trace: _trace, ...rest } = options;
  return { ...rest, rampPerS: Number.isFinite(rampPerS) ? rampPerS : null };
}

export function fromPlainOptions(plain: PlainOptions): LoadOptions {
  return {
    ...plain,
    rampPerS: plain.rampPerS ?? Number.POSITIVE_INFINITY,
    trace: undefined,
    sources: plain.sources ?? undefined,
    network: plain.network ?? undefined,
    findMax: undefined,
    calibrate: false,
    failIf: [],
    hlogFile: undefined,
    hosts: undefined,
  };
}
