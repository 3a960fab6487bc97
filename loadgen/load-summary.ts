// The result of a load as one object, and whether it can be believed. Pure.
//
// The lateness rule: an open-loop generator must send on time. When more than one message in a
// hundred left later than `latenessUsMax` after its plan, though its connection would have taken
// it, the generator was saturated: then the latencies measure it and not the target, and the run is
// invalid (exit 13). Messages that the target's back-pressure held up do not count here; their
// delay is in the latency.

import type { Histogram } from '#core/metric/histogram.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import type { Ceiling } from '#loadgen/ceiling/measure-ceiling.ts';
import type { MediaReport } from '#loadgen/http/media-load.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import { kernelWitness } from '#loadgen/kernel-witness.ts';
import { groupPart, latencyParts } from '#loadgen/latency-parts.ts';
import type { LittleCheck } from '#loadgen/little.ts';
import type { HostsReport } from '#loadgen/load-driver.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { usersByNetwork } from '#loadgen/network-mix.ts';
import { arrivalPlan, type People } from '#loadgen/people.ts';
import type { SearchResult } from '#loadgen/rate-search.ts';
import { serverWitness } from '#loadgen/server-witness.ts';
import type { PortPlanKind } from '#loadgen/source-plan.ts';
import type { StormReport } from '#loadgen/storm-watch.ts';
import { judge } from '#loadgen/threshold.ts';
import type { Counts } from '#loadgen/worker-board.ts';
import type { StackCounts } from '#loadgen/worker-crew.ts';

export const SUMMARY_SCHEMA = 'wsar.load/1';

/** How a load ended. */
export type LoadEnd = 'complete' | 'stopped' | 'failed';

/** How the reason begins that a longer load mends. */
export const TOO_FEW = 'too few';
/** More planned messages than this share that could not be sent make a run invalid. */
const UNSENT_RATIO_MAX = 0.01;
/** A clock error above this part of the median latency is told. */
const CLOCK_ERROR_RATIO_MAX = 0.05;
/** A result above this part of what the generator can do at all tells of the generator too. */
const CEILING_RATIO_MAX = 0.7;

export interface LoadResult {
  options: LoadOptions;
  engine: EngineName;
  end: LoadEnd;
  /** Why it failed; one sentence. */
  failure: string | undefined;
  /** At the end of the drain, before anybody said goodbye. */
  counts: Counts;
  timings: Timings;
  /** Start of the ramp to everybody in (or to its end without that). */
  rampS: number;
  /** Length of the steady phase as it was. */
  steadyS: number;
  /** Messages that left in that time; the rest of `counts.sent` left later. */
  sentInSteady: number;
  /** Messages that were still moving when the drain had to end; they count as lost. */
  cutOnTheirWay: number;
  /** Rate at the end; a knob may have turned it. */
  ratePerS: number;
  /** CPU time of this process in the ramp, and from then to the end of the drain. */
  rampCpuUs: number;
  cpuUs: number;
  /** Growth of our resident memory over the ramp for each user; NaN with too few to tell. */
  userBytesPerConnection: number;
  /** Addresses that connections came from; 0 = the kernel chose. */
  sourceAddresses: number;
  /** How their ports were chosen; undefined where that is not ours. */
  portPlan?: PortPlanKind | undefined;
  /** Whether our own figures fit together; undefined when that cannot be asked. */
  little: LittleCheck | undefined;
  /** TCP sockets of this network namespace, before the first login and at the end of the steady phase. */
  sockets: { before: number | undefined; during: number | undefined };
  /** What storms did. */
  storms?: StormReport[];
  /** With several hosts: what became of them, and the users of those that were lost. */
  hosts?: HostsReport;
  lostUsers?: number;
  /** With several hosts: messages to groups that are with every member; null when that is not known. */
  groupComplete?: number | null;
  /** What engine stack counted; undefined with other engines. */
  stack: StackCounts | undefined;
}

/** What else is known of a load beside what the run itself measured. */
export interface LoadContext {
  /** Sockets of this network namespace that one logged-in user makes. */
  socketsPerUser: number;
  /** What the server said of itself; undefined when it says nothing. */
  server?: { by: 'lab' | '$SYS'; sessions: number; expected: number } | undefined;
  ceiling?: Ceiling | undefined;
  search?: SearchResult | undefined;
  media?: MediaReport | undefined;
}

const NOTHING_ELSE: LoadContext = { socketsPerUser: 0 };

export type TimingSummary = Record<
  'p50' | 'p90' | 'p99' | 'p999' | 'max' | 'mean' | 'count',
  number
>;

export type LoadSummary = ReturnType<typeof summarize>;

export function summarize(result: LoadResult, context: LoadContext = NOTHING_ELSE) {
  const { options } = result;
  const figures = figuresOf(result);
  const witnesses = witnessesOf(result, context);
  const generatorFlaws = flawsOfGenerator(result, context);
  const targetFlaws = flawsOfTarget(result, context);
  const thresholds = options.failIf.map((rule) => {
    const { isTrue, ...judgement } = judge(rule, figures, result.timings);
    return { ...judgement, failed: isTrue };
  });
  const untold = thresholds.filter(({ failed }) => failed === null);
  const isUntried = context.search?.steps.length === 0;
  const flaws = [
    ...targetFlaws,
    ...generatorFlaws,
    ...(isUntried ? [`${TOO_FEW} seconds to judge one rate of the search`] : []),
    ...untold.map(({ rule }) => `${TOO_FEW} samples to judge '${rule}'`),
  ];
  return {
    ...figures,
    ...witnesses,
    thresholds,
    ...(context.search === undefined ? {} : { search: context.search }),
    ...(context.media === undefined ? {} : { media: context.media }),
    valid: flaws.length === 0,
    /** The generator itself could not keep up: exit 13. */
    saturated: generatorFlaws.length > 0,
    invalidReasons: flaws,
    warnings: warningsOf(result, witnesses),
  };
}

/** What was measured, without any judgement. */
function figuresOf(result: LoadResult) {
  const { options, counts, timings, rampS, steadyS } = result;
  const lost = counts.expected - counts.received;
  return {
    schema: SUMMARY_SCHEMA,
    target: options.target.text,
    protocol: options.wire.text,
    engine: result.engine,
    workers: options.workers,
    seed: options.seed,
    model: options.model.kind,
    sourcePorts: result.portPlan ?? null,
    ...(options.scenario === undefined ? {} : { scenario: options.scenario }),
    end: result.end,
    connections: {
      target: options.connections,
      attempted: counts.attempted,
      connected: counts.connected,
      loggedIn: counts.loggedIn,
      failed: counts.failed,
      refused: counts.refused,
      timeouts: counts.timeouts,
      lost: counts.lost,
      reconnects: counts.reconnects,
      cutOff: counts.cutOff,
      sourceTaken: counts.sourceTaken,
      sourceAddresses: result.sourceAddresses,
    },
    messages: {
      planned: counts.planned,
      sent: counts.sent,
      acked: counts.acked,
      expected: counts.expected,
      received: counts.received,
      receipts: counts.receipts,
      lost,
      // Some of them come while users say goodbye.
      unfinished: Math.min(result.cutOnTheirWay, Math.max(0, lost)),
      errors: counts.errors + counts.held,
      heldBack: counts.heldBack,
      unmatched: counts.unmatched,
      uncounted: counts.uncounted,
    },
    rateTargetPerS: result.ratePerS,
    rateAchievedPerS: perSecond(result.sentInSteady, steadyS),
    latencyUs: timingSummary(timings.latency),
    serviceUs: timingSummary(timings.service),
    latenessUs: timingSummary(timings.lateness),
    ...partsOf(result),
    cpuUs: result.cpuUs,
    cpuUsPerMessage: counts.sent === 0 ? null : round(result.cpuUs / counts.sent),
    rampCpuUs: result.rampCpuUs,
    userBytesPerConnection: round(result.userBytesPerConnection),
    rampS: round(rampS),
    steadyS: round(steadyS),
    connectsPerS: perSecond(counts.logins - counts.reconnects, rampS),
    ...(result.stack === undefined ? {} : { stack: result.stack }),
    ...((result.storms ?? []).length === 0 ? {} : { storms: result.storms }),
    ...(result.hosts === undefined ? {} : { hosts: result.hosts }),
  };
}

/** What is told apart: latency by the network of the receiver, and what people do beside writing to one. */
function partsOf(result: LoadResult) {
  const { options, timings } = result;
  const { network, people, seed, segment, connections } = options;
  const { parts } = timings;
  const users = { first: segment?.first ?? 0, count: connections };
  const group = groupPart(latencyParts(options));
  return {
    ...(network === undefined
      ? {}
      : {
          networks: usersByNetwork(network, seed, users).map((of, i) => ({
            ...of,
            latencyUs: parts[i] === undefined ? null : timingSummary(parts[i]),
          })),
        }),
    ...(people === undefined ? {} : { people: peopleFigures(result, people) }),
    ...(parts[group] === undefined ? {} : { lastMemberUs: timingSummary(parts[group]) }),
  };
}

function peopleFigures(result: LoadResult, people: People) {
  const { options, counts } = result;
  const users = options.segment?.total ?? options.connections;
  const { groups } = arrivalPlan(options, users);
  return {
    groups: groups?.count ?? 0,
    memberships: groups?.memberships ?? 0,
    refused: counts.groupRefused,
    groupMessages: counts.groupSent,
    groupExpected: counts.groupExpected,
    groupReceived: counts.groupReceived,
    groupComplete:
      options.hosts === undefined ? counts.groupComplete : (result.groupComplete ?? null),
    groupOwn: counts.groupOwn,
    groupExtra: counts.groupExtra,
    groupReceipts: counts.groupReceipts,
    deliveriesPerMessage: counts.sent === 0 ? null : round(counts.expected / counts.sent),
    typing: { sent: counts.hintsSent, received: counts.hintsReceived },
    presence: {
      by: people.contacts === 0 ? 'nobody' : people.announces ? 'users' : 'server',
      watched: people.contacts * users,
      sent: counts.presenceSent,
      received: counts.presenceReceived,
    },
  };
}

/** What others counted, and what the generator could do at most; null where nobody says. */
function witnessesOf(result: LoadResult, { socketsPerUser, server, ceiling }: LoadContext) {
  const { sockets, counts, little, sentInSteady, steadyS } = result;
  const kernel = kernelWitness(sockets.before, sockets.during, counts.loggedIn, socketsPerUser);
  // Null: no rate held.
  const share =
    ceiling === undefined || ceiling.ratePerS === 0
      ? null
      : round(perSecond(sentInSteady, steadyS) / ceiling.ratePerS);
  return {
    little:
      little === undefined
        ? null
        : { ...little, onTheWay: round(little.onTheWay), expected: round(little.expected) },
    kernel: kernel ?? null,
    server:
      server === undefined ? null : serverWitness(server.by, server.sessions, server.expected),
    ...(ceiling === undefined ? {} : { ceiling: { ...ceiling, share } }),
  };
}

function warningsOf(result: LoadResult, witnesses: ReturnType<typeof witnessesOf>): string[] {
  const { little, kernel, server, ceiling } = witnesses;
  const { hosts, options } = result;
  const warnings: string[] = [];
  if (options.model.kind !== 'open') {
    warnings.push(
      `latency is service time: in a model that is ${options.model.kind} users wait with a slow server ` +
        'and write less; what people would see of it needs --model open',
    );
  }
  if (hosts !== undefined && hosts.lost.length > 0) {
    const who = hosts.lost.map(({ id, atS }) => `${id} at ${atS} s`).join(', ');
    warnings.push(`coverage ${hosts.alive}/${hosts.total}: lost ${who}`);
  }
  if (hosts !== undefined) warnings.push(...hostWarnings(result, hosts));
  if (little !== null && !little.agrees) {
    warnings.push(
      `Little's law does not hold: ${little.onTheWay} messages were on their way on average, ` +
        `rate times service time makes ${little.expected}`,
    );
  }
  if (kernel !== null && !kernel.agrees) {
    const { sockets, expected } = kernel;
    warnings.push(
      `the kernel counts ${Math.abs(sockets)} TCP sockets ${sockets < 0 ? 'less' : 'more'} than before, ` +
        `${result.counts.loggedIn} users make ${expected}`,
    );
  }
  if (server !== null && !server.agrees) {
    warnings.push(`the server counts ${server.sessions} sessions, we count ${server.expected}`);
  }
  const { groupRefused } = result.counts;
  if (groupRefused > 0) warnings.push(`the server refused ${groupRefused} memberships of groups`);
  if (ceiling?.share === null) {
    warnings.push(
      'this generator keeps no rate on time here, not even against a server that does nothing',
    );
  }
  if (ceiling !== undefined && (ceiling.share ?? 0) > CEILING_RATIO_MAX) {
    warnings.push(
      `this generator reaches ${ceiling.ratePerS}/s against a server that does nothing: the result ` +
        `is at ${Math.round(ceiling.share! * 100)} % of that and tells of the generator too`,
    );
  }
  return warnings;
}

/** What keeps several hosts from being one. */
function hostWarnings({ options, timings }: LoadResult, hosts: HostsReport): string[] {
  const { clockErrorUsMax, clockDriftUsMax, agrees, lateTurns } = hosts;
  const warnings: string[] = [];
  const median = timings.latency.percentile(50);
  // Virtual hosts have one clock, whatever the bus can tell of it.
  const isApart = options.hosts?.isVirtual === false && timings.latency.count > 0;
  if (isApart && clockErrorUsMax > median * CLOCK_ERROR_RATIO_MAX) {
    warnings.push(
      `the clocks of the hosts are one within ${milliseconds(clockErrorUsMax)}, which is much beside ` +
        `a median latency of ${milliseconds(median)}`,
    );
  }
  if (clockDriftUsMax > 0) {
    warnings.push(`the clock of a host ran ${milliseconds(clockDriftUsMax)} away during the run`);
  }
  if (lateTurns > 0) {
    warnings.push(`knobs reached a host after their time: ${lateTurns} turn(s)`);
  }
  if (agrees === false) {
    warnings.push('the hosts carried out another plan than one host would have');
  }
  return warnings;
}

function flawsOfGenerator(
  { options, counts, timings }: LoadResult,
  context: LoadContext,
): string[] {
  const flaws: string[] = [];
  const { lateness } = timings;
  if (context.search !== undefined) {
    return context.search.limitedBy === 'generator'
      ? [`the search was ended by the generator: it could not send faster on time`]
      : [];
  }
  if (lateness.percentile(99) > options.latenessUsMax) {
    flaws.push(
      `the generator was saturated: 1 message in 100 left ${milliseconds(lateness.percentile(99))} ` +
        `or more after its time, ${milliseconds(options.latenessUsMax)} are allowed`,
    );
  }
  if (counts.overrun > 0) {
    flaws.push(`${counts.overrun} messages were on their way too long to be followed`);
  }
  if (counts.tlsGivenUp > 0) {
    flaws.push(
      `${counts.tlsGivenUp} connections were given up: too much waited below TLS for a target that did not read`,
    );
  }
  return flaws;
}

function flawsOfTarget(result: LoadResult, context: LoadContext): string[] {
  const { options, counts, end, failure, cutOnTheirWay } = result;
  const flaws = failure === undefined ? [] : [failure];
  if (end === 'stopped') flaws.push('it was stopped before its end');
  // A lost host is told by its own sentence.
  // Who a knob keeps away is not missing.
  const missing = options.connections - (result.lostUsers ?? 0) - counts.ready - counts.parked;
  const isSteadyCrowd = options.model.kind !== 'partly-open';
  if (isSteadyCrowd && missing > 0 && failure === undefined && end === 'complete') {
    flaws.push(`${missing} of ${options.connections} users were not logged in at the end`);
  }
  // A search goes beyond what the target can take: that is its purpose.
  if (context.search !== undefined) return flaws;
  const unsent = counts.errors + counts.held;
  if (unsent > counts.planned * UNSENT_RATIO_MAX) {
    const more =
      counts.uncounted > 0
        ? `, and about ${counts.uncounted} more that were due were not counted`
        : '';
    flaws.push(`${unsent} of ${counts.planned} planned messages could not be sent${more}`);
  }
  if (cutOnTheirWay > 0) {
    flaws.push(`${cutOnTheirWay} messages were still on their way when the drain ended`);
  }
  return flaws;
}

function timingSummary(histogram: Histogram): TimingSummary {
  return {
    p50: histogram.percentile(50),
    p90: histogram.percentile(90),
    p99: histogram.percentile(99),
    p999: histogram.percentile(99.9),
    max: histogram.max,
    mean: round(histogram.mean),
    count: histogram.count,
  };
}

function perSecond(count: number, seconds: number): number {
  return seconds > 0 ? round(count / seconds) : 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(us < 10_000 ? 1 : 0)} ms`;
}
