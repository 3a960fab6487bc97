// One load of an agent: its part of the population, from the controller's plan to the last report. Knobs are
// turned when the controller says, at an instant that is the same on all hosts.

import { type Clock, shiftClock } from '#core/clock/clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import { whyNoOpenssl } from '#core/socket/tls/openssl.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import { readHostRoom, requireRoom } from '#loadgen/host-room.ts';
import {
  type AgentAnswer,
  type AgentCommand,
  fromPlainOptions,
} from '#loadgen/hosts/agent-message.ts';
import { decodeUsers, encodeUsers } from '#loadgen/hosts/refused-members.ts';
import { segmentHash, turnedHash } from '#loadgen/hosts/segment.ts';
import { TIMING_NAMES, type Timings } from '#loadgen/interval-timings.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { planRoute } from '#loadgen/load-route.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import { isPlanned, TURNS_MAX } from '#loadgen/load-settings.ts';
import type { LoadResult } from '#loadgen/load-summary.ts';
import { arrivalPlan } from '#loadgen/people.ts';
import { usualWorkers } from '#loadgen/read-options.ts';
import { resolveTarget } from '#loadgen/target.ts';

/** A controller that has not told us to log out by then is gone. */
const LOGOUT_TIMEOUT_MS = 30_000;

/** Finish and logout come once each; who says them more often is not heard. */
const ENDS_MAX = 16;

/** One plan, from its first login to its report. */
export class AgentLoad {
  /** Resolves when it is over and told; never rejects. */
  readonly ended: Promise<void>;
  readonly #answer: (value: AgentAnswer) => void;
  readonly #stop = new AbortController();
  readonly #started = new Told<number>();
  readonly #loggedOut = new Told<void>();
  #load: LoadRun | undefined;
  #clock: Clock | undefined;
  /** What came while the plan was still being prepared; more turns are refused. */
  #early: AgentCommand[] | undefined = [];
  /** Turns that wait for their time. */
  readonly #due = new Map<number, () => void>();
  #isOver = false;

  constructor(
    plan: AgentCommand & { kind: 'plan' },
    sources: AddressBlock[] | undefined,
    clock: Clock,
    signal: AbortSignal,
    answer: (value: AgentAnswer) => void,
  ) {
    this.#answer = answer;
    const both = AbortSignal.any([signal, this.#stop.signal]);
    const stop = (): void => {
      this.#started.tell(0);
      this.#loggedOut.tell();
    };
    if (both.aborted) stop();
    both.addEventListener('abort', stop, { once: true });
    this.ended = this.#run(plan, sources, clock, both)
      .catch((error: unknown) => {
        const known = error instanceof WsarError ? error : undefined;
        const message = error instanceof Error ? error.message : String(error);
        answer({ kind: 'failed', code: known?.code, message, hint: known?.hint ?? '' });
      })
      .finally(() => both.removeEventListener('abort', stop));
  }

  hear(command: AgentCommand): void {
    if (command.kind === 'stop') this.#stop.abort();
    else if (this.#early === undefined) this.#obey(command);
    else {
      const most = command.kind === 'turn' ? TURNS_MAX : TURNS_MAX + ENDS_MAX;
      if (this.#early.length < most) this.#early.push(command);
      else if (command.kind === 'turn') this.#refuse(command.id);
    }
  }

  #obey(command: AgentCommand): void {
    if (command.kind === 'start') {
      // At once: a turn may be right behind.
      for (const text of command.outside) this.#load!.keepOutside(decodeUsers(text));
      this.#load!.begin(command.atUs);
      this.#started.tell(command.atUs);
    } else if (command.kind === 'turn') this.#turn(command);
    else if (command.kind === 'finish') this.#load!.finish();
    else if (command.kind === 'logout') this.#loggedOut.tell();
  }

  #refuse(id: number): void {
    this.#answer({ kind: 'turned', id, isTaken: false, lateUs: 0 });
  }

  async #run(
    plan: AgentCommand & { kind: 'plan' },
    sources: AddressBlock[] | undefined,
    hostClock: Clock,
    signal: AbortSignal,
  ): Promise<void> {
    const { segment, offset, run, joinsLate, wallLeadMs } = plan;
    const given = fromPlainOptions(plan.options);
    const options: LoadOptions = {
      ...given,
      segment,
      connections: segment.count,
      workers: Math.min(given.areWorkersAsked ? given.workers : usualWorkers(), segment.count),
      sources: sources ?? given.sources,
    };
    const target = await resolveTarget(options.target, options.isOwned);
    if (options.wire.tls !== undefined && options.engine === 'auto') {
      // Of this host, not of the controller's.
      if (whyNoOpenssl() !== undefined) options.engine = 'net';
    }
    const { engine } = chooseEngine(options.engine);
    if (options.isRoomChecked) {
      requireRoom(
        {
          ...{ connections: options.connections, engine, isTargetHere: false },
          isTls: options.wire.tls !== undefined,
        },
        readHostRoom('/proc', '/sys/fs/cgroup'),
      );
    }
    const clock: Clock = {
      ...shiftClock(hostClock, offset.offsetUs),
      wallMs: () => clock.monoUs() / 1000 + wallLeadMs,
    };
    const { model } = options;
    const arrivals = arrivalPlan(options, segment.total);
    const load = new LoadRun({
      ...{ clock, options, target, run, signal, joinsLate, ...planRoute(options, target) },
      clockOffsetUs: offset.offsetUs,
      onPhase: () => {},
      barrier: {
        ready: () => {
          const outside = encodeUsers(load.outsideGroup());
          this.#answer({ kind: 'ready', hash: segmentHash(arrivals, model, segment), outside });
          return this.#started.told;
        },
        drained: async () => {
          this.#answer({ kind: 'drained' });
          const cancel = hostClock.after(LOGOUT_TIMEOUT_MS, () => this.#loggedOut.tell());
          await this.#loggedOut.told;
          cancel();
        },
      },
    });
    this.#load = load;
    this.#clock = clock;
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const command of early) this.#obey(command);
    await this.#tell(load, clock, () =>
      turnedHash(arrivals, model, segment, load.schedule, options.durationMs),
    );
  }

  /** Lists of the plan know their time themselves; what holds at once waits for it. */
  #turn({ id, turn }: AgentCommand & { kind: 'turn' }): void {
    const [load, clock] = [this.#load!, this.#clock!];
    const obey = (): void => {
      this.#due.delete(id);
      const lateUs = turn.atUs === 0 ? 0 : Math.max(0, clock.monoUs() - turn.atUs);
      const isTaken = load.turn(turn);
      this.#answer({ kind: 'turned', id, isTaken, lateUs: Math.round(lateUs) });
    };
    const waitMs = isPlanned(turn) ? 0 : (turn.atUs - clock.monoUs()) / 1000;
    if (waitMs <= 0) obey();
    else if (!this.#isOver && this.#due.size < TURNS_MAX)
      this.#due.set(id, clock.after(waitMs, obey));
    else this.#refuse(id);
  }

  /** What waits for its time will not come to it any more. */
  #refuseDue(): void {
    this.#isOver = true;
    for (const [id, cancel] of this.#due) {
      cancel();
      this.#refuse(id);
    }
    this.#due.clear();
  }

  /** Runs the load, telling each second. */
  async #tell(load: LoadRun, clock: Clock, hash: () => number): Promise<void> {
    const done = load.run();
    done.catch(() => {});
    let seconds: Promise<void> = Promise.resolve();
    const second = async (atUs: number): Promise<void> => {
      // Of the same instant on all hosts; a starved worker's histograms may come later.
      const counts = load.counts();
      const timings = await load.takeSecond();
      this.#answer({ kind: 'second', atUs, counts, histograms: encode(timings) });
    };
    const stopTicks = startTicker(clock, 1000, ({ monoUs, lateUs }) => {
      seconds = seconds.then(() => second(monoUs - lateUs));
    });
    let result: LoadResult;
    try {
      result = await done;
    } finally {
      stopTicks();
      this.#refuseDue();
      await seconds;
    }
    const { end, counts, rampS, steadyS, sentInSteady, rampCpuUs, cpuUs } = result;
    const { sourceAddresses, portPlan } = result;
    const bytes = result.userBytesPerConnection;
    this.#answer({
      ...{ kind: 'done', end, counts, histograms: encode(await load.takeSecond()) },
      figures: {
        ...{
          engine: result.engine,
          rampS,
          steadyS,
          sentInSteady,
          rampCpuUs,
          cpuUs,
          sourceAddresses,
          portPlan,
          turnedHash: hash(),
          ledger: load.ledger?.encode() ?? null,
        },
        userBytesPerConnection: Number.isNaN(bytes) ? null : bytes,
      },
    });
    if (load.failure !== undefined) throw load.failure;
  }
}

/** Something that is said once, before or after somebody waits for it. */
class Told<T> {
  readonly told: Promise<T>;
  tell: (value: T) => void = () => {};

  constructor() {
    this.told = new Promise<T>((resolve) => {
      this.tell = resolve;
    });
  }
}

/** Histograms that counted something, by name. */
function encode(timings: Timings): Record<string, string> {
  const names = TIMING_NAMES.filter((name) => timings[name].count > 0);
  return Object.fromEntries(names.map((name) => [name, timings[name].encode()]));
}
