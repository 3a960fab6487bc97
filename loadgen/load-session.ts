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
import { measureCeiling } from '#loadgen/ceiling/measure-ceiling.ts';
import { HistogramFile } from '#loadgen/histogram-file.ts';
import { readHostRoom, requireRoom } from '#loadgen/host-room.ts';
import { type HostsPlace, openHostsPlace } from '#loadgen/hosts/hosts-place.ts';
import { HostsRun } from '#loadgen/hosts/hosts-run.ts';
import { HttpRun, type HttpRunParts } from '#loadgen/http/http-run.ts';
import { MediaLoad } from '#loadgen/http/media-load.ts';
import { createTimings } from '#loadgen/interval-timings.ts';
import { joinLab, type LabLink } from '#loadgen/lab-link.ts';
import { latencyParts } from '#loadgen/latency-parts.ts';
import type { LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { LoadProgress } from '#loadgen/load-progress.ts';
import { type LoadRoute, planRoute } from '#loadgen/load-route.ts';
import { loadRow } from '#loadgen/load-rows.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import {
  type LoadContext,
  type LoadResult,
  type LoadSummary,
  summarize,
  TOO_FEW,
} from '#loadgen/load-summary.ts';
import { deliveriesPerMessage, mannersText, settlePeople } from '#loadgen/people.ts';
import { RATE_PER_S_MAX } from '#loadgen/plan-changes.ts';
import { probeLogin } from '#loadgen/probe-login.ts';
import { probePeople } from '#loadgen/probe-people.ts';
import { plannedMessages } from '#loadgen/rate-plan.ts';
import { requireReturnRoute } from '#loadgen/return-route.ts';
import { SearchDriver } from '#loadgen/search-driver.ts';
import { askBroker } from '#loadgen/server-witness.ts';
import { sourceAddress } from '#loadgen/source-plan.ts';
import { summaryTable } from '#loadgen/summary-table.ts';
import { type ResolvedTarget, resolveTarget } from '#loadgen/target.ts';
import { judgedText } from '#loadgen/threshold.ts';
import { uidOf } from '#loadgen/user-packets.ts';
import { createBoard, sumBoards } from '#loadgen/worker-board.ts';

/** Seconds that a step of --find-max is judged by. */
const SEARCH_STEP_TICKS = 4;
/** Seconds after a turn of the rate that are not judged: over hosts it holds a little later. */
const SETTLE_TICKS = 1;
const HOSTS_SETTLE_TICKS = 2;
/** Brokers count their clients every ten seconds: a shorter phase is not in their figures. */
const BROKER_COUNT_S = 12;

/** Where connections come from, and with several hosts where those are met. */
type SessionRoute = LoadRoute & { place: HostsPlace | undefined };
/** What every kind of load is made of. */
type DriverParts = HttpRunParts;

const NO_ROUTE: LoadRoute = { sources: undefined, stack: undefined };

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
 * Runs a load; the report goes to `context.out`. `preface` is said when the
 * target can be used. Throws what a person should read about its end.
 */
export async function runSession(
  context: CommandContext,
  options: LoadOptions,
  preface = '',
): Promise<ExitCode> {
  const clock = createHostClock();
  const { engine } = chooseEngine(options.engine);
  const target = await resolveTarget(options.target, options.isOwned);
  const { isHttp, tls } = options.wire;
  const { hosts } = options;
  const isElsewhere = isHttp || hosts !== undefined;
  const route = isElsewhere ? NO_ROUTE : planRoute(options, target);
  if (options.isRoomChecked && hosts?.isVirtual !== false) {
    requireRoom(
      {
        connections: options.connections,
        engine,
        isTargetHere: target.isLoopback,
        isTls: tls !== undefined,
      },
      readHostRoom('/proc', '/sys/fs/cgroup'),
    );
  }
  for (const { block, reachesOthers } of route.stack?.parts ?? []) {
    if (reachesOthers) await requireReturnRoute(block, target);
  }
  const orphaned = new AbortController();
  watchLifeline(() => orphaned.abort(PARENT_LOST));
  const environment = readLabEnvironment();
  const link = await joinLab(environment, clock);
  link.onLost(() => orphaned.abort(BUS_LOST));
  const session = new LoadSession(context, options, link, clock);
  let place: HostsPlace | undefined;
  let exitCode: ExitCode = EXIT.ok;
  try {
    // HTTP has no login; a server that is not there answers no request.
    if (!isHttp) await session.probe(target, route);
    context.talk(preface);
    await session.settle(target, route);
    const signal = AbortSignal.any([context.signal, orphaned.signal]);
    if (options.calibrate) await session.calibrate(signal);
    if (hosts !== undefined) {
      place = await openHostsPlace(hosts, environment, context.root, clock);
      for (const [id, pid] of place.pids) context.talk(`virtual host ${id}: process ${pid}\n`);
    }
    exitCode = await session.run(target, { ...route, place }, signal);
  } finally {
    await place?.close();
    session.close();
    await link.close();
  }
  // It ended cleanly, and the report stands; whoever looks at the exit code must know why.
  if (orphaned.signal.aborted) throw orphaned.signal.reason;
  return exitCode;
}

class LoadSession {
  readonly #context: CommandContext;
  #options: LoadOptions;
  readonly #link: LabLink;
  readonly #clock: Clock;
  readonly #progress: LoadProgress;
  readonly #file: HistogramFile | undefined;
  readonly #known: LoadContext;
  #search: SearchDriver | undefined;
  #lastTickUs = 0;
  #lastReceived = 0;
  #lastLogins = 0;

  constructor(context: CommandContext, options: LoadOptions, link: LabLink, clock: Clock) {
    this.#context = context;
    this.#options = options;
    this.#link = link;
    this.#clock = clock;
    this.#progress = new LoadProgress(context.talk, process.stderr.isTTY === true);
    const { hlogFile } = options;
    this.#file =
      hlogFile === undefined
        ? undefined
        : new HistogramFile(hlogFile, clock.wallMs(), context.talk, latencyParts(options));
    this.#known = { socketsPerUser: 0 };
  }

  close(): void {
    this.#file?.close();
  }

  /** Tries a login on every port; a target that cannot be used gets a report of nothing before the sentence. */
  async probe(target: ResolvedTarget, { sources }: LoadRoute): Promise<void> {
    const { wire, firstUser, payloadBytes } = this.#options;
    const from = firstAddress(sources);
    const clientId = uidOf(firstUser);
    try {
      for (const port of target.ports) {
        await probeLogin({ target, port, wire, clientId, from, payloadBytes }, this.#clock);
      }
    } catch (error) {
      const isOfTarget = error instanceof WsarError && error.code === 'WSAR_ERR_UNREACHABLE';
      if (isOfTarget) this.#report(summarize(emptyResult(this.#options, error), this.#known));
      throw error;
    }
  }

  /** Leaves out of the people what the target cannot have; `--receipts auto` asks it without people, too. */
  async settle(target: ResolvedTarget, { sources }: LoadRoute): Promise<void> {
    const { wire, firstUser: user, connections, people, receiptsAsTold } = this.#options;
    const isBroker = !wire.isHttp && wire.echo === undefined;
    if (people === undefined && !(receiptsAsTold && isBroker)) return;
    const from = firstAddress(sources);
    // There are fewer groups than users.
    const plan = { target, wire, user, group: user + connections - 1, from };
    const manners = await probePeople(plan, this.#clock);
    this.#context.talk(mannersText(manners, people !== undefined));
    this.#options = settlePeople(this.#options, manners);
  }

  /** Finds what the generator itself can do here. */
  async calibrate(signal: AbortSignal): Promise<void> {
    this.#context.talk('calibrating: the highest rate against a server that does nothing\n');
    const ceiling = await measureCeiling(this.#options, this.#clock, signal);
    // Half a search is no ceiling.
    if (signal.aborted) return;
    this.#known.ceiling = ceiling;
    const { ratePerS, limitedBy } = ceiling;
    this.#context.talk(`calibrated: ${ratePerS} messages/s, limited by ${limitedBy}\n`);
  }

  /** The load itself and its report. */
  async run(target: ResolvedTarget, route: SessionRoute, signal: AbortSignal): Promise<ExitCode> {
    let told: Promise<LoadContext['server']> = Promise.resolve(undefined);
    const media = await this.#planMedia();
    const parts = {
      clock: this.#clock,
      options: this.#options,
      target,
      signal,
      onPhase: (phase: PhaseName, wallMs: number) => {
        this.#link.phase(phase, wallMs);
        if (phase === 'steady') media?.start();
        if (phase !== 'end') return;
        told = this.#askServer(target, run);
        void media?.stop();
      },
    };
    const run = this.#driver(parts, route);
    this.#search = this.#startSearch(run);
    const done = run.run();
    // Not a result: what the awaits below throw first must not leave it unheard.
    done.catch(() => {});
    const isOurs = run instanceof LoadRun;
    // The rate of autocannon is fixed.
    if (run.knobs !== undefined) await this.#link.offer(run.knobs);
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
      await media?.stop();
    }
    // What arrived after the last whole second.
    const restUs = this.#clock.monoUs() - this.#lastTickUs;
    this.#file?.interval(this.#clock.wallMs(), restUs, await run.takeSecond());
    const summary = summarize(result, {
      ...this.#known,
      socketsPerUser: isOurs
        ? (route.stack === undefined ? 1 : 0) + (target.isLoopback ? 1 : 0)
        : 0,
      server: await told,
      search: this.#search?.result(),
      media: media?.report(),
    });
    this.#report(summary);
    if (run.failure !== undefined) throw run.failure;
    if (result.end !== 'complete') return EXIT.ok;
    if (!summary.valid) throw invalidRun(summary);
    return this.#judge(summary);
  }

  /** The files behind the messages, when there is a server for them. */
  async #planMedia(): Promise<MediaLoad | undefined> {
    const { mediaTarget, mediaKinds, mediaRatio, isOwned, durationMs, ratePlan, people } =
      this.#options;
    if (mediaTarget === undefined) return undefined;
    const target = await resolveTarget(mediaTarget, isOwned);
    const messagesPerS = plannedMessages(ratePlan, durationMs) / (durationMs / 1000);
    const uploadsPerS = messagesPerS * mediaRatio;
    const downloadsPerS = uploadsPerS * deliveriesPerMessage(people);
    return new MediaLoad({ target, kinds: mediaKinds, uploadsPerS, downloadsPerS, durationMs });
  }

  #driver(parts: DriverParts, { place, ...route }: SessionRoute): LoadDriver {
    const { options } = parts;
    const run = randomBytes(4).readUInt32LE();
    if (options.wire.isHttp) return new HttpRun(parts);
    if (place === undefined) return new LoadRun({ ...parts, ...route, run });
    const { count: hosts, policy, isVirtual } = options.hosts!;
    const { bus, lab } = place;
    const { talk } = this.#context;
    return new HostsRun({ ...parts, bus, lab, hosts, policy, isVirtual, run, talk });
  }

  /** Says which rules failed. */
  #judge({ thresholds, search }: LoadSummary): ExitCode {
    if (search?.ratePerS === 0) {
      this.#context.talk('wsar load: failed: no rate holds the rule\n');
      return EXIT.thresholdFailed;
    }
    const failed = thresholds.filter((threshold) => threshold.failed);
    for (const rule of failed) {
      this.#context.talk(`wsar load: failed: ${rule.rule} (it is ${judgedText(rule)})\n`);
    }
    return failed.length > 0 ? EXIT.thresholdFailed : EXIT.ok;
  }

  /** What the server counts, asked while everybody is still in. */
  async #askServer(target: ResolvedTarget, run: LoadDriver): Promise<LoadContext['server']> {
    const expected = run.counts().loggedIn;
    const inLab = this.#link.serverSessions();
    if (inLab !== undefined) return { by: 'lab', sessions: inLab, expected };
    const { durationMs, wire } = this.#options;
    const isPlain = (wire.echo ?? wire.webSocket ?? wire.tls) === undefined && !wire.isHttp;
    if (!isPlain || durationMs < BROKER_COUNT_S * 1000) return undefined;
    const watcher = uidOf(this.#options.firstUser + this.#options.connections);
    const sessions = await askBroker(target, `watch-${watcher}`, this.#clock);
    return sessions === undefined ? undefined : { by: '$SYS', sessions, expected };
  }

  #startSearch(run: LoadDriver): SearchDriver | undefined {
    const { findMax, ratePerS, latenessUsMax, hosts } = this.#options;
    if (findMax === undefined) return undefined;
    return new SearchDriver({
      rule: findMax,
      startPerS: ratePerS,
      rateMaxPerS: RATE_PER_S_MAX,
      settleTicks: hosts === undefined ? SETTLE_TICKS : HOSTS_SETTLE_TICKS,
      stepTicks: SEARCH_STEP_TICKS,
      latenessUsMax,
      setRate: (rate) => run.setRate(rate),
    });
  }

  async #second(tick: Tick, run: LoadDriver): Promise<void> {
    const timings = await run.takeSecond(tick.monoUs - tick.lateUs);
    const counts = run.counts();
    const cpu = process.cpuUsage();
    const intervalUs = tick.monoUs - this.#lastTickUs;
    const { alive, total } = run.hosts ?? { alive: 1, total: 1 };
    const row = loadRow(tick, {
      coverage: alive / total,
      target: this.#options.connections,
      counts,
      timings,
      cpuUs: cpu.user + cpu.system,
      intervalUs,
    });
    const intervalS = intervalUs / 1e6;
    this.#lastTickUs = tick.monoUs;
    this.#link.row(row);
    this.#file?.interval(tick.wallMs, intervalUs, timings);
    if (this.#context.options['json'] === true) this.#context.out(`${JSON.stringify(row)}\n`);
    if (this.#search !== undefined && run.phase === 'steady') {
      this.#search.tick(counts, timings, this.#clock.monoUs());
      if (this.#search.isDone) run.finish();
    }
    this.#progress.second({
      phase: run.phase,
      counts,
      target: this.#options.connections,
      timings,
      ratePerS: run.ratePerS,
      receivedPerS: (counts.received - this.#lastReceived) / intervalS,
      loginsPerS: (counts.logins - this.#lastLogins) / intervalS,
      remainingS: run.remainingS,
      hosts: run.hosts,
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

/** Where the first user comes from; undefined = the kernel chooses. */
function firstAddress(sources: LoadRoute['sources']): string | undefined {
  const address = sources === undefined ? 0 : sourceAddress(sources, 0, 0);
  return address === 0 ? undefined : formatIpv4(address);
}

function invalidRun(summary: LoadSummary): WsarError {
  return new WsarError(
    'WSAR_ERR_INVALID_RUN',
    `the run cannot be judged: ${summary.invalidReasons.join('; ')}`,
    summary.saturated
      ? 'lower --rate, or give the generator more CPU (--workers, fewer other programs)'
      : summary.invalidReasons.every((reason) => reason.startsWith(TOO_FEW))
        ? 'take a longer --duration or a higher --rate'
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
    little: undefined,
    sockets: { before: undefined, during: undefined },
    stack: undefined,
  };
}
