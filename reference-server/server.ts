// The server as the main thread sees it: starts one worker thread for each reactor, hands them their
// shares of the limits and the links between them, reads their figures, turns their settings and stops
// them. The main thread itself touches no connection.
//
// All workers listen on the same port (SO_REUSEPORT) and the kernel spreads connections over them. With
// that option a second server on the same port would not be refused, so a taken port is looked for
// before the workers listen.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { listenError } from '#core/socket/listen-error.ts';
import type { EngineName, Waker } from '#core/socket/reactor.ts';
import { threadCpus } from '#core/socket/ring/affinity.ts';
import { wake } from '#core/socket/waker.ts';
import type { Access } from '#reference-server/access/access-options.ts';
import type { AclRules } from '#reference-server/access/acl.ts';
import { PasswordService } from '#reference-server/access/password-service.ts';
import { createInterest } from '#reference-server/broker/peers.ts';
import { type ServerLimits, workerLimits } from '#reference-server/limits.ts';
import { createLinkMemory } from '#reference-server/link/link-ring.ts';
import { MemoryGuard } from '#reference-server/memory/memory-guard.ts';
import { SaveFigures } from '#reference-server/snapshot/save-figures.ts';
import {
  checkSnapshotFile,
  type SavedSnapshot,
  SnapshotDesk,
  type SnapshotOptions,
} from '#reference-server/snapshot/snapshot-desk.ts';
import { createWorkerStats, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { readTopology } from '#reference-server/topology/host-topology.ts';
import { planPlaces, type WorkerPlace } from '#reference-server/topology/worker-places.ts';
import type { Front } from '#reference-server/transport/front.ts';
import type { ListenerPlan, Opening } from '#reference-server/transport/listener.ts';
import { openListeners } from '#reference-server/transport/open-listeners.ts';
import { Places } from '#reference-server/transport/places.ts';
import type { TlsMaterial } from '#reference-server/transport/tls-material.ts';
import { settingsOf } from '#reference-server/worker/apply-limits.ts';
import { WorkerControl, type WorkerSettings } from '#reference-server/worker/worker-control.ts';
import type {
  FromWorker,
  Restored,
  ToWorker,
  WorkerBirth,
} from '#reference-server/worker/worker-message.ts';
import { type News, NewsDesk } from '#reference-server/worker/worker-news.ts';

const MIB = 1024 * 1024;
/** Words of each link's ring: 1 MiB. */
const LINK_WORDS = 256 * 1024;

export interface ServerOptions {
  /** Where it listens; the first one is what `port` tells. */
  listeners: ListenerPlan[];
  /** What TLS listeners show; undefined when there are none. */
  tls: TlsMaterial | undefined;
  /** From where PROXY headers are believed. */
  proxyFrom: readonly string[];
  /** Pages that browsers may come from. */
  origins: readonly string[];
  workers: number;
  engine: EngineName | 'auto';
  limits: ServerLimits;
  settings: WorkerSettings;
  /** Port of /metrics on loopback; undefined = none. */
  metricsPort?: number | undefined;
  /** First value of knob drain.reference. */
  reference?: string | undefined;
  /** Room for the young garbage of each worker, MiB; undefined = V8's own way. */
  youngMib?: number | undefined;
  /** Whether workers are bound to CPUs; 'auto': on hosts with several NUMA nodes. Default 'auto'. */
  pin?: 'auto' | 'on' | 'off';
  access: Access;
  /** Where sessions and messages outlive the server; undefined = nowhere. */
  snapshot?: SnapshotOptions | undefined;
}

/** What the main thread can read of one worker, live. */
export interface WorkerFigures {
  stats: WorkerStats;
  reactorStats: Float64Array<SharedArrayBuffer>;
  mailboxFlow: Uint32Array<SharedArrayBuffer>;
  userFlags: Uint16Array<SharedArrayBuffer>;
  slowCells: Float64Array<SharedArrayBuffer>;
}

type Created = Extract<FromWorker, { kind: 'created' }>;

interface Crew {
  thread: Worker;
  news: NewsDesk;
  stats: WorkerStats;
  exited: Promise<void>;
}

export class Server {
  /** Port of each listener, in the order of the options; 0 of a Unix socket. */
  readonly ports: readonly number[];
  /** What the workers run on, and why not on ring where 'auto' was asked for. */
  readonly engine: EngineName;
  readonly fallback: string | undefined;
  readonly figures: WorkerFigures[];
  /** Of the whole server. */
  readonly limits: ServerLimits;
  /** What became of snapshots, of this server and the one before it. */
  readonly saves: SaveFigures;
  /** Rejects when a worker dies without being asked to. */
  readonly failed: Promise<never>;
  readonly #front: Front | undefined;
  readonly #passwords: PasswordService | undefined;
  readonly #crew: Crew[];
  readonly #control: WorkerControl;
  readonly #wakers: Waker[];
  readonly #snapshots: SnapshotDesk | undefined;
  #reference = '';
  readonly #guard: MemoryGuard;
  readonly #places: Places;

  private constructor(
    ports: readonly number[],
    front: Front | undefined,
    passwords: PasswordService | undefined,
    crew: Crew[],
    created: Created[],
    control: WorkerControl,
    options: ServerOptions,
    places: SharedArrayBuffer,
  ) {
    const { limits, snapshot } = options;
    this.#places = new Places(places, placesOf(limits));
    this.ports = ports;
    this.limits = limits;
    this.#front = front;
    this.#passwords = passwords;
    this.#crew = crew;
    this.#control = control;
    this.#wakers = created.map(({ waker }) => waker);
    const sum = (of: keyof Restored): number =>
      created.reduce((total, { restored }) => total + restored[of], 0);
    const [users, messages, dropped] = [sum('users'), sum('messages'), sum('dropped')];
    this.saves = new SaveFigures(systemClock, { users, messages, dropped });
    this.#snapshots =
      snapshot &&
      new SnapshotDesk({
        file: snapshot.file,
        clock: systemClock,
        news: crew.map(({ news }) => news),
        wakeAll: () => this.#wakeAll(),
        figures: this.saves,
      });
    this.#guard = new MemoryGuard({
      clock: systemClock,
      bounds: () => {
        const { memoryReserveMib, memoryResidentMib } = this.settings;
        return { reserveBytes: memoryReserveMib * MIB, residentBytes: memoryResidentMib * MIB };
      },
      tell: (isShort) => {
        control.isMemoryShort = isShort;
        this.#wakeAll();
      },
    });
    // Memory that an ordinary user may lock runs out with the later workers: then some are on net.
    const slowest = created.find(({ engine }) => engine === 'net') ?? created[0]!;
    this.engine = slowest.engine;
    this.fallback = slowest.fallback;
    this.figures = created.map((worker, index) => ({ stats: crew[index]!.stats, ...worker }));
    this.failed = Promise.race([
      ...(front === undefined ? [] : [front.failed]),
      ...crew.map(async ({ exited }, index) => {
        await exited;
        if (this.#control.isStopping) return await new Promise<never>(() => {});
        throw new Error(`worker ${index} ended by itself`);
      }),
    ]);
    this.failed.catch(() => {});
  }

  /** Starts the workers and listens. Throws WSAR_ERR_PORT_IN_USE, WSAR_ERR_ENGINE, WSAR_ERR_SYSTEM. */
  static async start(options: ServerOptions): Promise<Server> {
    const { workers, listeners, snapshot } = options;
    if (snapshot !== undefined) checkSnapshotFile(snapshot.file);
    for (const { carrier, host, port } of listeners) {
      if (carrier === 'tcp' && workers > 1 && port !== 0) await assertPortFree(host, port);
    }
    const control = WorkerControl.create(workers, {
      ...options.settings,
      ...settingsOf(options.limits),
    });
    const { passwords } = options.access;
    const service = passwords && new PasswordService(passwords);
    setYoungRoom(options.youngMib);
    const places = Places.memory();
    const crew = startCrew(options, control, service, places);
    try {
      const created = await Promise.all(crew.map((member) => hear(member, 'created')));
      setYoungRoom(undefined);
      const { ports, front } = await openListeners(options, (openings) =>
        listenWith(crew, openings),
      );
      const wakers = created.map(({ waker }) => waker);
      service?.serve(wakers);
      for (const member of crew) order(member, { kind: 'run', wakers });
      const server = new Server(ports, front, service, crew, created, control, options, places);
      if (options.reference !== undefined) server.reference = options.reference;
      return server;
    } catch (error) {
      control.stop();
      await Promise.all(crew.map(({ thread }) => thread.terminate()));
      throw error;
    }
  }

  get workers(): number {
    return this.#crew.length;
  }

  /** What worker 0 does now; `change` resolves only when all do the same. */
  get settings(): WorkerSettings {
    return this.#control.actual(0);
  }

  async change(settings: Partial<WorkerSettings>): Promise<void> {
    await this.#control.change(settings, () => this.#wakeAll());
    // What follows from new bounds holds everywhere when this resolves.
    if (this.#guard.look()) await this.#control.change({}, () => this.#wakeAll());
  }

  /** What the host has left, bytes (NaN = not known), and whether it is too little. */
  get memory(): { freeBytes: number; isShort: boolean } {
    const { readings, isShort } = this.#guard;
    return { freeBytes: readings.freeBytes ?? Number.NaN, isShort };
  }

  /** Whether every worker has read what it was told before. */
  get canTellSystem(): boolean {
    return this.#crew.every(({ news }) => news.isUpToDate);
  }

  /** Topics under $SYS/ and their new texts, an empty one for a topic that is no more. */
  tellSystem(topics: [string, string][]): void {
    this.#tell({ kind: 'system', topics });
  }

  /** The file of topics was read again: it holds for what is published and delivered from now on. */
  tellAcl(acl: AclRules | undefined, listenerAcls: (AclRules | undefined)[]): void {
    this.#tell({ kind: 'acl', acl, listenerAcls });
  }

  /** Where users are told to go; '' = nowhere. */
  get reference(): string {
    return this.#reference;
  }

  set reference(reference: string) {
    this.#reference = reference;
    this.#tell({ kind: 'reference', reference });
  }

  #tell(news: News): void {
    for (const crew of this.#crew) crew.news.tell(news);
    this.#wakeAll();
  }

  /** Writes a snapshot while the server runs. Throws WSAR_ERR_SYSTEM, WSAR_ERR_LIMIT. */
  async save(): Promise<SavedSnapshot> {
    assert(this.#snapshots !== undefined, 'a server that saves has a file to save to');
    return await this.#snapshots.save();
  }

  /**
   * Closes every connection, writes the last snapshot, if there is to be one, and ends the workers. Their figures
   * stay readable. Throws WSAR_ERR_SYSTEM, WSAR_ERR_LIMIT when it could not be written: then the older one stays.
   */
  async stop(): Promise<SavedSnapshot | undefined> {
    this.#guard.close();
    await this.#front?.stop();
    this.#passwords?.close();
    await this.#snapshots?.idle();
    this.#control.stop();
    this.#wakeAll();
    try {
      // One that died has been reported by `failed`; what the others have is no whole snapshot.
      return await this.#snapshots?.saveLast();
    } finally {
      await Promise.allSettled(this.#crew.map(({ exited }) => exited));
      for (const { news } of this.#crew) news.close();
    }
  }

  /** Open connections; not those that wait for a place. */
  get connections(): number {
    return this.#places.taken;
  }

  /** Connections that the front refused. */
  get frontRefused(): number {
    return this.#front?.refused ?? 0;
  }

  #wakeAll(): void {
    for (const waker of this.#wakers) wake(waker);
  }
}

/** Of the heaps of threads that start from now on, MiB; undefined = as V8 likes. */
function setYoungRoom(mib: number | undefined): void {
  setFlagsFromString(`--min-semi-space-size=${mib ?? 0}`);
  setFlagsFromString(`--max-semi-space-size=${mib ?? 0}`);
}

/** Lets every worker listen at these addresses; resolves with their ports. */
async function listenWith(crew: Crew[], wishes: Opening[]): Promise<number[]> {
  let openings = wishes;
  for (const member of crew) {
    order(member, { kind: 'listen', openings, reusePort: crew.length > 1 });
    const { ports } = await hear(member, 'listening');
    openings = openings.map((one, at) => ({ ...one, port: ports[at]! }));
  }
  return openings.map(({ port }) => port);
}

function startCrew(
  options: ServerOptions,
  control: WorkerControl,
  service: PasswordService | undefined,
  placesMemory: SharedArrayBuffer,
): Crew[] {
  const { workers, engine } = options;
  const links = Array.from({ length: workers }, (_, from) =>
    Array.from({ length: workers }, (_, to) =>
      from === to ? undefined : createLinkMemory(LINK_WORDS),
    ),
  );
  const hashSeed = randomInt(0x1_0000_0000);
  const places = workerPlaces(options);
  const interest = createInterest(workers);
  const limits = workerLimits(options.limits, workers);
  const placesMax = placesOf(options.limits);
  return Array.from({ length: workers }, (_, self) => {
    const stats = createWorkerStats();
    const passwordPort = service?.addWorker();
    const news = new NewsDesk(stats);
    const newsPort = news.workerPort;
    const birth: WorkerBirth = {
      self,
      engine,
      limits,
      places: placesMemory,
      placesMax,
      hashSeed,
      cpus: places[self]?.cpus,
      control: control.memory,
      stats,
      access: options.access.rules,
      interest,
      passwordPort,
      newsPort,
      snapshotFile: options.snapshot?.file,
      origins: options.origins,
      outgoing: links[self]!,
      incoming: links.map((row) => row[self]),
    };
    const url = new URL('./worker/serve-worker.ts', import.meta.url);
    const thread = new Worker(url, {
      workerData: birth,
      transferList: passwordPort === undefined ? [newsPort] : [newsPort, passwordPort],
      name: `serve-${self}`,
    });
    const exited = once(thread, 'exit').then(() => {});
    exited.catch(() => {});
    return { thread, news, stats, exited };
  });
}

/** Connections that have a place in all. */
function placesOf({ connectionsMax, acceptedMax }: ServerLimits): number {
  return Math.min(connectionsMax, acceptedMax);
}

/** Where the workers are bound to, if they are. */
function workerPlaces({ pin = 'auto', workers }: ServerOptions): WorkerPlace[] {
  if (pin === 'off') return [];
  const topology = readTopology();
  if (pin === 'auto' && topology.nodes.length < 2) return [];
  return planPlaces(topology, workers, threadCpus()).places;
}

function order({ thread }: Crew, message: ToWorker): void {
  thread.postMessage(message);
}

/** The worker's next message, which is of this kind; what it failed of is thrown. */
async function hear<K extends FromWorker['kind']>(
  { thread }: Crew,
  kind: K,
): Promise<Extract<FromWorker, { kind: K }>> {
  const [message] = (await once(thread, 'message')) as [FromWorker];
  if (message.kind === 'failed') throw new WsarError(message.code, message.message, message.hint);
  assert(message.kind === kind, `a worker says '${kind}' now`);
  return message as Extract<FromWorker, { kind: K }>;
}

/** Listens and closes again: with SO_REUSEPORT the workers would not be told. */
async function assertPortFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    probe.listen({ host, port, exclusive: true });
    await once(probe, 'listening');
  } catch (error) {
    throw listenError({ host, port }, Math.abs((error as NodeJS.ErrnoException).errno ?? 0));
  }
  probe.close();
  await once(probe, 'close');
}
