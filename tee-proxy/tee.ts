// A running tee: its threads and what the main thread may ask of them. Starts the shadow worker and then
// the production workers, passes a turned share on and waits until it is obeyed, and starts the shadow
// worker anew when it fails (production goes on without copies meanwhile).

import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import type { EngineName, ListenOptions } from '#core/socket/reactor.ts';
import { wake } from '#core/socket/waker.ts';
import { type PlaneThread, startPlane } from '#tee-proxy/plane-thread.ts';
import type { ProductionWorkerData } from '#tee-proxy/production-worker.ts';
import type { ShadowWorkerData } from '#tee-proxy/shadow-worker.ts';
import {
  add,
  allocateTeeMemory,
  CONTROL,
  PLANE,
  SHADOW,
  type TeeMemory,
} from '#tee-proxy/tee-memory.ts';
import type { HostPort, TeeTarget } from '#tee-proxy/tee-targets.ts';

export interface TeeOptions {
  listen: HostPort;
  upstream: TeeTarget;
  shadows: TeeTarget[];
  /** Share of connections that is copied, 0..1, and the seed of the choice. */
  share: number;
  seed: number;
  /** Bytes that may wait for one shadow connection. */
  shadowBufferBytes: number;
  workers: number;
  /** Client connections at a time, of all workers. */
  connectionsMax: number;
  engine: EngineName | 'auto';
  clock: Clock;
  /** Something went wrong that production does not feel. */
  onTrouble: (text: string) => void;
  /** Entry of the shadow thread; tests give one that fails. */
  shadowWorker?: URL;
}

/** Copies that wait between the planes, a production worker. */
const RING_BYTES = 32 * 1024 * 1024;
/** Bytes that may wait for all shadow connections together; at least one connection's worth. */
export const SHADOW_BYTES_TOTAL_MAX = 64 * 1024 * 1024;
const SHARE_MS_MAX = 2000;
const PLANE_RESTARTS_MAX = 5;
const PLANE_RESTART_MS = 500;

/**
 * Starts a tee.
 * @throws WsarError WSAR_ERR_PORT_IN_USE, WSAR_ERR_ENGINE and what else keeps a reactor from starting.
 */
export async function startTee(options: TeeOptions): Promise<Tee> {
  const tee = new Tee(options);
  try {
    await tee.start();
  } catch (error) {
    await tee.stop();
    throw error;
  }
  return tee;
}

export class Tee {
  readonly memory: TeeMemory;
  /** Resolves with the error when a production worker fails, which ends the tee. */
  readonly failed: Promise<Error>;
  engine: EngineName = 'net';
  port = 0;
  readonly #options: TeeOptions;
  readonly #flowsMax: number;
  readonly #production: PlaneThread[] = [];
  #shadow: PlaneThread | undefined;
  #planeRestarts = 0;
  #isStopping = false;
  #fail!: (error: Error) => void;

  constructor(options: TeeOptions) {
    const { workers, shadows, connectionsMax, share } = options;
    this.#options = options;
    this.#flowsMax = Math.ceil(connectionsMax / workers);
    this.memory = allocateTeeMemory({
      workers,
      shadows: shadows.length,
      flowsMax: this.#flowsMax,
      ringBytes: RING_BYTES,
    });
    this.memory.share[0] = share;
    this.failed = new Promise((resolve) => (this.#fail = resolve));
  }

  /** Share that the production workers follow. */
  get share(): number {
    return this.memory.share[0]!;
  }

  async start(): Promise<void> {
    if (this.#options.shadows.length > 0) await this.#startShadow();
    for (let worker = 0; worker < this.#options.workers; worker++)
      await this.#startProduction(worker);
  }

  /**
   * Changes the share; resolves when every production worker follows it.
   * @throws WsarError WSAR_ERR_SYSTEM when one does not in time.
   */
  async setShare(share: number): Promise<void> {
    const { control, obeyed } = this.memory;
    this.memory.share[0] = share;
    const version = Atomics.add(control, CONTROL.shareVersion, 1) + 1;
    this.#wakeProduction();
    for (let worker = 0; worker < this.#production.length; worker++) {
      for (;;) {
        const seen = Atomics.load(obeyed, worker);
        if (seen >= version) break;
        const waiting = Atomics.waitAsync(obeyed, worker, seen, SHARE_MS_MAX);
        if (waiting.async && (await waiting.value) === 'timed-out') {
          throw new WsarError(
            'WSAR_ERR_SYSTEM',
            `production worker ${worker} does not follow the new share`,
            'look at the load of this host',
          );
        }
      }
    }
  }

  /** Ends everything: first the clients, then, when the copies have left or half a second is over, the shadows. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    Atomics.store(this.memory.control, CONTROL.stopProduction, 1);
    this.#wakeProduction();
    await Promise.all(this.#production.map((thread) => thread.end()));
    Atomics.store(this.memory.control, CONTROL.stopShadow, 1);
    if (this.#shadow === undefined) return;
    wake(this.#shadow.ready.waker);
    await this.#shadow.end();
  }

  async #startProduction(worker: number): Promise<void> {
    const { listen, upstream, seed, engine, workers } = this.#options;
    const address: ListenOptions = {
      host: listen.host,
      port: worker === 0 ? listen.port : this.port,
      reusePort: workers > 1,
    };
    const flowsMax = this.#flowsMax;
    const data: ProductionWorkerData = {
      engine,
      listen: address,
      options: { worker, workers, flowsMax, upstream, seed },
      memory: this.memory,
    };
    const thread = await startPlane(new URL('./production-worker.ts', import.meta.url), data);
    this.#production.push(thread);
    this.engine = thread.ready.engine;
    this.port = thread.ready.port;
    void thread.ended.then((error) => {
      if (!this.#isStopping) this.#fail(error ?? new Error('a production worker ended'));
    });
  }

  async #startShadow(): Promise<void> {
    const { workers, shadows, shadowBufferBytes, engine, shadowWorker } = this.#options;
    const data: ShadowWorkerData = {
      engine,
      options: {
        workers,
        flowsMax: this.#flowsMax,
        shadows,
        bufferBytesMax: shadowBufferBytes,
        bufferBytesTotalMax: Math.max(SHADOW_BYTES_TOTAL_MAX, shadowBufferBytes),
      },
      memory: this.memory,
    };
    const file = shadowWorker ?? new URL('./shadow-worker.ts', import.meta.url);
    const thread = await startPlane(file, data);
    this.#shadow = thread;
    void thread.ended.then((error) => this.#shadowEnded(error));
  }

  /** The shadow plane is gone: an ordinary fault of the shadow side. Copies are over; new ones follow. */
  #shadowEnded(error: Error | undefined): void {
    if (this.#isStopping) return;
    const { memory } = this;
    // What it had taken and not sent cannot be told apart by shadow any more.
    add(memory.shadow[0]!, SHADOW.lostBytes, memory.plane[PLANE.queuedBytes]!);
    memory.plane[PLANE.queuedBytes] = 0;
    for (const counters of memory.shadow) counters[SHADOW.connections] = 0;
    this.#shadow = undefined;
    Atomics.add(memory.control, CONTROL.epoch, 1);
    this.#wakeProduction();
    const cause = error?.message ?? 'no reason given';
    const isLast = ++this.#planeRestarts > PLANE_RESTARTS_MAX;
    this.#options.onTrouble(
      `the shadow plane failed (${cause}); ${isLast ? 'it stays off' : 'it is started anew'}, production goes on`,
    );
    if (!isLast) this.#options.clock.after(PLANE_RESTART_MS, () => this.#restartShadow());
  }

  #restartShadow(): void {
    if (this.#isStopping) return;
    this.#startShadow().catch((error: Error) => this.#shadowEnded(error));
  }

  #wakeProduction(): void {
    for (const { ready } of this.#production) wake(ready.waker);
  }
}
