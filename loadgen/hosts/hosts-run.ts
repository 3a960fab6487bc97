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
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
import {
  AGENT_PROTOCOL,
  type AgentAnswer,
  type AgentCommand,
  type Hello,
  toPlainOptions,
} from '#loadgen/hosts/agent-message.ts';
import { type ClockExchange, type ClockOffset, clockOffset } from '#loadgen/hosts/clock-offset.ts';
import { HostMember } from '#loadgen/hosts/host-member.ts';
import { hostsResult } from '#loadgen/hosts/hosts-result.ts';
import { hashText, segmentHash, segmentOf, turnedHash } from '#loadgen/hosts/segment.ts';
import { TurnDesk } from '#loadgen/hosts/turn-desk.ts';
import { createTimings, TIMING_NAMES, type Timings } from '#loadgen/interval-timings.ts';
import type { HostsReport, LoadDriver, PhaseName } from '#loadgen/load-driver.ts';
import { knobsOf } from '#loadgen/load-knobs.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import type { LoadEnd, LoadResult } from '#loadgen/load-summary.ts';
import { logoutMs } from '#loadgen/logout-time.ts';
import { arrivalPlan } from '#loadgen/people.ts';
import { isChanging, plannedMessages } from '#loadgen/rate-plan.ts';
import { StormWatch } from '#loadgen/storm-watch.ts';
import { type Counts, createBoard, sumBoards } from '#loadgen/worker-board.ts';

export type LossPolicy = 'abort' | 'degrade' | 'replace';

const LOOK_MS = 20;
const HELLO_TIMEOUT_MS = 60_000;
const ANSWER_TIMEOUT_MS = 5000;
const CLOCK_ROUNDS = 16;
const LAST_CLOCK_ROUNDS = 8;
/** A clock that can be told no better than this makes times between hosts worthless. */
const CLOCK_ERROR_US_MAX = 100_000;
/** Agents tell a second in a few milliseconds; a worker that is starved delays it by 0.8 s. */
const SECOND_TIMEOUT_MS = 900;
/** Everybody is told this long before the start, at least. */
const AHEAD_US_MIN = 200_000;
/** Agents find out themselves that a ramp has stalled; this is for those that say nothing at all. */
const RAMP_TIMEOUT_MS = 600_000;
/** For what is told when an agent is done, on top of what it may take itself. */
const END_TIMEOUT_MS = 30_000;
/** What agents count of now, and not since the start. */
const GAUGES = ['loggedIn', 'ready', 'held', 'givenUp', 'parked'] as const;

export interface HostsRunParts {
  clock: Clock;
  options: LoadOptions;
  bus: Bus;
  lab: string;
  hosts: number;
  policy: LossPolicy;
  /** The hosts are one machine: their clocks are one. */
  isVirtual: boolean;
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
  readonly #turns: TurnDesk;
  #second = createTimings();
  #startUs = Number.NaN;
  #isFinished = false;
  #lost: HostsReport['lost'] = [];
  #clockErrorUs = 0;
  #clockDriftUs = 0;
  #planHash = '';
  #turnedHash = '';
  #agrees: boolean | null = null;

  constructor(parts: HostsRunParts) {
    this.#parts = parts;
    this.#storms = new StormWatch(parts.options.storms);
    this.#turns = new TurnDesk({
      clock: parts.clock,
      options: parts.options,
      aheadUs: () => this.#aheadUs(),
      ids: () => this.#planned().map(({ id }) => id),
      send: (id, command) => this.#send(id, command),
    });
  }

  get ratePerS(): number {
    return this.#turns.settings.ratePerS(this.#nowUs());
  }

  get knobs(): OfferedKnob[] {
    const { keepAliveMs, wire } = this.#parts.options;
    return knobsOf({
      settings: this.#turns.settings,
      ratePerS: () => this.ratePerS,
      turn: (name, value) => this.#turns.turnAll(name, value),
      keepAliveS: keepAliveMs / 1000,
      isEcho: wire.echo !== undefined,
    });
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
    const clockDriftUsMax = Math.round(this.#clockDriftUs);
    return {
      ...{ total, alive, policy, lost, clockErrorUsMax, clockDriftUsMax },
      ...{ planHash: this.#planHash, turnedHash: this.#turnedHash },
      agrees: this.#agrees,
      lateTurns: this.#turns.lateTurns,
    };
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

  /** What all hosts did until then; one that does not tell in time is part of the next second. */
  async takeSecond(untilUs = this.#nowUs()): Promise<Timings> {
    const hasAll = (): boolean => this.#members.every((member) => member.hasTold(untilUs));
    const endUs = untilUs + SECOND_TIMEOUT_MS * 1000;
    while (!hasAll() && this.#nowUs() < endUs) await this.#pause();
    for (const member of this.#members) {
      for (const histograms of member.take(untilUs)) merge(this.#second, histograms);
    }
    const second = this.#second;
    this.#second = createTimings();
    return second;
  }

  setRate(ratePerS: number): boolean {
    return this.#turns.turn('rate', ratePerS);
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
      if (this.#isFinished) this.#sendAll({ kind: 'finish' });
    }
    this.phase = 'end';
    this.#turns.settings.end();
    onPhase('end', clock.wallMs());
    // Who is still in at the end of the steady phase, before the goodbyes.
    if (this.#goesOn()) {
      const drainMs = options.drainMs + END_TIMEOUT_MS;
      await this.#until(() => this.#alive().every(({ isDrained }) => isDrained), drainMs);
      await this.#checkClocks();
    }
    this.#sendAll(this.#goesOn() ? { kind: 'logout' } : { kind: 'stop' });
    await this.#settle();
    this.#compareTurned();
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

  /** Those who have their plan and have not told their end. */
  #planned(): HostMember[] {
    return this.#alive().filter(({ offset, hasEnded }) => offset !== undefined && !hasEnded);
  }

  /** How far ahead everybody hears of an instant. */
  #aheadUs(): number {
    return Math.max(AHEAD_US_MIN, 20 * this.#clockErrorUs);
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
    /** Of another version, with what they speak. */
    const strangers = new Map<string, number>();
    await bus.subscribe(topic.agent(lab, '+', 'hello'), (_name, value) => {
      const { id, protocol = 1 } = value as Hello;
      if (protocol !== AGENT_PROTOCOL) {
        strangers.set(id, protocol);
        return;
      }
      known.add(id);
      if (this.#members.length > 0 && !this.#members.some((member) => member.id === id)) {
        if (!this.#spares.includes(id)) this.#spares.push(id);
      }
    });
    await bus.subscribe(topic.agent(lab, '+', 'gone'), (name) => {
      const id = name.split('/')[3]!;
      known.delete(id);
      strangers.delete(id);
      this.#gone(id);
    });
    await bus.subscribe(topic.agent(lab, '+', 'ack'), (name, value) =>
      this.#hear(name.split('/')[3]!, value as AgentAnswer),
    );
    // Thirty processes need their time to start on a busy machine: as long as more come, they are waited for.
    for (let before = -1; known.size < hosts && known.size > before && this.#goesOn(); ) {
      before = known.size;
      const isSettled = (): boolean => known.size > before || known.size + strangers.size >= hosts;
      await this.#until(isSettled, HELLO_TIMEOUT_MS);
    }
    if (!this.#goesOn()) return;
    if (known.size < hosts) {
      this.failure = tooFew(known.size, strangers, hosts, lab);
      return;
    }
    const ids = [...known].sort();
    this.#spares.push(...ids.slice(hosts));
    ids.slice(0, hosts).forEach((id, index) => {
      this.#members.push(new HostMember(id, segmentOf(options.connections, hosts, index)));
    });
  }

  async #plan(): Promise<void> {
    await this.#readClocks(this.#members, CLOCK_ROUNDS);
    for (const member of this.#alive()) this.#sendPlan(member, false);
  }

  #sendPlan(member: HostMember, joinsLate: boolean): void {
    const { options, hosts, run, clock, isVirtual } = this.#parts;
    const { id, segment, exchanges } = member;
    const offset = clockOffset(exchanges);
    if (!isVirtual || exchanges.length === 0) this.failure ??= clockFlaw(id, offset);
    if (!this.#goesOn()) return;
    member.offset = offset;
    this.#clockErrorUs = Math.max(this.#clockErrorUs, offset.errorUs);
    const own = toPlainOptions({ ...options, rampPerS: options.rampPerS / hosts });
    const wallLeadMs = clock.wallMs() - clock.monoUs() / 1000;
    this.#send(id, {
      ...{ kind: 'plan', run, options: own, segment, offset, wallLeadMs, joinsLate },
    });
    this.#turns.tellAll(id);
  }

  async #readClocks(members: readonly HostMember[], rounds: number): Promise<void> {
    for (const member of members) member.exchanges = [];
    for (let round = 1; round <= rounds; round++) {
      for (const { id } of members) this.#send(id, { kind: 'clock', sentUs: this.#nowUs() });
      const hasAnswered = ({ exchanges, isLost }: HostMember): boolean =>
        isLost || exchanges.length >= round;
      await this.#until(() => members.every(hasAnswered), ANSWER_TIMEOUT_MS);
      // Who has not answered a first question will not answer the next.
      if (!members.every(hasAnswered)) return;
    }
  }

  /** Whether a clock has run away since the plan was told. */
  async #checkClocks(): Promise<void> {
    const members = this.#planned();
    await this.#readClocks(members, LAST_CLOCK_ROUNDS);
    for (const { offset, exchanges } of members) {
      if (offset === undefined || exchanges.length === 0) continue;
      const now = clockOffset(exchanges);
      const apartUs = Math.abs(now.offsetUs - offset.offsetUs) - now.errorUs - offset.errorUs;
      this.#clockDriftUs = Math.max(this.#clockDriftUs, apartUs);
    }
  }

  /** The parts together must be the plan of one host. */
  #checkPlan(): void {
    const whole = segmentHash(...this.#wholePlan());
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

  /** What the agents carried out, when all of them have told: a turn that was lost shows in it. */
  #compareTurned(): void {
    const told = this.#members.map(({ figures }) => figures?.turnedHash);
    if (told.length === 0 || told.includes(undefined)) return;
    const sum = told.reduce<number>((hash, part) => hash ^ part!, 0) >>> 0;
    const { durationMs } = this.#parts.options;
    const whole = turnedHash(...this.#wholePlan(), this.#turns.settings.schedule, durationMs);
    this.#turnedHash = hashText(sum);
    this.#agrees = sum === whole;
  }

  #wholePlan(): Parameters<typeof segmentHash> {
    const { options } = this.#parts;
    const { connections, model } = options;
    const segment = { first: 0, count: connections, total: connections };
    return [arrivalPlan(options, connections), model, segment];
  }

  #start(): void {
    this.#startUs = this.#nowUs() + this.#aheadUs();
    this.#turns.settings.begin(this.#startUs);
    this.#sendAll(this.#startCommand());
  }

  #startCommand(): AgentCommand {
    const outside = this.#members.map((member) => member.outside).filter((text) => text !== '');
    return { kind: 'start', atUs: this.#startUs, outside };
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
      member.outside = answer.outside;
      // One that took over for another: the others are on their way.
      if (!Number.isNaN(this.#startUs)) this.#send(id, this.#startCommand());
    } else if (answer.kind === 'drained') member.isDrained = true;
    else if (answer.kind === 'turned') this.#turns.hear(id, answer);
    else if (answer.kind === 'failed') this.#agentFailed(member, answer);
    else this.#figures(member, answer);
  }

  #figures(member: HostMember, answer: AgentAnswer & { kind: 'second' | 'done' }): void {
    const { histograms, counts } = answer;
    merge(this.#total, histograms);
    if (answer.kind === 'second') {
      merge(this.#second, member.tell({ atUs: answer.atUs, counts, histograms }));
      return;
    }
    for (const waiting of member.take(Number.POSITIVE_INFINITY)) merge(this.#second, waiting);
    merge(this.#second, histograms);
    member.counts = counts;
    member.hasEnded = true;
    member.figures = answer.figures;
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
    this.#turns.forget(id);
    const hasBegun = !Number.isNaN(this.#startUs);
    const atS = hasBegun ? (this.#nowUs() - this.#startUs) / 1e6 : 0;
    const when = hasBegun ? `${atS.toFixed(1)} s into the steady phase` : 'before the start';
    this.#lost.push({ id, atS: Math.round(atS * 10) / 10, wallMs: clock.wallMs() });
    const { alive } = this.hosts;
    talk(`wsar load: ${id} was lost: ${alive} of ${hosts} hosts are left\n`);
    if (policy === 'degrade' && alive > 0) return;
    if (policy === 'replace' && this.#replace(member)) return;
    this.failure ??= new WsarError(
      'WSAR_ERR_INVALID_RUN',
      `host ${id} was lost ${when}: coverage ${alive}/${hosts}`,
      'see why its agent ended; --on-loss degrade goes on without it',
    );
  }

  #replace(dead: HostMember): boolean {
    const id = this.#spares.shift();
    if (id === undefined || this.phase === 'end') return false;
    const member = new HostMember(id, dead.segment);
    this.#members.push(member);
    const joinsLate = this.phase === 'steady';
    void this.#readClocks([member], CLOCK_ROUNDS).then(() => this.#sendPlan(member, joinsLate));
    this.#parts.talk(`wsar load: ${id} takes its users over\n`);
    return true;
  }

  /** Until all have told their end, or it takes too long. */
  async #settle(): Promise<void> {
    const users = this.#planned().map(({ segment }) => segment.count);
    // Who is stopped does not wait for each of its users.
    const longestMs = logoutMs(this.#goesOn() ? Math.max(0, ...users) : 0);
    const endUs = this.#nowUs() + (longestMs + END_TIMEOUT_MS) * 1000;
    // Who has no plan has nothing to tell.
    while (this.#planned().length > 0 && this.#nowUs() < endUs) await this.#pause();
    const silent = this.#planned().map(({ id }) => id);
    if (silent.length === 0) return;
    const what = `${silent.join(', ')} did not tell the end: what came after the last second is not counted`;
    this.#parts.talk(`wsar load: ${what}\n`);
    if (!this.#goesOn()) return;
    const hint = 'see what these agents are doing, and whether the bus reaches them';
    this.failure = new WsarError('WSAR_ERR_INVALID_RUN', what, hint);
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
    const { options, hosts } = this.#parts;
    return hostsResult(this.#members, {
      options,
      hostCount: hosts,
      end,
      failure: this.failure?.message,
      counts: this.counts(),
      timings: this.#total,
      rampS,
      steadyS,
      ratePerS: isChanging(options.ratePlan)
        ? plannedMessages(options.ratePlan, steadyS * 1000) / steadyS
        : this.ratePerS,
      hosts: this.hosts,
      storms: this.#storms.reports,
    });
  }
}

function merge(into: Timings, histograms: Record<string, string>): void {
  for (const name of TIMING_NAMES) {
    const text = histograms[name];
    if (text !== undefined) into[name].merge(text);
  }
}

function tooFew(
  known: number,
  strangers: ReadonlyMap<string, number>,
  hosts: number,
  lab: string,
): WsarError {
  const [stranger] = strangers;
  if (stranger !== undefined) {
    const [id, protocol] = stranger;
    return new WsarError(
      'WSAR_ERR_INVALID_RUN',
      `agent ${id} speaks version ${protocol} of the agents' protocol, and this controller version ` +
        `${AGENT_PROTOCOL}: ${known} of ${hosts} agents can be taken`,
      'run the same version of wsar on all hosts',
    );
  }
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `${known} of ${hosts} agents are in lab '${lab}', and no more came for ${HELLO_TIMEOUT_MS / 1000} s`,
    'start wsar agent on every host, with the WSAR_BUS_URL and WSAR_LAB of this one',
  );
}

/** Why times of a host cannot be compared with ours; undefined when they can. */
function clockFlaw(id: string, { errorUs }: ClockOffset): WsarError | undefined {
  if (errorUs <= CLOCK_ERROR_US_MAX) return undefined;
  if (errorUs === Number.POSITIVE_INFINITY) {
    return new WsarError(
      'WSAR_ERR_UNREACHABLE',
      `agent ${id} did not answer for ${ANSWER_TIMEOUT_MS / 1000} s`,
      'is it still running, or busy with another load?',
    );
  }
  return new WsarError(
    'WSAR_ERR_INVALID_RUN',
    `the clock of ${id} can be told to ${Math.round(errorUs / 1000)} ms over this bus: times between ` +
      'hosts would be worth nothing',
    'take a bus nearer to the hosts, or one host',
  );
}
