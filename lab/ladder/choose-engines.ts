// What the server and the clients of a step run on here.

import { availableParallelism } from 'node:os';
import { chooseEngine } from '#core/socket/choose-engine.ts';
import type { EngineName, KernelEngineName } from '#core/socket/reactor.ts';
import { whyNoStack } from '#core/socket/stack/why-no-stack.ts';
import type { LadderLoadEngine, LadderServer } from '#lab/ladder/ladder.ts';

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

/** Throws WSAR_ERR_ENGINE when the wanted engine cannot run here. */
export function chooseClients(wanted: LadderLoadEngine, server: KernelEngineName): EngineName {
  if (wanted !== 'auto') return chooseEngine(wanted).engine;
  return whyNoStack() === undefined ? 'stack' : server;
}
