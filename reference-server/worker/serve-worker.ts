// The thread of one worker: its reactor, edge and home. Started by reference-server/server.ts.

import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { Reactor, Waker } from '#core/socket/reactor.ts';
import { pinThread } from '#core/socket/ring/affinity.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import { LoginGate } from '#reference-server/access/login-gate.ts';
import { Edge, sooner } from '#reference-server/edge/edge.ts';
import { Home } from '#reference-server/home/home.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import { HomeRestore } from '#reference-server/snapshot/home-restore.ts';
import { WorkerSnapshots } from '#reference-server/snapshot/worker-snapshots.ts';
import { Places } from '#reference-server/transport/places.ts';
import { Transports } from '#reference-server/transport/transports.ts';
import { applyLimits } from '#reference-server/worker/apply-limits.ts';
import { Exchange } from '#reference-server/worker/exchange.ts';
import { HeapWatch } from '#reference-server/worker/heap-watch.ts';
import { IdleCollector } from '#reference-server/worker/idle-collector.ts';
import { Injectors } from '#reference-server/worker/injectors.ts';
import {
  reactorKnobs,
  WorkerControl,
  type WorkerSettings,
} from '#reference-server/worker/worker-control.ts';
import type {
  FromWorker,
  Restored,
  ToWorker,
  WorkerBirth,
} from '#reference-server/worker/worker-message.ts';
import { type News, readNews } from '#reference-server/worker/worker-news.ts';

assert(parentPort !== null, 'serve-worker runs in a worker thread');
const main = parentPort;
try {
  await work(workerData as WorkerBirth);
} catch (error) {
  if (!(error instanceof WsarError)) throw error;
  tell({ kind: 'failed', code: error.code, message: error.message, hint: error.hint });
}

async function work(birth: WorkerBirth): Promise<void> {
  const { self, limits, stats } = birth;
  // First: what this worker touches from here on lies in the memory of its node.
  if (birth.cpus !== undefined) pinThread(birth.cpus);
  const control = new WorkerControl(birth.control);
  const exchange = new Exchange({ ...birth });
  const { hashSeed, access, interest } = birth;
  const options = { limits, exchange, stats, clock: systemClock, hashSeed, access, interest };
  const home = new Home(options);
  const port = birth.newsPort;
  const snapshots = new WorkerSnapshots({ home, exchange, clock: systemClock, port });
  const heap = new HeapWatch(stats);
  const injectors = new Injectors(stats, systemClock, control.lock, self === exchange.workers - 1);
  const parts = (): Parts => ({ edge, home, exchange, injectors, idle, reactor });
  const edge = new Edge({
    ...options,
    onWake: () => {
      readNews(birth.newsPort, stats, (news) => hear(news, parts(), birth.access, snapshots));
      edge.isMemoryShort = home.memory.isHostShort = control.isMemoryShort;
      obey(self, limits, control, parts());
    },
    onTurn: (nowUs) => {
      injectors.onTurn();
      heap.onTurn(nowUs);
      return sooner(home.endTurn(), idle.onTurn(nowUs));
    },
  });
  const { login } = birth.access;
  const gate =
    login &&
    new LoginGate(edge, {
      rules: login,
      connections: limits.connectionsMax,
      limits,
      stats,
      port: birth.passwordPort,
    });
  const transports = new Transports(gate ?? edge, {
    connections: limits.connectionsMax,
    places: new Places(birth.places, birth.placesMax),
    resets: Number.isFinite(limits.acceptedMax),
    outputBytesMax: limits.outputBytesMax,
    origins: birth.origins,
    stats,
  });
  let fallback: string | undefined;
  const reactor: Reactor = createReactor({
    handler: transports,
    engine: birth.engine,
    onFallback: (reason) => {
      fallback = reason;
    },
    capacity: limits.connectionsMax,
    outputBytesMax: limits.outputBytesMax,
    outputBytesTotalMax: limits.outputBytesTotalMax,
    ...reactorKnobs(control.wished),
  });
  const idle = new IdleCollector(stats, reactor.stats);
  turnParts(parts(), limits, control.wished);
  transports.attach(reactor);
  edge.attach(transports);
  gate?.attach(transports, (conn) => transports.certifiedName(conn));
  exchange.join(edge, home);
  const restored = restore(birth, home, exchange.workers);
  tell({ ...created(home, reactor, fallback), restored });
  exchange.setWakers(await openAsTold(reactor, transports));
  await reactor.run();
  if (birth.snapshotFile !== undefined) await snapshots.handOver();
  birth.newsPort.close();
  heap.close();
  home.publishGauges();
}

/** Listens where the main thread says; resolves with how the other workers are woken when it says run. */
async function openAsTold(reactor: Reactor, transports: Transports): Promise<Waker[]> {
  for (;;) {
    const [order] = (await once(main, 'message')) as [ToWorker];
    if (order.kind === 'run') return order.wakers;
    const { openings, reusePort } = order;
    const ports = openings.map(({ host, port, prelude }) => {
      const listening = reactor.listen({ host, port, reusePort });
      transports.expect(listening.listener, prelude);
      return listening.port;
    });
    tell({ kind: 'listening', ports });
  }
}

/** Gives the home what a server before this one had, if there is a snapshot of it. */
function restore({ self, snapshotFile }: WorkerBirth, home: Home, workers: number): Restored {
  if (snapshotFile === undefined) return { users: 0, messages: 0, dropped: 0 };
  const restore = new HomeRestore(home, systemClock, self, workers).restore(snapshotFile);
  return { users: home.users.count, messages: restore.messages, dropped: restore.dropped };
}

/** What settings and news are of. */
interface Parts {
  edge: Edge;
  home: Home;
  exchange: Exchange;
  injectors: Injectors;
  idle: IdleCollector;
  reactor: Reactor;
}

/** Takes in what the main thread tells. */
function hear(
  news: News,
  { edge, home }: Parts,
  access: AccessRules,
  snapshots: WorkerSnapshots,
): void {
  if (news.kind === 'acl') {
    access.acl = news.acl;
    for (const [at, rules] of access.listeners.entries()) rules.acl = news.listenerAcls[at];
  } else if (news.kind === 'reference') edge.departures.reference = news.reference;
  else if (news.kind === 'capture') snapshots.capture(news.isFirst);
  else if (news.kind === 'release') snapshots.release();
  else if (news.kind === 'system')
    for (const [topic, text] of news.topics) home.broker.publishSystem(topic, text);
}

/** Does what the main thread wishes since the last look. */
function obey(self: number, limits: ServerLimits, control: WorkerControl, parts: Parts): void {
  if (control.isStopping) {
    parts.reactor.stop();
    return;
  }
  const { version, wished } = control;
  if (control.obeyedVersion(self) === version) return;
  parts.reactor.set(reactorKnobs(wished));
  turnParts(parts, limits, wished);
  control.obeyed(self, wished, version);
}

/** All settings but those of the reactor. */
function turnParts(
  { edge, home, exchange, injectors, idle }: Parts,
  limits: ServerLimits,
  wished: WorkerSettings,
): void {
  const { mailboxes } = home;
  applyLimits(wished, limits, home);
  injectors.set(wished);
  idle.set(wished);
  edge.departures.set(wished, exchange.self, exchange.workers);
  exchange.wakeBytes = wished.linkWakeBytes;
  exchange.holdUs = wished.linkHoldUs;
  mailboxes.hasStatistics = wished.statistics === 'on';
  mailboxes.slow.thresholdMs = wished.slowMs;
  home.injectedUs = wished.injectedUs;
}

/** What the main thread reads of this worker from now on. */
function created(
  home: Home,
  reactor: Reactor,
  fallback: string | undefined,
): Omit<Extract<FromWorker, { kind: 'created' }>, 'restored'> {
  const { engine, waker, stats: reactorStats } = reactor;
  const { boxes, slow } = home.mailboxes;
  return {
    kind: 'created',
    engine,
    fallback,
    waker,
    reactorStats,
    mailboxFlow: boxes.flow,
    userFlags: home.userFlags,
    slowCells: slow.cells,
  };
}

function tell(message: FromWorker): void {
  main.postMessage(message);
}
