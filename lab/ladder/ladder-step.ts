// One step: a server, a population that logs in and talks, figures, and nothing left behind. A guard looks at the
// free memory all the time and ends the step before the kernel has to choose whom to kill; if it has to, it takes
// server or generator.

import { WsarError } from '#core/errors.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import type {
  LadderDisturbance,
  LadderDrain,
  LadderRecovery,
  LadderStep,
} from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import { registeredOf, untilAllAway } from '#lab/ladder/away-crowd.ts';
import type { ServerChoice } from '#lab/ladder/choose-engines.ts';
import { disturbedAtMs, parseFreeze, recoveryOf } from '#lab/ladder/disturbance.ts';
import { freezeServer } from '#lab/ladder/freeze-server.ts';
import {
  offerToKernel,
  readHostMemory,
  readResidentBytes,
  SlabRest,
} from '#lab/ladder/host-memory.ts';
import type { Ladder, SizedStep } from '#lab/ladder/ladder.ts';
import { awayLoad, ladderLoad, ladderPorts, ladderServer } from '#lab/ladder/ladder-parts.ts';
import { LoginWatch } from '#lab/ladder/login-watch.ts';
import { readSlabs, slabGrowth } from '#lab/ladder/slab-info.ts';
import { holdFigures, loginFigures, type StepRows } from '#lab/ladder/step-figures.ts';
import { type Ended, judgeStep, stormOf, summaryOf } from '#lab/ladder/step-judge.ts';
import { readTcpSegments, segmentsOfServer } from '#lab/ladder/tcp-segments.ts';
import { serverUrls } from '#lab/run/lab-parts.ts';
import { readSocketsInUse } from '#lab/run/login-counts.ts';
import { describeExit, type Part } from '#lab/run/part.ts';
import { turn } from '#lab/run/run-blocks.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { untilCut, untilTrue, untilWall } from '#lab/run/until-cut.ts';
import { rise } from '#lab/statistics/block-metric.ts';

const LOOK_MS = 100;
/** Logins slower than this are a failure of the step, and every step may take this long on top. */
const LOGINS_PER_S_MIN = 2000;
const LOGIN_SPARE_MS = 60_000;
/** How long after its second a row may come. */
const ROW_WAIT_MS = 5000;
/** Millions of connections take a while to say goodbye. */
const LOAD_GRACE_MS = 120_000;
const SERVER_GRACE_MS = 60_000;
/** The kernel frees sockets and slabs after the processes are gone. */
const SETTLE_TIMEOUT_MS = 60_000;
/** Of the memory that was free before, this must be free again. */
const FREE_AGAIN_RATIO = 0.95;
/** Users who are registered at a time: 2 GB while they are here. */
const AWAY_CROWD = 500_000;

export interface StepContext {
  state: LabState;
  ladder: Ladder;
  server: ServerChoice;
  /** Of the clients. */
  engine: EngineName;
}

type StepMemory = Pick<
  LadderStep,
  'serverBytesPerUser' | 'kernelBytesPerUser' | 'freeBytesPerUser' | 'slabs'
>;

interface Held {
  rows: StepRows;
  /** What was done to it, and how it got over it; null when nothing was. */
  recovery: (LadderRecovery & Pick<LadderDisturbance, 'text' | 'refused'>) | null;
  packetsPerS: number | null;
  drain: LadderDrain | null;
}

/** Runs a step; `onText` is told how it goes. Throws only RunCut and what is a bug. */
export async function runStep(
  context: StepContext,
  planned: SizedStep,
  onText: (text: string) => void,
): Promise<LadderStep> {
  return await new Step(context, planned, onText).run();
}

class Step {
  readonly #context: StepContext;
  readonly #state: LabState;
  readonly #planned: SizedStep;
  readonly #users: number;
  readonly #onText: (text: string) => void;
  readonly #startedWallMs: number;
  readonly #memoryBefore = readHostMemory();
  readonly #slabsBefore = readSlabs();
  readonly #socketsBefore = readSocketsInUse();
  #freeBytesMin = Number.POSITIVE_INFINITY;
  #missedBefore: number;
  #frozenAtMs: number | undefined;
  /** Why what was to be done to it was not done; '' when it was. */
  #undone = '';

  constructor(context: StepContext, planned: SizedStep, onText: (text: string) => void) {
    this.#context = context;
    this.#state = context.state;
    this.#planned = planned;
    this.#users = planned.users;
    this.#onText = onText;
    this.#startedWallMs = context.state.clock.wallMs();
    this.#missedBefore = context.state.recorder!.missedTicks('host');
  }

  async run(): Promise<LadderStep> {
    const { state, server: choice, ladder, engine } = this.#context;
    const { supervisor, signal } = state;
    // A part that dies fails its step, and the next phase begins.
    const mayFail = { mayFail: true };
    const ports = ladderPorts(engine);
    const server = await supervisor.start(
      ladderServer(state, choice, this.#planned, ports),
      mayFail,
    );
    offerToKernel(server.pid);
    const target = await untilCut(serverUrls(server, ports), signal);
    const away = await this.#registerAway(server, target);
    const serverBytes = readResidentBytes(server.pid);
    const loadStartMs = this.#nowMs();
    const load = await supervisor.start(
      ladderLoad(state, ladder, this.#planned, engine, target),
      mayFail,
    );
    offerToKernel(load.pid);
    const inMs = await this.#logIn();
    const login = loginFigures(this.#rows(loadStartMs, inMs ?? this.#nowMs()), this.#users);
    const memory = this.#memoryNow(server, serverBytes);
    const held = inMs === null ? null : await this.#hold();
    const ended = this.#endOf(held, server, load);
    const counts = this.#counts();
    const serverRssBytes = readResidentBytes(server.pid);
    const loadRssBytes = readResidentBytes(load.pid);
    this.#onText(`${numberText(this.#users)}: ending`);
    await supervisor.stop('load', LOAD_GRACE_MS);
    await supervisor.stop('server', SERVER_GRACE_MS);
    await this.#settle();
    const step: LadderStep = {
      phase: this.#planned.phase,
      engine,
      connections: this.#users,
      startedWallMs: this.#startedWallMs,
      endedWallMs: this.#nowMs(),
      ...ended,
      counts,
      ...login,
      ...memory,
      away,
      holdS: held === null ? 0 : this.#planned.holdMs / 1000,
      ...holdFigures(held?.rows ?? { server: [], load: [], host: [] }),
      packetsPerS: held?.packetsPerS ?? null,
      drain: held?.drain ?? null,
      disturbance:
        held === null || held.recovery === null
          ? null
          : { ...held.recovery, ...stormOf(load.lastLine()) },
      missedTicks: state.recorder!.missedTicks('host') - this.#missedBefore,
      freeBytesMin: Number.isFinite(this.#freeBytesMin) ? this.#freeBytesMin : null,
      ...{ serverRssBytes, loadRssBytes },
      ...summaryOf(load.lastLine()),
      socketsBefore: this.#socketsBefore,
      socketsAfter: readSocketsInUse(),
    };
    return ended.outcome === 'held' ? { ...step, ...judgeStep(step, ladder.stop) } : step;
  }

  /** Lets those who are away log in and out, in crowds that fit. */
  async #registerAway(server: Part, target: string): Promise<LadderStep['away']> {
    const { state, engine } = this.#context;
    const { supervisor, signal, clock } = state;
    const users = Math.round(this.#users * this.#planned.clients.awayRatio);
    if (users === 0) return null;
    const before = readResidentBytes(server.pid);
    const isOver = (): boolean => server.exit !== undefined || this.#isMemoryShort();
    let registered = 0;
    for (let done = 0; done < users && !isOver(); done += AWAY_CROWD) {
      this.#onText(`${numberText(done)} of ${numberText(users)} away`);
      const crowd = { first: this.#users + done, count: Math.min(AWAY_CROWD, users - done) };
      const options = awayLoad(state, engine, target, crowd);
      const load = await supervisor.start(options, { mayFail: true });
      offerToKernel(load.pid);
      await untilCut(load.exited, signal);
      const seen = { recorder: state.recorder!, supervisor, clock, signal };
      // The server closes the last connections of a crowd after their owner is gone.
      await untilAllAway(seen, this.#nowMs(), isOver);
      registered += registeredOf(load.lastLine());
      if (registered < done + crowd.count) {
        const told = `${numberText(registered)} of ${numberText(done + crowd.count)}`;
        this.#undone = `not everybody who is away was registered: ${told}`;
        break;
      }
    }
    const after = readResidentBytes(server.pid);
    const isKnown = before !== null && after !== null;
    const each = isKnown && registered > 0 ? (after - before) / registered : null;
    return { users: registered, serverBytesPerUser: each };
  }

  /** Wall time of the row in which everybody was in; null when that was not reached. */
  async #logIn(): Promise<number | null> {
    const { clock, signal } = this.#state;
    const watch = new LoginWatch(this.#users, this.#nowMs());
    let told: number | null = null;
    let isHopeless = false;
    const isAllIn = (): boolean => {
      const { generator, server } = this.#counts();
      isHopeless = watch.isHopeless(generator, this.#nowMs());
      if (generator !== told) {
        const free = readHostMemory().freeBytes;
        const gib = free === null ? '' : `, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
        this.#onText(`${numberText(generator)} of ${numberText(this.#users)} logged in${gib}`);
      }
      told = generator;
      return generator === this.#users && server === this.#users;
    };
    const timeoutMs = (this.#users / LOGINS_PER_S_MIN) * 1000 + LOGIN_SPARE_MS;
    const done = (): boolean =>
      isAllIn() || isHopeless || this.#isMemoryShort() || this.#isPartGone();
    await untilTrue(done, { clock, everyMs: LOOK_MS, timeoutMs, signal });
    return isAllIn() ? this.#rows(this.#startedWallMs, this.#nowMs()).load.at(-1)!.wallMs : null;
  }

  /** What was measured; null when memory or a lost part ended it. */
  async #hold(): Promise<Held | null> {
    const { clock, signal } = this.#state;
    const { settleMs } = this.#context.ladder;
    const { holdMs } = this.#planned;
    const startMs = Math.ceil((this.#nowMs() + settleMs) / 1000) * 1000;
    const endMs = startMs + holdMs;
    let before = readTcpSegments();
    while (this.#nowMs() < endMs) {
      if (this.#isMemoryShort() || this.#isPartGone()) return null;
      await this.#disturb();
      const leftS = Math.ceil((endMs - this.#nowMs()) / 1000);
      this.#onText(`${numberText(this.#users)} logged in, ${leftS} s to go`);
      // On the seconds of the rows, so that what is counted between two looks is that of the hold.
      const nextMs = (Math.floor(this.#nowMs() / 1000) + 1) * 1000;
      // A queue can take the memory within a second.
      while (this.#nowMs() < nextMs && !this.#isMemoryShort()) {
        await untilWall(clock, Math.min(nextMs, this.#nowMs() + LOOK_MS), signal);
      }
      if (nextMs <= startMs) before = readTcpSegments();
    }
    const after = readTcpSegments();
    const isClientHere =
      this.#context.engine !== 'stack' && this.#planned.clients.virtualHosts === 0;
    const packets =
      before === undefined || after === undefined
        ? null
        : segmentsOfServer(before, after, isClientHere);
    // The row of the last second is on its way.
    const isThere = (): boolean => (this.#state.recorder!.latest('load')?.wallMs ?? 0) >= endMs;
    await untilTrue(isThere, { clock, everyMs: 20, timeoutMs: ROW_WAIT_MS, signal });
    const rows = this.#rows(startMs, endMs);
    const packetsPerS = packets === null ? null : (packets * 1000) / holdMs;
    const recovery = this.#recovery(rows);
    return { rows, packetsPerS, recovery, drain: await this.#drain() };
  }

  /** When the generator began to send, as it said; its plan counts from there. */
  #steadyMs(): number | undefined {
    const { events } = this.#state.recorder!;
    const phase = events.findLast(({ kind, text }) => kind === 'phase' && text === 'steady');
    return phase === undefined || phase.wallMs < this.#startedWallMs ? undefined : phase.wallMs;
  }

  /** The server stands still when its time has come. */
  async #disturb(): Promise<void> {
    const { freeze } = this.#planned.clients.disturbance;
    const steadyMs = this.#steadyMs();
    if (freeze === '' || this.#frozenAtMs !== undefined || steadyMs === undefined) return;
    const wanted = parseFreeze(freeze);
    if (this.#nowMs() < steadyMs + wanted.atMs) return;
    const { supervisor, bus, environment, signal } = this.#state;
    this.#frozenAtMs = this.#nowMs();
    const control = { bus: bus!, lab: environment.lab, signal };
    const { pid } = supervisor.part('server')!;
    this.#undone = (await freezeServer(control, pid, wanted)) ?? '';
  }

  #recovery(rows: StepRows): Held['recovery'] {
    const { disturbance } = this.#planned.clients;
    const atMs = disturbedAtMs(disturbance);
    const steadyMs = this.#steadyMs();
    if (atMs === undefined || steadyMs === undefined) return null;
    const { storm, returnPolicy, spike, freeze } = disturbance;
    const text = [
      storm === '' ? '' : `storm ${storm}, back by ${returnPolicy || 'fixed:500ms'}`,
      spike === '' ? '' : `spike ${spike}`,
      freeze === '' ? '' : `freeze ${freeze}`,
    ].filter((part) => part !== '');
    return {
      ...recoveryOf(rows, this.#frozenAtMs ?? steadyMs + atMs, this.#users),
      text: text.join(', '),
      refused: rise(rows.server, 'wsar.server.refused'),
    };
  }

  /** Stops the messages and waits until every queue is empty; null where the generator has no such knob. */
  async #drain(): Promise<LadderDrain | null> {
    const { virtualHosts, disturbance } = this.#planned.clients;
    // Several hosts have no knob together, and a spike's rate is planned.
    if (virtualHosts > 0 || disturbance.spike !== '') return null;
    const { bus, environment, signal, recorder, clock } = this.#state;
    const values = recorder!.latest('server')?.values ?? {};
    const queued = values['wsar.server.queue.length'] ?? null;
    const predictedS = values['wsar.server.queue.delay'] ?? null;
    try {
      await turn({ bus: bus!, lab: environment.lab, signal }, 'load', 'load.rate', 0);
    } catch (error) {
      if (!(error instanceof WsarError)) throw error;
      return { queued, predictedS, seenS: null }; // It is gone, which the end of the step tells.
    }
    const turnedMs = this.#nowMs();
    const isEmpty = (): boolean => {
      const [server, load] = [recorder!.latest('server'), recorder!.latest('load')];
      return (
        server !== undefined &&
        load !== undefined &&
        Math.min(server.wallMs, load.wallMs) > turnedMs &&
        server.values['wsar.server.queue.length'] === 0 &&
        load.values['wsar.load.messages.sent'] === load.values['wsar.load.messages.received']
      );
    };
    const timeoutMs = this.#context.ladder.stop.drainMsMax;
    const done = (): boolean => isEmpty() || this.#isPartGone();
    await untilTrue(done, { clock, everyMs: LOOK_MS, timeoutMs, signal });
    const endedMs = recorder!.latest('server')?.wallMs ?? turnedMs;
    return { queued, predictedS, seenS: isEmpty() ? (endedMs - turnedMs) / 1000 : null };
  }

  #endOf(held: Held | null, server: Part, load: Part): Ended {
    const { stop } = this.#context.ladder;
    if (this.#freeBytesMin < stop.freeBytesMin) {
      const mib = numberText(Math.round(this.#freeBytesMin / 1024 ** 2));
      return { outcome: 'stopped', sentence: `only ${mib} MiB of memory were free` };
    }
    for (const part of [server, load]) {
      if (part.exit === undefined) continue;
      const words = part.exit.signal === null ? part.lastWords() : '';
      const said = words === '' ? '' : `; it said "${words}"`;
      const sentence = `the ${part.name} was lost: ${describeExit(part.exit)}${said}`;
      return { outcome: 'failed', sentence };
    }
    const counts = this.#counts();
    const told = `generator ${numberText(counts.generator)}, server ${numberText(counts.server)}`;
    if (held === null) {
      return { outcome: 'failed', sentence: `not everybody was logged in: ${told}` };
    }
    const isStillIn = counts.generator === this.#users && counts.server === this.#users;
    if (!isStillIn) return { outcome: 'failed', sentence: `users were lost: ${told}` };
    if (this.#undone !== '') return { outcome: 'failed', sentence: this.#undone };
    return { outcome: 'held', sentence: '' };
  }

  #isPartGone(): boolean {
    const { supervisor } = this.#state;
    return (['server', 'load'] as const).some((name) => supervisor.part(name)?.exit !== undefined);
  }

  #isMemoryShort(): boolean {
    const { freeBytes } = readHostMemory();
    if (freeBytes === null) return false;
    this.#freeBytesMin = Math.min(this.#freeBytesMin, freeBytes);
    return freeBytes < this.#context.ladder.stop.freeBytesMin;
  }

  #memoryNow(server: Part, serverBytes: number | null): StepMemory {
    const now = readHostMemory();
    const before = this.#memoryBefore;
    // Less than before: what others of this host gave back was more than what was taken.
    const each = (after: number | null, first: number | null): number | null =>
      after === null || first === null || after < first ? null : (after - first) / this.#users;
    return {
      serverBytesPerUser: each(readResidentBytes(server.pid), serverBytes),
      kernelBytesPerUser: each(now.slabBytes, before.slabBytes),
      slabs: slabGrowth(this.#slabsBefore, readSlabs(), this.#users),
      freeBytesPerUser: each(before.freeBytes, now.freeBytes),
    };
  }

  #counts(): LadderStep['counts'] {
    const rows = this.#rows(this.#startedWallMs, this.#nowMs());
    const sockets = readSocketsInUse();
    return {
      generator: rows.load.at(-1)?.values['wsar.load.connections.logged_in'] ?? null,
      server: rows.server.at(-1)?.values['wsar.server.sessions'] ?? null,
      sockets:
        sockets === null || this.#socketsBefore === null ? null : sockets - this.#socketsBefore,
    };
  }

  #rows(startMs: number, endMs: number): StepRows {
    const { recorder } = this.#state;
    return {
      server: recorder!.between('server', startMs, endMs),
      load: recorder!.between('load', startMs, endMs),
      host: recorder!.between('host', startMs, endMs),
    };
  }

  /** Waits until the host has its sockets and memory back. */
  async #settle(): Promise<void> {
    const { clock, signal } = this.#state;
    const { freeBytes } = this.#memoryBefore;
    const isBack = (): boolean => {
      const sockets = readSocketsInUse();
      const areGone =
        sockets === null || this.#socketsBefore === null || sockets <= this.#socketsBefore + 64;
      const now = readHostMemory().freeBytes;
      return areGone && (now === null || freeBytes === null || now > freeBytes * FREE_AGAIN_RATIO);
    };
    const wait = { clock, everyMs: LOOK_MS, timeoutMs: SETTLE_TIMEOUT_MS, signal };
    await untilTrue(isBack, wait);
    const rest = new SlabRest();
    await untilTrue(() => rest.isStill(readHostMemory().slabBytes), wait);
  }

  #nowMs(): number {
    return this.#state.clock.wallMs();
  }
}
