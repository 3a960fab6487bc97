// One load carried out by several agents: the controller's side. It divides the population, brings the
// clocks together, starts everybody at one instant, adds up what they tell each second (counts are
// summed, histograms merged, percentiles never averaged), and decides what an agent's death means.
//
//   abort    everybody stops; the run is invalid (exit 13)
//   degrade  the others go on; coverage says how many there are
//   replace  a spare agent takes the users over; without a spare like abort

import type { Bus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import {
  type AgentAnswer,
  type AgentCommand,
  type Hello,
  toPlainOptions,
} from '#loadgen/hosts/agent-message.ts';
import { type ClockExchange, clockOffset } from '#loadgen/hosts/clock-offset.ts';
import { HostMember } from '#loadgen/hosts/host-member.ts';
import { hashText, segmentHash, segmentOf } from '#loadgen/hosts/segment.ts';
import { createTimings, TIMING_NAMES, type Timings } from '#loadgen/interval-timings.ts';
import type { HostsReport, LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import type { LoadEnd, LoadResult } from '#loadgen/load-summary.ts';
import { isChanging, plannedMessages, rateAt } from '#loadgen/rate-plan.ts';
import { StormWatch } from '#loadgen/storm-watch.ts';
import { type Counts, createBoard, sumBoards } from '#loadgen/worker-board.ts';

export type LossPolicy = 'abort' | 'degrade' | 'replace';

const LOOK_MS = 20;
const HELLO_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 5000;
const CLOCK_ROUNDS = 16;
/** Everybody is told this long before the start, at least. */
const AHEAD_US_MIN = 200_000;
/** Agents find out themselves that a ramp has stalled; this is for those that say nothing at all. */
const RAMP_TIMEOUT_MS = 600_000;
const END_TIMEOUT_MS = 30_000;
/** What agents count of now, and not since the start. */
const GAUGES = ['loggedIn', 'ready', 'held', 'givenUp'] as const;

export interface HostsRunParts {
  clock: Clock;
  options: LoadOptions;
  bus: Bus;
  lab: string;
  hosts: number;
  policy: LossPolicy;
  run: number;
  signal: AbortSignal;
  onPhase: (phase: PhaseName, wallMs: number) => void;
  talk: (text: string) => void;
}

export class HostsRun implements LoadDriver {
  phase: PhaseName = 'ramp';
  failure: WsarError | undefined;
  readonly #parts: HostsRunParts;
  readonly #members: HostMember[] = [];
  readonly #spares: string[] = [];
  readonly #total = createTimings();
  readonly #storms: StormWatch;
  #second = createTimings();
  #startUs = Number.NaN;
  #isFinished = false;
  #lost: HostsReport['lost'] = [];
  #clockErrorUs = 0;
  #planHash = '';

  constructor(parts: HostsRunParts) {
    this.#parts = parts;
    this.#storms = new StormWatch(parts.options.storms);
  }

  get ratePerS(): number {
    const { ratePlan, ratePerS } = this.#parts.options;
    if (!isChanging(ratePlan) || Number.isNaN(this.#startUs)) return ratePerS;
    return rateAt(ratePlan, Math.max(0, (this.#nowUs() - this.#startUs) / 1000));
  }

  get remainingS(): number | undefined {
    const leftUs = this.#startUs + this.#parts.options.durationMs * 1000 - this.#nowUs();
    return Number.isNaN(leftUs) ? undefined : Math.max(0, leftUs / 1e6);
  }

  get hosts(): HostsReport {
    // One that takes over counts from when its users are in.
    const hasBegun = !Number.isNaN(this.#startUs);
    const isThere = ({ isLost, isReady }: HostMember): boolean => !isLost && (isReady || !hasBegun);
    const alive = this.#members.filter(isThere).length;
    const { hosts: total, policy } = this.#parts;
    const lost = [...this.#lost];
    const clockErrorUsMax = Math.round(this.#clockErrorUs);
    return { total, alive, policy, lost, clockErrorUsMax, planHash: this.#planHash };
  }

  counts(): Counts {
    const sums = sumBoards([createBoard()]);
    for (const { counts, isLost } of this.#members) {
      if (counts === undefined) continue;
      for (const name of Object.keys(sums) as (keyof Counts)[]) {
        const isNow = (GAUGES as readonly string[]).includes(name);
        if (!isNow || !isLost) sums[name] += counts[name];
      }
    }
    return sums;
  }

  async takeSecond(): Promise<Timings> {
    const second = this.#second;
    this.#second = createTimings();
    return second;
  }

  /** The plan is with the agents. */
  setRate(): boolean {
    return false;
  }

  finish(): void {
    this.#isFinished = true;
  }

  async run(): Promise<LoadResult> {
    const { clock, signal, onPhase, options } = this.#parts;
    await this.#gather();
    onPhase('ramp', clock.wallMs());
    const rampUs = this.#nowUs();
    await this.#plan();
    await this.#until(() => this.#alive().every(({ isReady }) => isReady), RAMP_TIMEOUT_MS);
    const rampS = (this.#nowUs() - rampUs) / 1e6;
    let endUs = this.#nowUs();
    if (this.#goesOn()) {
      this.#checkPlan();
      this.#start();
      this.phase = 'steady';
      onPhase('steady', clock.wallMs());
      await this.#until(() => {
        const us = this.#nowUs() - this.#startUs;
        // Agents tell once a second: what is seen of a storm is that exact.
        this.#storms.look(us / 1000, this.counts());
        return us >= options.durationMs * 1000 || this.#isFinished;
      }, Number.POSITIVE_INFINITY);
      endUs = Math.min(this.#nowUs(), this.#startUs + options.durationMs * 1000);
    }
    this.phase = 'end';
    onPhase('end', clock.wallMs());
    // Who is still in at the end of the steady phase, before the goodbyes.
    if (this.#goesOn()) {
      const drainMs = options.drainMs + END_TIMEOUT_MS;
      await this.#until(() => this.#alive().every(({ isDrained }) => isDrained), drainMs);
    }
    this.#sendAll(this.#goesOn() ? { kind: 'logout' } : { kind: 'stop' });
    await this.#settle();
    const end: LoadEnd =
      this.failure !== undefined ? 'failed' : signal.aborted ? 'stopped' : 'complete';
    return this.#result(end, rampS, Math.max(0, (endUs - this.#startUs) / 1e6 || 0));
  }

  #nowUs(): number {
    return this.#parts.clock.monoUs();
  }

  #goesOn(): boolean {
    return this.failure === undefined && !this.#parts.signal.aborted;
  }

  #alive(): HostMember[] {
    return this.#members.filter(({ isLost }) => !isLost);
  }

  #send(id: string, command: AgentCommand): void {
    const { bus, lab } = this.#parts;
    bus.publish(topic.agent(lab, id, 'command'), command, { qos: 1 });
  }

  #sendAll(command: AgentCommand): void {
    for (const { id, hasEnded } of this.#alive()) if (!hasEnded) this.#send(id, command);
  }

  /** Waits for as many agents as are wanted, and listens to them. */
  async #gather(): Promise<void> {
    const { bus, lab, hosts, options } = this.#parts;
    const known = new Set<string>();
    await bus.subscribe(topic.agent(lab, '+', 'hello'), (name, value) => {
      const id = name.split('/')[3]!;
      if (value === null || value === undefined) known.delete(id);
      else known.add((value as Hello).id);
      if (this.#members.length > 0 && known.has(id) && !this.#members.some((m) => m.id === id)) {
        if (!this.#spares.includes(id)) this.#spares.push(id);
      }
    });
    await bus.subscribe(topic.agent(lab, '+', 'gone'), (name) => this.#gone(name.split('/')[3]!));
    await bus.subscribe(topic.agent(lab, '+', 'ack'), (name, value) =>
      this.#hear(name.split('/')[3]!, value as AgentAnswer),
    );
    // Thirty processes need their time to start on a busy machine: as long as more come, they are waited for.
    for (let before = -1; known.size < hosts && known.size > before && this.#goesOn(); ) {
      before = known.size;
      await this.#until(() => known.size > before, HELLO_TIMEOUT_MS);
    }
    if (!this.#goesOn()) return;
    if (known.size < hosts) {
      throw new WsarError(
        'WSAR_ERR_UNREACHABLE',
        `${known.size} of ${hosts} agents are in lab '${lab}', and no more came for ${HELLO_TIMEOUT_MS / 1000} s`,
        'start wsar agent on every host, with the WSAR_BUS_URL and WSAR_LAB of this one',
      );
    }
    const ids = [...known].sort();
    this.#spares.push(...ids.slice(hosts));
    ids.slice(0, hosts).forEach((id, index) => {
      this.#members.push(new HostMember(id, segmentOf(options.connections, hosts, index)));
    });
  }

  async #plan(): Promise<void> {
    await this.#readClocks(this.#members);
    for (const member of this.#members) this.#sendPlan(member, false);
  }

  #sendPlan(member: HostMember, joinsLate: boolean): void {
    const { options, hosts, run } = this.#parts;
    const offset = clockOffset(member.exchanges);
    this.#clockErrorUs = Math.max(this.#clockErrorUs, offset.errorUs);
    const { segment } = member;
    const own = toPlainOptions({ ...options, rampPerS: options.rampPerS / hosts });
    this.#send(member.id, { kind: 'plan', run, options: own, segment, offset, joinsLate });
  }

  async #readClocks(members: readonly HostMember[]): Promise<void> {
    for (let round = 1; round <= CLOCK_ROUNDS; round++) {
      for (const { id } of members) this.#send(id, { kind: 'clock', sentUs: this.#nowUs() });
      await this.#until(
        () => members.every(({ exchanges, isLost }) => isLost || exchanges.length >= round),
        ANSWER_TIMEOUT_MS,
      );
    }
  }

  /** The parts together must be the plan of one host. */
  #checkPlan(): void {
    const { options } = this.#parts;
    const { connections, seed, process } = options;
    const whole = segmentHash(
      { seed, process, users: connections },
      { first: 0, count: connections, total: connections },
    );
    const alive = this.#alive();
    const sum = alive.reduce((hash, { planHash }) => hash ^ planHash, 0) >>> 0;
    this.#planHash = hashText(sum);
    if (sum === whole || alive.length < this.#members.length) return;
    this.failure = new WsarError(
      'WSAR_ERR_INVALID_RUN',
      `the agents plan ${hashText(sum)}, and one host would plan ${hashText(whole)}`,
      'run the same version of wsar on all hosts',
    );
  }

  #start(): void {
    const aheadUs = Math.max(AHEAD_US_MIN, 20 * this.#clockErrorUs);
    this.#startUs = this.#nowUs() + aheadUs;
    this.#sendAll({ kind: 'start', atUs: this.#startUs });
  }

  #hear(id: string, answer: AgentAnswer): void {
    const member = this.#members.findLast((known) => known.id === id);
    if (member === undefined || member.isLost) return;
    if (answer.kind === 'clock') {
      const { sentUs, agentUs: theirsUs } = answer;
      const exchange: ClockExchange = { sentUs, theirsUs, receivedUs: this.#nowUs() };
      member.exchanges.push(exchange);
    } else if (answer.kind === 'ready') {
      member.isReady = true;
      member.planHash = answer.hash;
      // One that took over for another: the others are on their way.
      if (!Number.isNaN(this.#startUs)) this.#send(id, { kind: 'start', atUs: this.#startUs });
    } else if (answer.kind === 'drained') member.isDrained = true;
    else if (answer.kind === 'failed') this.#agentFailed(member, answer);
    else {
      member.counts = answer.counts;
      this.#merge(answer.histograms);
      if (answer.kind === 'done') {
        member.hasEnded = true;
        member.figures = answer.figures;
      }
    }
  }

  #merge(histograms: Record<string, string>): void {
    for (const name of TIMING_NAMES) {
      const text = histograms[name];
      if (text === undefined) continue;
      this.#second[name].merge(text);
      this.#total[name].merge(text);
    }
  }

  #agentFailed(member: HostMember, told: AgentAnswer & { kind: 'failed' }): void {
    member.hasEnded = true;
    const { code, message, hint } = told;
    this.failure ??= new WsarError(
      code ?? 'WSAR_ERR_UNREACHABLE',
      `${member.id}: ${message}`,
      hint,
    );
  }

  /** An agent is gone: what that means is the policy's. */
  #gone(id: string): void {
    const spare = this.#spares.indexOf(id);
    if (spare >= 0) this.#spares.splice(spare, 1);
    const member = this.#members.findLast((known) => known.id === id);
    if (member === undefined || member.isLost || member.hasEnded) return;
    member.isLost = true;
    const { bus, lab, policy, hosts, talk, clock } = this.#parts;
    // Its hello outlives it, being retained.
    bus.publish(topic.agent(lab, id, 'hello'), undefined, { retain: true, qos: 1 });
    const atS = Number.isNaN(this.#startUs) ? 0 : (this.#nowUs() - this.#startUs) / 1e6;
    this.#lost.push({ id, atS: Math.round(atS * 10) / 10, wallMs: clock.wallMs() });
    const { alive } = this.hosts;
    talk(`wsar load: ${id} was lost: ${alive} of ${hosts} hosts are left\n`);
    if (policy === 'degrade' && alive > 0) return;
    if (policy === 'replace' && this.#replace(member)) return;
    this.failure ??= new WsarError(
      'WSAR_ERR_INVALID_RUN',
      `host ${id} was lost ${atS.toFixed(1)} s into the steady phase: coverage ${alive}/${hosts}`,
      'see why its agent ended; --on-loss degrade goes on without it',
    );
  }

  #replace(dead: HostMember): boolean {
    const id = this.#spares.shift();
    if (id === undefined || this.phase === 'end') return false;
    const member = new HostMember(id, dead.segment);
    this.#members.push(member);
    const joinsLate = this.phase === 'steady';
    void this.#readClocks([member]).then(() => this.#sendPlan(member, joinsLate));
    this.#parts.talk(`wsar load: ${id} takes its users over\n`);
    return true;
  }

  /** Until all have told their end, or it takes too long. */
  async #settle(): Promise<void> {
    const endUs = this.#nowUs() + END_TIMEOUT_MS * 1000;
    const isOver = (): boolean => this.#alive().every(({ hasEnded }) => hasEnded);
    while (!isOver() && this.#nowUs() < endUs) await this.#pause();
  }

  /** Until the condition holds, the run is stopped or fails, or the time is over. */
  async #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    const endUs = this.#nowUs() + timeoutMs * 1000;
    while (!condition() && this.#goesOn() && this.#nowUs() < endUs) await this.#pause();
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#parts.clock.after(LOOK_MS, resolve));
  }

  #result(end: LoadEnd, rampS: number, steadyS: number): LoadResult {
    const { options } = this.#parts;
    const told = this.#members.flatMap(({ figures }) => figures ?? []);
    const sum = (of: (figures: (typeof told)[number]) => number): number =>
      told.reduce((total, figures) => total + of(figures), 0);
    const bytes = told.flatMap(({ userBytesPerConnection }) => userBytesPerConnection ?? []);
    const lostUsers = this.#members
      .filter(({ isLost }) => isLost)
      .reduce((users, { segment }) => users + segment.count, 0);
    const replaced = this.#members.slice(this.#parts.hosts);
    const regained = replaced.reduce((users, { segment }) => users + segment.count, 0);
    return {
      options,
      // That of the first to tell; hosts may differ.
      engine: told[0]?.engine ?? chooseEngine(options.engine).engine,
      end,
      failure: this.failure?.message,
      counts: this.counts(),
      timings: this.#total,
      rampS,
      steadyS,
      sentInSteady: sum((figures) => figures.sentInSteady),
      cutOnTheirWay: 0,
      ratePerS: isChanging(options.ratePlan)
        ? plannedMessages(options.ratePlan, steadyS * 1000) / steadyS
        : options.ratePerS,
      rampCpuUs: sum((figures) => figures.rampCpuUs),
      cpuUs: sum((figures) => figures.cpuUs),
      userBytesPerConnection:
        bytes.length === 0 ? Number.NaN : bytes.reduce((a, b) => a + b, 0) / bytes.length,
      sourceAddresses: sum((figures) => figures.sourceAddresses),
      portPlan: told[0]?.portPlan,
      stack: undefined,
      little: undefined,
      sockets: { before: undefined, during: undefined },
      lostUsers: Math.max(0, lostUsers - regained),
      hosts: this.hosts,
      storms: this.#storms.reports,
    };
  }
}
