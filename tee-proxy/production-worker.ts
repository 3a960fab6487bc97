// Entry of a production worker thread: one reactor with its production plane, until told to stop.

import { parentPort, workerData } from 'node:worker_threads';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { EngineName, ListenOptions } from '#core/socket/reactor.ts';
import { failureOf, type PlaneMessage } from '#tee-proxy/plane-thread.ts';
import {
  type ProductionOptions,
  ProductionPlane,
  productionReactorOptions,
} from '#tee-proxy/production-plane.ts';
import type { TeeMemory } from '#tee-proxy/tee-memory.ts';

export interface ProductionWorkerData {
  engine: EngineName | 'auto';
  listen: ListenOptions;
  options: ProductionOptions;
  memory: TeeMemory;
}

const { engine, listen, options, memory } = workerData as ProductionWorkerData;

function start(): { message: PlaneMessage; run?: () => Promise<void> } {
  try {
    const plane = new ProductionPlane(options, memory);
    const reactor = createReactor({
      ...productionReactorOptions(options.flowsMax),
      engine,
      handler: plane,
    });
    plane.attach(reactor);
    const { port } = reactor.listen(listen);
    const { waker } = reactor;
    return {
      message: { kind: 'ready', engine: reactor.engine, port, waker },
      run: () => reactor.run(),
    };
  } catch (error) {
    return { message: failureOf(error) };
  }
}

const { message, run } = start();
parentPort!.postMessage(message);
await run?.();
