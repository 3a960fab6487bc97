// An agent on the bus: says hello, answers clock questions, carries out plans one after the other, and
// tells each second what happened. The controller is another process; when it or the bus is gone, users
// are logged out and the agent waits for the next (or ends, with --once).

import { connectBus } from '#core/bus/bus.ts';
import { topic } from '#core/bus/topic.ts';
import type { CommandContext } from '#core/cli/command.ts';
import { type Clock, shiftClock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';
import { startTicker } from '#core/clock/ticker.ts';
import { WsarError } from '#core/errors.ts';
import { hostName } from '#core/host/host-name.ts';
import { watchLifeline } from '#core/host/lifeline.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { AddressBlock } from '#loadgen/address-block.ts';
import { readHostRoom, requireRoom } from '#loadgen/host-room.ts';
import {
  type AgentAnswer,
  type AgentCommand,
  fromPlainOptions,
  type Hello,
} from '#loadgen/hosts/agent-message.ts';
import { segmentHash } from '#loadgen/hosts/segment.ts';
import { TIMING_NAMES, type Timings } from '#loadgen/interval-timings.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { planRoute } from '#loadgen/load-route.ts';
import { LoadRun } from '#loadgen/load-run.ts';
import type { LoadResult } from '#loadgen/load-summary.ts';
import { resolveTarget } from '#loadgen/target.ts';

/** A controller that has not told us to log out by then is gone. */
const LOGOUT_TIMEOUT_MS = 30_000;

export interface AgentPlace {
  busUrl: string;
  lab: string;
  id: string;
  /** Own addresses; undefined = as the controller says. */
  sources: AddressBlock[] | undefined;
  isOnce: boolean;
}

/**
 * Serves until the signal, the end of the lab, or one load with `isOnce`. Throws WSAR_ERR_UNREACHABLE,
 * WSAR_ERR_PARENT_LOST.
 */
export async function runAgent(context: CommandContext, place: AgentPlace): Promise<void> {
  const { busUrl, lab, id } = place;
  const bus = await connectBus(busUrl, {
    clientId: `agent-${id}`,
    will: { topic: topic.agent(lab, id, 'gone'), value: { id } },
  });
  const over = new AbortController();
  const lost = (reason: WsarError): void => over.abort(reason);
  bus.onLost(() => lost(unreachable()));
  watchLifeline(() => lost(parentLost()));
  const signal = AbortSignal.any([context.signal, over.signal]);
  const clock = createHostClock();
  let load: AgentLoad | undefined;
  const ended = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    const answer = (value: AgentAnswer): void =>
      bus.publish(topic.agent(lab, id, 'ack'), value, { qos: 1 });
    const hear = (command: AgentCommand): void => {
      if (command.kind === 'clock') {
        answer({ kind: 'clock', sentUs: command.sentUs, agentUs: clock.monoUs() });
      } else if (command.kind !== 'plan') load?.hear(command);
      else if (load === undefined) {
        load = new AgentLoad(command, place.sources, clock, signal, answer);
        void load.ended.then(() => {
          load = undefined;
          if (place.isOnce) resolve();
        });
      }
    };
    void bus
      .subscribe(topic.agent(lab, id, 'command'), (_topic, value) => hear(value as AgentCommand))
      .then(() => {
        const hello: Hello = { id, host: hostName(), pid: process.pid };
        bus.publish(topic.agent(lab, id, 'hello'), hello, { retain: true, qos: 1 });
        context.out(`ready ${id}\n`);
      });
  });
  await ended;
  await load?.ended;
  bus.publish(topic.agent(lab, id, 'hello'), undefined, { retain: true, qos: 1 });
  bus.publish(topic.agent(lab, id, 'gone'), { id }, { qos: 1 });
  await bus.close();
  if (over.signal.aborted) throw over.signal.reason;
}

/** One plan, from its first login to its report. */
class AgentLoad {
  /** Resolves when it is over and told; never rejects. */
  readonly ended: Promise<void>;
  readonly #answer: (value: AgentAnswer) => void;
  readonly #stop = new AbortController();
  #start: (atUs: number) => void = () => {};
  #logout: () => void = () => {};

  constructor(
    plan: AgentCommand & { kind: 'plan' },
    sources: AddressBlock[] | undefined,
    clock: Clock,
    signal: AbortSignal,
    answer: (value: AgentAnswer) => void,
  ) {
    this.#answer = answer;
    const both = AbortSignal.any([signal, this.#stop.signal]);
    this.ended = this.#run(plan, sources, clock, both).catch((error: unknown) => {
      const known = error instanceof WsarError ? error : undefined;
      const message = error instanceof Error ? error.message : String(error);
      answer({ kind: 'failed', code: known?.code, message, hint: known?.hint ?? '' });
    });
  }

  hear(command: AgentCommand): void {
    if (command.kind === 'start') this.#start(command.atUs);
    else if (command.kind === 'logout') this.#logout();
    else if (command.kind === 'stop') {
      this.#stop.abort();
      this.#start(0);
      this.#logout();
    }
  }

  async #run(
    plan: AgentCommand & { kind: 'plan' },
    sources: AddressBlock[] | undefined,
    hostClock: Clock,
    signal: AbortSignal,
  ): Promise<void> {
    const { segment, offset, run, joinsLate } = plan;
    const given = fromPlainOptions(plan.options);
    const options: LoadOptions = {
      ...given,
      segment,
      connections: segment.count,
      workers: Math.min(given.workers, segment.count),
      sources: sources ?? given.sources,
    };
    const target = await resolveTarget(options.target, options.isOwned);
    const { engine } = chooseEngine(options.engine);
    if (options.isRoomChecked) {
      requireRoom(
        { connections: options.connections, engine, isTargetHere: false },
        readHostRoom('/proc', '/sys/fs/cgroup'),
      );
    }
    const clock = shiftClock(hostClock, offset.offsetUs);
    const started = new Promise<number>((resolve) => {
      this.#start = resolve;
    });
    const loggedOut = new Promise<void>((resolve) => {
      this.#logout = resolve;
    });
    const arrivals = { seed: options.seed, process: options.process, users: segment.total };
    const load = new LoadRun({
      ...{ clock, options, target, run, signal, joinsLate, ...planRoute(options, target) },
      clockOffsetUs: offset.offsetUs,
      onPhase: () => {},
      barrier: {
        ready: () => {
          this.#answer({ kind: 'ready', hash: segmentHash(arrivals, segment) });
          return started;
        },
        drained: async () => {
          this.#answer({ kind: 'drained' });
          const late = new Promise<void>((resolve) => hostClock.after(LOGOUT_TIMEOUT_MS, resolve));
          await Promise.race([loggedOut, late]);
        },
      },
    });
    await this.#tell(load, hostClock);
  }

  /** Runs the load, telling each second. */
  async #tell(load: LoadRun, clock: Clock): Promise<void> {
    const done = load.run();
    done.catch(() => {});
    let seconds: Promise<void> = Promise.resolve();
    const second = async (): Promise<void> => {
      const timings = await load.takeSecond();
      this.#answer({ kind: 'second', counts: load.counts(), histograms: encode(timings) });
    };
    const stopTicks = startTicker(clock, 1000, () => {
      seconds = seconds.then(second);
    });
    let result: LoadResult;
    try {
      result = await done;
    } finally {
      stopTicks();
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
        },
        userBytesPerConnection: Number.isNaN(bytes) ? null : bytes,
      },
    });
    if (load.failure !== undefined) throw load.failure;
  }
}

/** Histograms that counted something, by name. */
function encode(timings: Timings): Record<string, string> {
  const names = TIMING_NAMES.filter((name) => timings[name].count > 0);
  return Object.fromEntries(names.map((name) => [name, timings[name].encode()]));
}

function unreachable(): WsarError {
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    'the bus of the lab was lost and did not come back',
    'see why its broker ended; all users have logged out',
  );
}

function parentLost(): WsarError {
  return new WsarError(
    'WSAR_ERR_PARENT_LOST',
    'the controller that started this agent is gone',
    'start the load again',
  );
}
