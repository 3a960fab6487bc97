// What a worker thread is given at its start, and what it says to the main thread. All of it can be
// cloned between threads; what is shared is shared memory.

import type { ErrorCode } from '#core/errors.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import { FlightTable, flightCells, GroupFlights } from '#loadgen/flight-table.ts';
import type { Region } from '#loadgen/group-map.ts';
import { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import type { TakenTimings } from '#loadgen/interval-timings.ts';
import { groupPart, latencyParts } from '#loadgen/latency-parts.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import type { LoginRoute } from '#loadgen/login-desk.ts';
import { WINDOW_MAX } from '#loadgen/login-pacer.ts';
import { deliveriesPerMessage, type PlanParts } from '#loadgen/people.ts';
import { rateSteps } from '#loadgen/rate-plan.ts';
import type { SessionPlan } from '#loadgen/session-clock.ts';
import type { SourcePlan } from '#loadgen/source-plan.ts';
import type { StackPart, StackPlan } from '#loadgen/stack-plan.ts';
import type { ReturnPolicy, Storm } from '#loadgen/storm.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import type { UserModel } from '#loadgen/user-model.ts';
import { PRESENT } from '#loadgen/user-table.ts';
import type { WirePlan } from '#loadgen/wire-plan.ts';
import { type Board, createBoard } from '#loadgen/worker-board.ts';

/** Rate that the flight table is made for at least: a knob may raise the one that was asked for. */
const FLIGHT_RATE_MIN_PER_S = 20_000;

export interface WorkerPlan {
  /** Users of this worker. */
  firstUser: number;
  userCount: number;
  engine: EngineName | 'auto';
  /** Engine stack only: this worker's device. */
  stack: StackPart | undefined;
  route: LoginRoute;
  wire: WirePlan;
  storms: readonly Storm[];
  returnPolicy: ReturnPolicy;
  plan: PlanParts;
  model: UserModel;
  sessions: SessionPlan | undefined;
  /** With other hosts whose users come and go: the users of this one. */
  here: Region | undefined;
  durationMs: number;
  worker: { index: number; count: number };
  /** Number of this run, u32. */
  run: number;
  /** Number of the population's first user, see LoadOptions. */
  uidOffset: number;
  receipts: boolean;
  /** Receivers make the receipts. */
  clientReceipts: boolean;
  payloadBytes: number;
  keepAliveMs: number;
  isCleanSession: boolean;
  /** This worker's part of the ramp; Infinity = unbounded. */
  rampPerS: number;
  windowMax: number;
  board: Board;
  control: SharedArrayBuffer;
  /** What is added to this host's clock, us. */
  clockOffsetUs: number;
  schedule: SharedArrayBuffer;
  /** See LiveSettings. */
  live: SharedArrayBuffer;
  flights: SharedArrayBuffer;
  /** Undefined without groups, and where members of other hosts have part of a message. */
  groupFlights: SharedArrayBuffer | undefined;
  /** With other hosts, and groups: see GroupLedger. */
  ledger: SharedArrayBuffer | undefined;
  payloadFactors: readonly number[];
  /** Latencies that are told apart, see latency-parts.ts. */
  latencyParts: readonly string[];
  /** Messages come from other hosts too, and go there: see FlightTable. */
  isPart: boolean;
  /** The plan has begun without this worker: it leaves out what was due before. */
  joinsLate: boolean;
  /** One byte a user of the whole population: see PRESENT. */
  present: Uint8Array<SharedArrayBuffer>;
}

/** Counters of engine stack, shared; index with STACK_COUNT. */
export type StackCounters = Float64Array<SharedArrayBuffer>;

export type WorkerMessage =
  /** The reactor stands; the worker begins to log users in. */
  | { kind: 'started'; engine: EngineName; waker: Waker; stackCounters: StackCounters | undefined }
  /** The histograms of second `tick`. */
  | { kind: 'timings'; tick: number; timings: TakenTimings }
  /** It cannot go on: an operating error, told with its code, or a bug, told with its stack. */
  | { kind: 'failed'; code: ErrorCode | undefined; message: string; hint: string }
  /** Every connection is closed. */
  | { kind: 'ended' };

/** Divides a load between its workers; what they share is made here. */
export function planWorkers(
  load: {
    options: LoadOptions;
    target: ResolvedTarget;
    sources: SourcePlan | undefined;
    stack: StackPlan | undefined;
    run: number;
    joinsLate?: boolean | undefined;
    clockOffsetUs?: number | undefined;
  },
  shared: Pick<WorkerPlan, 'control' | 'schedule' | 'live'>,
): WorkerPlan[] {
  const { options, target, stack, run } = load;
  const { connections, workers } = options;
  const { first, total } = options.segment ?? { first: 0, total: connections };
  const present = new Uint8Array(new SharedArrayBuffer(total));
  // Users of other hosts are there as far as we know.
  if (options.segment !== undefined)
    present.fill(PRESENT.yes).fill(PRESENT.no, first, first + connections);
  const { people, ratePlan, seed, process } = options;
  const steps = rateSteps(ratePlan);
  const plan: PlanParts = {
    ...{ seed, process, users: total, trace: options.trace?.gaps },
    ...{ people, dayMs: ratePlan.dayMs, steps },
  };
  const deliveries = deliveriesPerMessage(people);
  const peakPerS = Math.max(...steps.map(({ ratePerS }) => ratePerS));
  const cells = flightCells(Math.max(peakPerS, FLIGHT_RATE_MIN_PER_S) * deliveries);
  const flights = new FlightTable(cells);
  const parts = latencyParts(options);
  const groupFlights = groupPart(parts) < 0 ? undefined : new GroupFlights(cells).shared;
  const hasLedger = isPartOfMany(options) && people?.groups !== undefined;
  const ledger = hasLedger ? new GroupLedger().shared : undefined;
  return Array.from({ length: workers }, (_, index) => {
    const share = shareOfUsers(connections, workers, index);
    const sources = stack === undefined ? load.sources : stack.sources[index]!;
    return {
      firstUser: first + share.first,
      userCount: share.count,
      engine: options.engine,
      stack: stack?.parts[index],
      route: {
        targetAddress: target.address,
        targetPorts: target.ports,
        sources,
        networks: options.network ?? [],
      },
      wire: options.wire,
      storms: options.storms,
      returnPolicy: options.returnPolicy,
      plan,
      model: options.model,
      sessions: options.sessions,
      here: isPartOfMany(options) ? { first, count: connections } : undefined,
      durationMs: options.durationMs,
      worker: { index, count: workers },
      run,
      uidOffset: options.firstUser,
      receipts: options.receipts,
      clientReceipts: options.clientReceipts,
      payloadBytes: options.payloadBytes,
      keepAliveMs: options.keepAliveMs,
      isCleanSession: options.isCleanSession,
      rampPerS: options.rampPerS / workers,
      windowMax: Math.max(1, Math.floor(WINDOW_MAX / workers)),
      board: createBoard(),
      ...shared,
      clockOffsetUs: load.clockOffsetUs ?? 0,
      flights: flights.shared,
      groupFlights,
      ledger,
      payloadFactors: options.payloadFactors,
      latencyParts: parts,
      isPart: isPartOfMany(options),
      joinsLate: load.joinsLate === true,
      present,
    };
  });
}

/** Whether messages come from other hosts and go there: users who write in turns stay with their worker. */
export function isPartOfMany({ segment, model }: LoadOptions): boolean {
  return segment !== undefined && model.kind === 'open';
}

/** Users [first, first + count) of worker `index` of `workers`; exact for any numbers. */
export function shareOfUsers(
  users: number,
  workers: number,
  index: number,
): { first: number; count: number } {
  const first = Math.floor((users * index) / workers);
  return { first, count: Math.floor((users * (index + 1)) / workers) - first };
}
