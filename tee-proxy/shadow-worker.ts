// Entry of the shadow worker thread: one reactor with the shadow plane, at lower priority than
// production, until told to stop.

import { readlinkSync } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '#core/clock/clock.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { EngineName } from '#core/socket/reactor.ts';
import { failureOf, type PlaneMessage } from '#tee-proxy/plane-thread.ts';
import { type ShadowOptions, ShadowPlane, shadowReactorOptions } from '#tee-proxy/shadow-plane.ts';
import type { TeeMemory } from '#tee-proxy/tee-memory.ts';

export interface ShadowWorkerData {
  engine: EngineName | 'auto';
  options: ShadowOptions;
  memory: TeeMemory;
}

/**
 * Where the processors are short, production goes first: two thirds of its weight (sched(7)). Measured
 * with 200 MiB of healthy copies in two seconds on two saturated processors: none was shed at 0 and 2, up to
 * half at 5, and production's latency was the same at all three.
 */
const NICE = 2;

const { engine, options, memory } = workerData as ShadowWorkerData;

/** Lowers the priority of this thread alone (Linux: a thread has a number of its own there). */
function lowerPriority(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Number(readlinkSync('/proc/thread-self').split('/').at(-1)), NICE);
  } catch {
    // Without /proc, or not allowed: the copies then compete with production for the processors.
  }
}

function start(): { message: PlaneMessage; run?: () => Promise<void> } {
  try {
    const plane = new ShadowPlane(options, memory, systemClock);
    const reactor = createReactor({ ...shadowReactorOptions(options), engine, handler: plane });
    plane.attach(reactor);
    const { waker } = reactor;
    return {
      message: { kind: 'ready', engine: reactor.engine, port: 0, waker },
      run: () => reactor.run(),
    };
  } catch (error) {
    return { message: failureOf(error) };
  }
}

lowerPriority();
const { message, run } = start();
parentPort!.postMessage(message);
await run?.();
