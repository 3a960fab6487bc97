// What the server and the clients of a step run on here.

import { availableParallelism } from 'node:os';
import { WsarError } from '#core/errors.ts';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { EngineName, KernelEngineName } from '#core/socket/reactor.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import type { LadderLoadEngine, LadderServer, PlannedStep } from '#lab/ladder/ladder.ts';

export interface ServerChoice extends Pick<LadderServer, 'flush' | 'arming' | 'gatherUs'> {
  engine: KernelEngineName;
  workers: number;
  sentence: string;
}

/** @throws WsarError WSAR_ERR_ENGINE when the wanted engine cannot run here. */
export function chooseServer(server: LadderServer): ServerChoice {
  const { engine, reason } = chooseEngine(server.engine);
  const workers = server.workers === 'auto' ? availableParallelism() : server.workers;
  const { flush, arming, gatherUs } = server;
  return { engine, workers, flush, arming, gatherUs, sentence: `server on ${engine} (${reason})` };
}

/** kernel = what the server runs on; auto = stack where it runs, else that. Throws WSAR_ERR_ENGINE. */
export function chooseClients(wanted: LadderLoadEngine, server: KernelEngineName): EngineName {
  if (wanted === 'kernel') return server;
  if (wanted !== 'auto') return chooseEngine(wanted).engine;
  return whyNoStack() === undefined ? 'stack' : server;
}

export interface StepEngines {
  server: ServerChoice;
  /** Of the clients. */
  engine: EngineName;
}

/** @throws WsarError WSAR_ERR_ENGINE when what a step wants cannot run here. */
export function chooseEngines({ server: wanted, clients }: PlannedStep): StepEngines {
  const server = chooseServer(wanted);
  return { server, engine: chooseClients(clients.engine, server.engine) };
}

/** The engines of the first step that can run here. @throws WsarError WSAR_ERR_ENGINE of the first when none can. */
export function firstEngines(
  steps: readonly PlannedStep[],
  choose: typeof chooseEngines = chooseEngines,
): StepEngines {
  let refusal: unknown;
  for (const step of steps) {
    try {
      return choose(step);
    } catch (error) {
      if (!isNoEngine(error)) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

export function isNoEngine(error: unknown): error is WsarError {
  return error instanceof WsarError && error.code === 'WSAR_ERR_ENGINE';
}
