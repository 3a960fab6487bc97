// One `wsar load` from its checks to its exit code: looks whether the load is possible, tries one
// login, runs it, and reports each second and at the end. Nothing is started before every check has
// passed.

import { randomBytes } from 'node:crypto';
import type { CommandContext } from '#core/cli/command.ts';
import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import type { Clock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';
import { startTicker, type Tick } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import { readLabEnvironment } from '#core/host/lab-environment.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { readHostPorts } from '#loadgen/host-ports.ts';
import { readHostRoom, requireRoom } from '#loadgen/host-room.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { joinLab, type LabLink } from '#loadgen/lab-link.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { LoadProgress } from '#loadgen/load-progress.ts';
import { loadRow } from '#loadgen/load-rows.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import { type LoadResult, type LoadSummary, summarize } from '#loadgen/load-summary.ts';
import { probeLogin } from '#loadgen/probe-login.ts';
import { parseBlock, planSources, type SourcePlan, sourceAddress } from '#loadgen/source-plan.ts';
import {
  planStack,
  requireHostTarget,
  STACK_SOURCES,
  type StackPlan,
} from '#loadgen/stack-plan.ts';
import { summaryTable } from '#loadgen/summary-table.ts';
import { type ResolvedTarget, resolveTarget } from '#loadgen/target.ts';
import { uidOf } from '#loadgen/user-packets.ts';
import { createBoard, sumBoards } from '#loadgen/worker-board.ts';
import { shareOfUsers } from '#loadgen/worker-plan.ts';

/** All of it is local without any configuration, and nothing else uses it. */
const LOOPBACK_SOURCES = '127.1.0.0/16';

const PARENT_LOST = new WsarError(
  'WSAR_ERR_PARENT_LOST',
  'the lab that started this load is gone',
  'start the lab again',
);
const BUS_LOST = new WsarError(
  'WSAR_ERR_UNREACHABLE',
  'the bus of the lab was lost and did not come back',
  'see why its broker ended; all users have logged out',
);

/**
 * Runs a load; the report goes to `context.out`. Throws what a person should read about its end.
 */
export async function runSession(context: CommandContext, options: LoadOptions): Promise<ExitCode> {
  const clock = createHostClock();
  const { engine } = chooseEngine(options.engine);
  const target = await resolveTarget(options.target, options.isOwned);
  const stack = engine === 'stack' ? plannedStack(options, target) : undefined;
  const sources = stack === undefined ? planned(options, target) : undefined;
  requireRoom(
    { connections: options.connections, engine, isTargetHere: target.isLoopback },
    readHostRoom('/proc', '/sys/fs/cgroup'),
  );
  const orphaned = new AbortController();
  watchLifeline(() => orphaned.abort(PARENT_LOST));
  const link = await joinLab(readLabEnvironment(), clock);
  link.onLost(() => orphaned.abort(BUS_LOST));
  const session = new LoadSession(context, options, link, clock);
  try {
    const from = sources === undefined ? undefined : formatIpv4(sourceAddress(sources, 0, 0));
    await session.probe(() => probeLogin(target, uidOf(options.firstUser), from, clock));
    const signal = AbortSignal.any([context.signal, orphaned.signal]);
    await session.run(target, sources, stack, signal);
  } finally {
    await link.close();
  }
  // It ended cleanly, and the report stands; whoever looks at the exit code must know why.
  if (orphaned.signal.aborted) throw orphaned.signal.reason;
  return EXIT.ok;
}

class LoadSession {
  readonly #context: CommandContext;
  readonly #options: LoadOptions;
  readonly #link: LabLink;
  readonly #clock: Clock;
  readonly #progress: LoadProgress;
  #lastTickUs = 0;
  #lastReceived = 0;
  #lastLogins = 0;

  constructor(context: CommandContext, options: LoadOptions, link: LabLink, clock: Clock) {
    this.#context = context;
    this.#options = options;
    this.#link = link;
    this.#clock = clock;
    this.#progress = new LoadProgress(context.talk, process.stderr.isTTY === true);
  }

  /** Tries one login; a target that cannot be used gets a report of nothing before the sentence. */
  async probe(login: () => Promise<void>): Promise<void> {
    try {
      await login();
    } catch (error) {
      const isOfTarget = error instanceof WsarError && error.code === 'WSAR_ERR_UNREACHABLE';
      if (isOfTarget) this.#report(summarize(emptyResult(this.#options, error)));
      throw error;
    }
  }

  /** The load itself and its report. */
  async run(
    target: ResolvedTarget,
    sources: SourcePlan | undefined,
    stack: StackPlan | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const run = new LoadRun({
      clock: this.#clock,
      options: this.#options,
      target,
      sources,
      stack,
      run: randomBytes(4).readUInt32LE(),
      signal,
      onPhase: (phase, wallMs) => this.#link.phase(phase, wallMs),
    });
    const done = run.run();
    // Not a result: what the awaits below throw first must not leave it unheard.
    done.catch(() => {});
    await this.#link.offerRate(run);
    this.#lastTickUs = this.#clock.monoUs();
    let seconds: Promise<void> = Promise.resolve();
    const stopTicks = startTicker(this.#clock, 1000, (tick) => {
      seconds = seconds.then(() => this.#second(tick, run));
    });
    let result: LoadResult;
    try {
      result = await done;
    } finally {
      stopTicks();
      await seconds;
    }
    const summary = summarize(result);
    this.#report(summary);
    if (run.failure !== undefined) throw run.failure;
    if (result.end === 'complete' && !summary.valid) throw invalidRun(summary);
  }

  async #second(tick: Tick, run: LoadRun): Promise<void> {
    const timings = await run.takeSecond();
    const counts = run.counts();
    const cpu = process.cpuUsage();
    const row = loadRow(tick, {
      target: this.#options.connections,
      counts,
      timings,
      cpuUs: cpu.user + cpu.system,
      intervalUs: tick.monoUs - this.#lastTickUs,
    });
    const intervalS = (tick.monoUs - this.#lastTickUs) / 1e6;
    this.#lastTickUs = tick.monoUs;
    this.#link.row(row);
    if (this.#context.options['json'] === true) this.#context.out(`${JSON.stringify(row)}\n`);
    this.#progress.second({
      phase: run.phase,
      counts,
      target: this.#options.connections,
      timings,
      ratePerS: run.ratePerS,
      receivedPerS: (counts.received - this.#lastReceived) / intervalS,
      loginsPerS: (counts.logins - this.#lastLogins) / intervalS,
      remainingS: run.remainingS,
    });
    this.#lastReceived = counts.received;
    this.#lastLogins = counts.logins;
  }

  #report(summary: LoadSummary): void {
    this.#progress.clear();
    const isJson = this.#context.options['json'] === true;
    this.#context.out(isJson ? `${JSON.stringify(summary)}\n` : summaryTable(summary));
  }
}

/**
 * Where connections come from; undefined when the kernel chooses. Throws when there are too few
 * places.
 */
function planned(options: LoadOptions, target: ResolvedTarget): SourcePlan | undefined {
  const { connections, sources } = options;
  const ports = readHostPorts('/proc');
  const block = sources ?? (target.isLoopback ? parseBlock(LOOPBACK_SOURCES) : undefined);
  if (block !== undefined) {
    return planSources(block, connections, target.port, ports, drawRun());
  }
  const chosenByKernel = ports.localMax - ports.localMin + 1;
  if (connections > chosenByKernel) {
    throw new WsarError(
      'WSAR_ERR_LIMIT',
      `from one address this host gives out ${chosenByKernel} source ports, fewer than ${connections}`,
      'name more addresses of this host with --sources',
    );
  }
  return undefined;
}

/** The same for engine stack, whose clients have addresses of nobody else. */
function plannedStack(options: LoadOptions, target: ResolvedTarget): StackPlan {
  requireHostTarget(target);
  const { connections, workers, network } = options;
  const block = options.sources ?? parseBlock(STACK_SOURCES);
  const shares = Array.from({ length: workers }, (_, index) =>
    shareOfUsers(connections, workers, index),
  );
  return planStack(block, shares, target.port, network, drawRun());
}

/** Where this run begins on the wheel of sources, in [0, 1). */
function drawRun(): number {
  return randomBytes(6).readUIntLE(0, 6) / 2 ** 48;
}

function invalidRun(summary: LoadSummary): WsarError {
  return new WsarError(
    'WSAR_ERR_INVALID_RUN',
    `the run cannot be judged: ${summary.invalidReasons.join('; ')}`,
    summary.saturated
      ? 'lower --rate, or give the generator more CPU (--workers, fewer other programs)'
      : "look at the server's log",
  );
}

/** The result of a load that did not begin. */
function emptyResult(options: LoadOptions, failure: WsarError): LoadResult {
  return {
    options,
    engine: chooseEngine(options.engine).engine,
    end: 'failed',
    failure: failure.message,
    counts: sumBoards([createBoard()]),
    timings: createTimings(),
    rampS: 0,
    steadyS: 0,
    sentInSteady: 0,
    cutOnTheirWay: 0,
    ratePerS: options.ratePerS,
    rampCpuUs: 0,
    cpuUs: 0,
    userBytesPerConnection: Number.NaN,
    sourceAddresses: 0,
    stack: undefined,
  };
}
