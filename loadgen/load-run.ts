// One load from the first login to the last goodbye: builds the workers' plan, walks through the
// phases and hands out what was measured. It does no output; who runs it listens.
//
//   ramp    until everybody is in (or the target has shown that it lets nobody in any more)
//   steady  the planned messages, for as long as asked, or until stopped
//   drain   until everything on its way has arrived (bounded)
//   logout  everybody says goodbye, every connection is closed
//
// A failure of the target ends the run early; its partial result is complete and says so.

import type { Clock } from '#core/clock/clock.ts';
import type { WsarError } from '#core/errors.ts';
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
import { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import { tcpSockets } from '#loadgen/kernel-witness.ts';
import { type LittleCheck, LittleWatch } from '#loadgen/little.ts';
import type { LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import { allLost, notAllIn } from '#loadgen/load-failure.ts';
import { knobsOf } from '#loadgen/load-knobs.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { LoadSettings, type Turn, type TurnName } from '#loadgen/load-settings.ts';
import type { LoadEnd, LoadResult } from '#loadgen/load-summary.ts';
import { logoutMs } from '#loadgen/logout-time.ts';
import type { PlanChanges } from '#loadgen/plan-changes.ts';
import { isChanging, plannedMessages } from '#loadgen/rate-plan.ts';
import { PHASE, RunControl } from '#loadgen/run-control.ts';
import { addressesUsed, type SourcePlan } from '#loadgen/source-plan.ts';
import { type StackPlan, stackAddresses } from '#loadgen/stack-plan.ts';
import { StormWatch } from '#loadgen/storm-watch.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';
import { PRESENT } from '#loadgen/user-table.ts';
import type { Counts } from '#loadgen/worker-board.ts';
import { WorkerCrew } from '#loadgen/worker-crew.ts';
import { isPartOfMany, planWorkers } from '#loadgen/worker-plan.ts';

/** How often the main thread looks how far the phase is, ms. */
const LOOK_MS = 20;
/** A ramp in which nobody logs in for so long has failed; and a target that has lost everybody. */
const STALL_MS = 10_000;
const LOST_MS = 5000;
/** The steady phase starts this far ahead, so that every worker knows before. */
const AHEAD_US = 20_000;
/** When nothing arrives for so long during the drain, nothing more will. */
const DRAIN_QUIET_MS = 3000;
/** A run that was stopped drains no longer than this. */
const STOPPED_DRAIN_MS = 3000;
/** Messages that may arrive after the steady phase for Little's law to be asked about it. */
const LATE_RATIO_MAX = 0.02;
/** Fewer users than this, and their memory drowns in the noise of the runtime. */
const MEMORY_USERS_MIN = 5000;

/** Where the hosts of one load wait for each other. */
export interface Barrier {
  /** Everybody is in here: when does the steady phase begin (us of the clock)? */
  ready(): Promise<number>;
  /** Everything has arrived here: resolves when it has everywhere. */
  drained(): Promise<void>;
}

export interface LoadRunParts {
  clock: Clock;
  options: LoadOptions;
  target: ResolvedTarget;
  sources: SourcePlan | undefined;
  /** Engine stack only: it has sources of its own. */
  stack: StackPlan | undefined;
  /** Number of this run, u32: marks its messages. */
  run: number;
  /** Ends the run early and cleanly. */
  signal: AbortSignal;
  onPhase: (phase: PhaseName, wallMs: number) => void;
  /** With other hosts: where to wait for them. */
  barrier?: Barrier;
  joinsLate?: boolean;
  clockOffsetUs?: number;
}

export class LoadRun implements LoadDriver {
  readonly #parts: LoadRunParts;
  readonly #control = new RunControl();
  readonly #settings: LoadSettings;
  readonly #crew: WorkerCrew;
  /** With other hosts: this one's part, see GroupLedger. */
  readonly ledger: GroupLedger | undefined;
  /** See WorkerPlan. */
  readonly #present: Uint8Array;
  #phase: PhaseName = 'ramp';
  #startUs = 0;
  #rampEndUs = 0;
  #steadyStartUs = Number.NaN;
  #planEndUs = Number.NaN;
  #sentInSteady = 0;
  #cutOnTheirWay = 0;
  #failure: WsarError | undefined;
  #isFinished = false;
  readonly #little = new LittleWatch();
  readonly #storms: StormWatch;
  #steadyMessages = { sent: 0, received: 0 };
  readonly #socketsBefore = tcpSockets('/proc');
  #socketsDuring: number | undefined;

  constructor(parts: LoadRunParts) {
    this.#parts = parts;
    this.#storms = new StormWatch(parts.options.storms);
    this.#settings = new LoadSettings(parts.options);
    const plans = planWorkers(parts, {
      control: this.#control.shared,
      schedule: this.#settings.schedule.shared,
      live: this.#settings.live.shared,
    });
    this.#present = plans[0]!.present;
    const shared = plans[0]!.ledger;
    this.ledger = shared === undefined ? undefined : new GroupLedger(shared);
    this.#crew = new WorkerCrew(plans, this.#control, parts.clock);
  }

  get phase(): PhaseName {
    return this.#phase;
  }

  get ratePerS(): number {
    return this.#settings.ratePerS(this.#nowUs());
  }

  /** Seconds until the steady phase ends; undefined before it. */
  get remainingS(): number | undefined {
    const leftUs = this.#steadyStartUs + this.#parts.options.durationMs * 1000 - this.#nowUs();
    return Number.isNaN(leftUs) ? undefined : Math.max(0, leftUs / 1e6);
  }

  /** Why the run failed, when it did: the error to end with after the report. */
  get failure(): WsarError | undefined {
    return this.#failure;
  }

  counts(): Counts {
    return this.#crew.counts();
  }

  /** Histograms since the last call. */
  takeSecond(): Promise<Timings> {
    return this.#crew.takeSecond();
  }

  /** Turns the message rate from now on. False when it was turned too often to remember. */
  setRate(ratePerS: number): boolean {
    return this.#turnNow('rate', ratePerS);
  }

  /** Turns something from the same instant on as other hosts do; false when that is not possible. */
  turn(turn: Turn): boolean {
    const isTaken = this.#settings.take(turn);
    this.#crew.nudge();
    return isTaken;
  }

  #turnNow(name: TurnName, value: number): boolean {
    const hasBegun = !Number.isNaN(this.#settings.startUs);
    return this.turn({ name, value, atUs: hasBegun ? this.#nowUs() + AHEAD_US : 0 });
  }

  get #hasSessions(): boolean {
    return this.#parts.options.model.kind === 'partly-open';
  }

  /** What can be turned while it runs. */
  get knobs(): OfferedKnob[] {
    const { options } = this.#parts;
    return knobsOf({
      settings: this.#settings,
      ratePerS: () => this.ratePerS,
      turn: (name, value) => this.#turnNow(name, value),
      keepAliveS: options.keepAliveMs / 1000,
      isEcho: options.wire.echo !== undefined,
    });
  }

  /** What the plan made of itself and of who turned it: see turnedHash. */
  get schedule(): PlanChanges {
    return this.#settings.schedule;
  }

  /** Users of this host whom the server has refused their group. */
  outsideGroup(): number[] {
    const { first, end } = this.#own;
    const users: number[] = [];
    for (let user = first; user < end; user++) {
      if (this.#present[user] === PRESENT.outsideGroup) users.push(user);
    }
    return users;
  }

  /** Nothing of their groups is expected at these users of other hosts. */
  keepOutside(users: readonly number[]): void {
    const { first, end } = this.#own;
    for (const user of users) {
      const isOthers = user < this.#present.length && (user < first || user >= end);
      if (isOthers) this.#present[user] = PRESENT.outsideGroup;
    }
  }

  get #own(): { first: number; end: number } {
    const { segment, connections } = this.#parts.options;
    const first = segment?.first ?? 0;
    return { first, end: first + connections };
  }

  /** The plan begins then. Again is nothing. */
  begin(startUs: number): void {
    this.#settings.begin(startUs);
  }

  /** Ends the steady phase now: whoever runs it knows enough. The run counts as complete. */
  finish(): void {
    this.#isFinished = true;
  }

  /** Runs to the end. Throws only what is no result: a worker that broke or could not start. */
  async run(): Promise<LoadResult> {
    const { clock, onPhase, options } = this.#parts;
    const cpuBefore = process.cpuUsage();
    try {
      await this.#crew.started();
      const rssBefore = process.memoryUsage.rss();
      this.#startUs = this.#nowUs();
      onPhase('ramp', clock.wallMs());
      await this.#ramp();
      this.#rampEndUs = this.#nowUs();
      const rampCpu = process.cpuUsage(cpuBefore);
      const bytes = (process.memoryUsage.rss() - rssBefore) / options.connections;
      const end = await this.#steady();
      const counts = this.counts();
      const steadyCpu = process.cpuUsage(cpuBefore);
      // The last timings come with the end of the workers.
      await this.#logOut();
      const { loggedIn, ready, held } = counts;
      return this.#result(
        end,
        { ...this.counts(), loggedIn, ready, held },
        {
          rampCpuUs: rampCpu.user + rampCpu.system,
          cpuUs: steadyCpu.user + steadyCpu.system - rampCpu.user - rampCpu.system,
          userBytesPerConnection: options.connections < MEMORY_USERS_MIN ? Number.NaN : bytes,
        },
      );
    } finally {
      await this.#logOut();
    }
  }

  /** Waits until everybody is in. */
  async #ramp(): Promise<void> {
    const { options, signal } = this.#parts;
    let logins = 0;
    let movedUs = this.#nowUs();
    while (!signal.aborted) {
      const counts = this.#look();
      if (counts.ready === options.connections || this.#hasSessions) return;
      if (counts.logins !== logins) {
        logins = counts.logins;
        movedUs = this.#nowUs();
      }
      const isSettled = counts.ready + counts.givenUp >= options.connections;
      if (isSettled || this.#nowUs() - movedUs > STALL_MS * 1000) {
        this.#failure = notAllIn(options, counts, isSettled ? undefined : STALL_MS);
        return;
      }
      await this.#pause(LOOK_MS);
    }
  }

  /** The planned messages and the wait for the last of them. */
  async #steady(): Promise<LoadEnd> {
    const { clock, options, signal, onPhase } = this.#parts;
    if (this.#failure !== undefined) return 'failed';
    if (signal.aborted) return 'stopped';
    const { barrier } = this.#parts;
    this.#steadyStartUs = (await barrier?.ready()) ?? this.#nowUs() + AHEAD_US;
    if (signal.aborted) return 'stopped';
    this.#planEndUs = this.#steadyStartUs + options.durationMs * 1000;
    this.begin(this.#steadyStartUs);
    this.#control.endUs = this.#planEndUs;
    this.#phase = 'steady';
    onPhase('steady', Math.round(clock.wallMs() + AHEAD_US / 1000));
    this.#crew.setPhase(PHASE.steady);
    await this.#watch();
    if (signal.aborted || this.#isFinished || this.#failure !== undefined) {
      this.#planEndUs = Math.min(this.#planEndUs, this.#nowUs());
      this.#control.endUs = this.#planEndUs;
    }
    // What is sent later was late: it counts as sent, and not as rate.
    const { sent, received } = this.counts();
    this.#sentInSteady = sent;
    this.#steadyMessages = { sent, received };
    this.#socketsDuring = tcpSockets('/proc');
    this.#phase = 'end';
    this.#settings.end();
    onPhase('end', clock.wallMs());
    this.#crew.setPhase(PHASE.drain);
    await this.#drain(
      signal.aborted ? Math.min(STOPPED_DRAIN_MS, options.drainMs) : options.drainMs,
    );
    if (!signal.aborted) await barrier?.drained();
    if (this.#failure !== undefined) return 'failed';
    return signal.aborted ? 'stopped' : 'complete';
  }

  /** Until the plan ends, the run is stopped, or the target has lost everybody for good. */
  async #watch(): Promise<void> {
    const { signal, options } = this.#parts;
    let presentUs = this.#nowUs();
    while (!signal.aborted && !this.#isFinished && this.#nowUs() < this.#planEndUs) {
      const counts = this.#look();
      this.#storms.look((this.#nowUs() - this.#steadyStartUs) / 1000, counts);
      this.#little.look(counts.expected - counts.received - counts.overrun);
      if (counts.ready > 0 || this.#hasSessions) presentUs = this.#nowUs();
      else if (this.#nowUs() - presentUs > LOST_MS * 1000) {
        this.#failure = allLost(options);
        return;
      }
      await this.#pause(Math.max(0, Math.min(LOOK_MS, (this.#planEndUs - this.#nowUs()) / 1000)));
    }
  }

  /**
   * Until everything sent has arrived and come back, nothing moves any more, or the time is over.
   */
  async #drain(timeoutMs: number): Promise<void> {
    const { options, signal } = this.#parts;
    const beganUs = this.#nowUs();
    let moved = -1;
    let movedUs = beganUs;
    while (this.#nowUs() - beganUs < timeoutMs * 1000) {
      const counts = this.#look();
      const hasAllSent = counts.planDone >= options.workers && counts.held === 0;
      const onTheirWay = counts.expected - counts.received - counts.overrun;
      // A server makes receipts of its own for groups.
      const marked = counts.received - (options.clientReceipts ? 0 : counts.groupReceived);
      const unanswered =
        counts.sent - counts.acked + (counts.receipts > 0 ? marked - counts.receipts : 0);
      // What other hosts sent here and we sent there is not known here: only silence tells.
      const isPart = isPartOfMany(options);
      if (!isPart && hasAllSent && onTheirWay <= 0 && unanswered <= 0) return;
      const sum = counts.sent + counts.received + counts.acked + counts.receipts;
      if (sum !== moved) {
        moved = sum;
        movedUs = this.#nowUs();
      }
      const isShort = signal.aborted || (isPart && hasAllSent);
      const quietMs = isShort ? DRAIN_QUIET_MS / 3 : DRAIN_QUIET_MS;
      if (this.#nowUs() - movedUs > quietMs * 1000) return;
      await this.#pause(LOOK_MS);
    }
    if (isPartOfMany(options)) return;
    const { expected, received, overrun } = this.#look();
    this.#cutOnTheirWay = expected - received - overrun;
  }

  async #logOut(): Promise<void> {
    this.#crew.setPhase(PHASE.logout);
    const { options, signal } = this.#parts;
    // Who stopped the run wants it over; users who are cut off then are the server's to notice.
    await this.#crew.ended(logoutMs(signal.aborted ? 0 : options.connections));
  }

  /** The counts; throws when a worker broke. */
  #look(): Counts {
    if (this.#crew.failure !== undefined) throw this.#crew.failure;
    return this.counts();
  }

  #nowUs(): number {
    return this.#parts.clock.monoUs();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.after(ms, resolve));
  }

  #result(
    end: LoadEnd,
    counts: Counts,
    costs: Pick<LoadResult, 'rampCpuUs' | 'cpuUs' | 'userBytesPerConnection'>,
  ): LoadResult {
    const { options, sources, stack } = this.#parts;
    const kernelAddresses = sources === undefined ? 0 : addressesUsed(sources);
    const steadyS = (this.#planEndUs - this.#steadyStartUs) / 1e6;
    return {
      options,
      engine: this.#crew.engine,
      end,
      failure: this.#failure?.message,
      counts,
      timings: this.#crew.total,
      rampS: (this.#rampEndUs - this.#startUs) / 1e6,
      steadyS: Number.isNaN(steadyS) ? 0 : Math.max(0, steadyS),
      sentInSteady: this.#sentInSteady,
      storms: this.#storms.reports,
      little: this.#checkLittle(steadyS),
      sockets: { before: this.#socketsBefore, during: this.#socketsDuring },
      cutOnTheirWay: this.#cutOnTheirWay,
      ratePerS: this.#meanRatePerS(steadyS),
      ...costs,
      sourceAddresses: stack === undefined ? kernelAddresses : stackAddresses(stack),
      portPlan: sources?.kind,
      stack: this.#crew.stackCounts(),
    };
  }

  /** What was asked for over the steady phase as it was: the mean of a plan, else the rate at the end. */
  #meanRatePerS(steadyS: number): number {
    const { ratePlan } = this.#parts.options;
    if (!isChanging(ratePlan) || !(steadyS > 0)) return this.ratePerS;
    return plannedMessages(ratePlan, steadyS * 1000) / steadyS;
  }

  /** Undefined when the time of what arrived late would outweigh that of the steady phase. */
  #checkLittle(steadyS: number): LittleCheck | undefined {
    const { sent, received } = this.#steadyMessages;
    const { service } = this.#crew.total;
    const isPart = isPartOfMany(this.#parts.options);
    if (isPart || !(steadyS > 0) || sent === 0 || service.count > received * (1 + LATE_RATIO_MAX)) {
      return undefined;
    }
    return this.#little.check(received / steadyS, service.mean);
  }
}
