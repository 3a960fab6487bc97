// One step: a server, a population that logs in and talks, figures, and nothing left behind. A guard looks at the
// free memory all the time and ends the step before the kernel has to choose whom to kill.

import type { LadderStep } from '#dashboards/report/ladder-record.ts';
import { numberText } from '#dashboards/report/number-text.ts';
import { readHostMemory, readResidentBytes } from '#lab/ladder/host-memory.ts';
import type { Ladder } from '#lab/ladder/ladder.ts';
import { type Engines, ladderLoad, ladderServer } from '#lab/ladder/ladder-parts.ts';
import { holdFigures, loginFigures, type StepRows } from '#lab/ladder/step-figures.ts';
import { serverUrl } from '#lab/run/lab-parts.ts';
import { readSocketsInUse } from '#lab/run/login-counts.ts';
import type { Part } from '#lab/run/part.ts';
import type { LabState } from '#lab/run/run-state.ts';
import { untilCut, untilTrue, untilWall } from '#lab/run/until-cut.ts';

const LOOK_MS = 100;
/** Logins slower than this are a failure of the step, and every step may take this long on top. */
const LOGINS_PER_S_MIN = 2000;
const LOGIN_SPARE_MS = 60_000;
/** Millions of connections take a while to say goodbye. */
const LOAD_GRACE_MS = 120_000;
const SERVER_GRACE_MS = 60_000;
/** The kernel frees sockets and slabs after the processes are gone. */
const SETTLE_TIMEOUT_MS = 60_000;
/** Of the memory that was free before, this must be free again. */
const FREE_AGAIN_RATIO = 0.95;

export interface StepContext {
  state: LabState;
  ladder: Ladder;
  engines: Engines;
}

type Ended = Pick<LadderStep, 'outcome' | 'sentence'>;

/** Runs the step for `users`; `onText` is told how it goes. Throws only RunCut and what is a bug. */
export async function runStep(
  context: StepContext,
  users: number,
  onText: (text: string) => void,
): Promise<LadderStep> {
  const step = new Step(context, users, onText);
  return await step.run();
}

class Step {
  readonly #state: LabState;
  readonly #ladder: Ladder;
  readonly #engines: Engines;
  readonly #users: number;
  readonly #onText: (text: string) => void;
  readonly #startedWallMs: number;
  readonly #memoryBefore = readHostMemory();
  readonly #socketsBefore = readSocketsInUse();
  #freeBytesMin = Number.POSITIVE_INFINITY;
  #missedBefore: number;

  constructor(
    { state, ladder, engines }: StepContext,
    users: number,
    onText: (text: string) => void,
  ) {
    this.#state = state;
    this.#ladder = ladder;
    this.#engines = engines;
    this.#users = users;
    this.#onText = onText;
    this.#startedWallMs = state.clock.wallMs();
    this.#missedBefore = state.recorder!.missedTicks('host');
  }

  async run(): Promise<LadderStep> {
    const { supervisor, signal } = this.#state;
    const server = await supervisor.start(ladderServer(this.#state, this.#engines, this.#users));
    const target = await untilCut(serverUrl(server), signal);
    const serverBytes = readResidentBytes(server.pid);
    const loadStartMs = this.#state.clock.wallMs();
    const options = ladderLoad(this.#state, this.#ladder, this.#engines, this.#users, target);
    const load = await supervisor.start(options);
    const inMs = await this.#logIn();
    const login = loginFigures(this.#rows(loadStartMs, inMs ?? this.#nowMs()), this.#users);
    const memory = this.#memoryNow(server, load, serverBytes);
    const held = inMs === null ? null : await this.#hold();
    const ended = this.#endOf(inMs, held);
    const counts = this.#counts();
    const serverRssBytes = readResidentBytes(server.pid);
    this.#onText(`${numberText(this.#users)}: ending`);
    await supervisor.stop('load', LOAD_GRACE_MS);
    await supervisor.stop('server', SERVER_GRACE_MS);
    const messages = summaryOf(load);
    await this.#settle();
    const hold = holdFigures(held ?? { server: [], load: [], host: [] });
    const step: LadderStep = {
      connections: this.#users,
      startedWallMs: this.#startedWallMs,
      endedWallMs: this.#nowMs(),
      ...ended,
      counts,
      ...login,
      ...memory,
      holdS: held === null ? 0 : this.#ladder.holdMs / 1000,
      ...hold,
      missedTicks: this.#state.recorder!.missedTicks('host') - this.#missedBefore,
      freeBytesMin: Number.isFinite(this.#freeBytesMin) ? this.#freeBytesMin : null,
      serverRssBytes,
      messages,
      socketsBefore: this.#socketsBefore,
      socketsAfter: readSocketsInUse(),
    };
    return ended.outcome === 'held' ? { ...step, ...judge(step, this.#ladder) } : step;
  }

  /** Wall time of the row in which everybody was in; null when that was not reached. */
  async #logIn(): Promise<number | null> {
    const { clock, signal, supervisor } = this.#state;
    let told: number | null = null;
    const isAllIn = (): boolean => {
      const { generator, server } = this.#counts();
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
      isAllIn() || this.#isMemoryShort() || supervisor.part('load')?.exit !== undefined;
    await untilTrue(done, { clock, everyMs: LOOK_MS, timeoutMs, signal });
    return isAllIn() ? this.#rows(this.#startedWallMs, this.#nowMs()).load.at(-1)!.wallMs : null;
  }

  /** The rows of the hold; null when memory ended it. */
  async #hold(): Promise<StepRows | null> {
    const { clock, signal } = this.#state;
    const startMs = Math.ceil((this.#nowMs() + this.#ladder.settleMs) / 1000) * 1000;
    const endMs = startMs + this.#ladder.holdMs;
    while (this.#nowMs() < endMs) {
      if (this.#isMemoryShort()) return null;
      const leftS = Math.ceil((endMs - this.#nowMs()) / 1000);
      this.#onText(`${numberText(this.#users)} logged in, ${leftS} s to go`);
      await untilWall(clock, Math.min(endMs, this.#nowMs() + 1000), signal);
    }
    // The row of the last second is on its way.
    const isThere = (): boolean => (this.#state.recorder!.latest('load')?.wallMs ?? 0) >= endMs;
    await untilTrue(isThere, { clock, everyMs: 20, timeoutMs: 5000, signal });
    return this.#rows(startMs, endMs);
  }

  #endOf(inMs: number | null, held: StepRows | null): Ended {
    const { stop } = this.#ladder;
    if (this.#freeBytesMin < stop.freeBytesMin) {
      const mib = numberText(Math.round(this.#freeBytesMin / 1024 ** 2));
      return { outcome: 'stopped', sentence: `only ${mib} MiB of memory were free` };
    }
    const { generator, server } = this.#counts();
    const told = `generator ${numberText(generator)}, server ${numberText(server)}`;
    if (inMs === null || held === null) {
      return { outcome: 'failed', sentence: `not everybody was logged in: ${told}` };
    }
    const isStillIn = generator === this.#users && server === this.#users;
    if (!isStillIn) return { outcome: 'failed', sentence: `users were lost: ${told}` };
    return { outcome: 'held', sentence: '' };
  }

  #isMemoryShort(): boolean {
    const { freeBytes } = readHostMemory();
    if (freeBytes === null) return false;
    this.#freeBytesMin = Math.min(this.#freeBytesMin, freeBytes);
    return freeBytes < this.#ladder.stop.freeBytesMin;
  }

  #memoryNow(
    server: Part,
    load: Part,
    serverBytes: number | null,
  ): Pick<
    LadderStep,
    'serverBytesPerUser' | 'loadBytesPerUser' | 'kernelBytesPerUser' | 'freeBytesPerUser'
  > {
    const now = readHostMemory();
    const before = this.#memoryBefore;
    const each = (after: number | null, first: number | null): number | null =>
      after === null || first === null ? null : (after - first) / this.#users;
    return {
      serverBytesPerUser: each(readResidentBytes(server.pid), serverBytes),
      // A generator without users is not there to be measured: all it has counts.
      loadBytesPerUser: each(readResidentBytes(load.pid), 0),
      kernelBytesPerUser: each(now.slabBytes, before.slabBytes),
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
    await untilTrue(isBack, { clock, everyMs: LOOK_MS, timeoutMs: SETTLE_TIMEOUT_MS, signal });
  }

  #nowMs(): number {
    return this.#state.clock.wallMs();
  }
}

/** The totals of the generator, from the last line that it printed. */
function summaryOf(load: Part): LadderStep['messages'] {
  try {
    const { messages } = JSON.parse(load.lastLine());
    const { sent, received, lost, errors } = messages;
    return { sent, received, lost, errors };
  } catch {
    return null; // It was killed before it had a summary.
  }
}

/** Whether a step that was held broke a stop rule: then the ladder ends after it. */
function judge(step: LadderStep, { stop }: Ladder): Ended {
  const { latencyUs, latenessUsP99, messages, queueLengthMax } = step;
  const ms = (us: number): string => `${numberText(us / 1000)} ms`;
  const broken = [
    (latencyUs.p99 ?? 0) / 1000 > stop.latencyP99MsMax && `latency p99 was ${ms(latencyUs.p99!)}`,
    (latenessUsP99 ?? 0) / 1000 > stop.latenessP99MsMax &&
      `the generator was late, p99 ${ms(latenessUsP99!)}`,
    messages === null && 'the generator left no summary',
    (messages?.lost ?? 0) > stop.lostMessagesMax &&
      `${numberText(messages!.lost)} messages were lost`,
    (queueLengthMax ?? 0) > stop.queueLengthMax &&
      `${numberText(queueLengthMax!)} messages were queued`,
  ].filter((sentence) => sentence !== false);
  if (broken.length === 0) return { outcome: 'held', sentence: 'held' };
  return { outcome: 'stopped', sentence: broken.join('; ') };
}
