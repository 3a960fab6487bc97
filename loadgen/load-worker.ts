// A worker thread of `wsar load`: builds its part of the population on a reactor of its own and
// serves it until everybody has left. It never waits for messages from the main thread, since it
// may sleep in the kernel: it is told through shared memory and woken through its reactor.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { type Clock, shiftClock } from '#core/clock/clock.ts';
import { createHostClock } from '#core/clock/host-clock.ts';
import { WsarError } from '#core/errors.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import { NetReactor } from '#core/socket/net/net-reactor.ts';
import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';
import { settleOptions } from '#core/socket/reactor-options.ts';
import { StackReactor } from '#core/socket/stack/stack-reactor.ts';
import type { ArrivalPlan } from '#loadgen/arrivals.ts';
import { FlightTable, GroupFlights } from '#loadgen/flight-table.ts';
import { AwayUsers } from '#loadgen/hosts/away-users.ts';
import { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import { createTimings, takeTimings } from '#loadgen/interval-timings.ts';
import { groupPart } from '#loadgen/latency-parts.ts';
import { LiveSettings } from '#loadgen/live-settings.ts';
import { LIVE_PAYLOAD_BYTES_MAX } from '#loadgen/load-knobs.ts';
import { LoginPacer } from '#loadgen/login-pacer.ts';
import { MessageReceiver } from '#loadgen/message-receiver.ts';
import { MessageSender, type MessageSenderParts } from '#loadgen/message-sender.ts';
import { contactOf, regionOfCountry, withPeople } from '#loadgen/people.ts';
import { PlanChanges } from '#loadgen/plan-changes.ts';
import { Population, SPARE_CONNECTIONS } from '#loadgen/population.ts';
import { RunControl } from '#loadgen/run-control.ts';
import { SessionClock } from '#loadgen/session-clock.ts';
import { SlowReaders } from '#loadgen/slow-readers.ts';
import { type ClientReactor, forwardTo, linkLayers } from '#loadgen/transport/client-reactor.ts';
import { TlsLayer } from '#loadgen/transport/tls-layer.ts';
import { UserLoop } from '#loadgen/user-loop.ts';
import { UserPackets } from '#loadgen/user-packets.ts';
import { UserTable } from '#loadgen/user-table.ts';
import { createLayers } from '#loadgen/wire-plan.ts';
import type { WorkerMessage, WorkerPlan } from '#loadgen/worker-plan.ts';

/** Output that may wait on one connection, beside the largest message. */
const OUTPUT_BYTES = 65_536;
/** More than CONNECT and SUBSCRIBE together, and than all of a PUBLISH but its payload. */
const PACKET_HEAD_BYTES = 256;

assert(parentPort !== null, 'a load worker runs in a worker thread');
const port = parentPort;
const tell = (message: WorkerMessage): void => port.postMessage(message);

try {
  await serve(workerData as WorkerPlan);
  tell({ kind: 'ended' });
} catch (error) {
  const known = error instanceof WsarError ? error : undefined;
  tell({
    kind: 'failed',
    code: known?.code,
    message: known?.message ?? (error instanceof Error ? (error.stack ?? '') : String(error)),
    hint: known?.hint ?? '',
  });
}

async function serve(plan: WorkerPlan): Promise<void> {
  let handled: ReactorHandler | undefined;
  const whole = (): ReactorHandler => {
    assert(handled !== undefined, 'the population stands before the reactor runs');
    return handled;
  };
  const clock = shiftClock(createHostClock(), plan.clockOffsetUs);
  const control = new RunControl(plan.control);
  const timings = createTimings(plan.latencyParts.length);
  let tick = control.tick;
  const handler: ReactorHandler = {
    ...forwardTo(whole),
    onTurn(nowUs) {
      const waitUs = whole().onTurn(nowUs);
      if (control.tick !== tick) {
        tick = control.tick;
        tell({ kind: 'timings', tick, timings: takeTimings(timings) });
      }
      return waitUs;
    },
  };
  const reactor = buildReactor(plan, handler);
  const packetBytes = Math.max(plan.payloadBytes, LIVE_PAYLOAD_BYTES_MAX) + PACKET_HEAD_BYTES;
  const tls = tlsLayer(plan, reactor);
  const layers = [
    ...(tls === undefined ? [] : [tls]),
    ...createLayers(plan.wire, reactor.capacity, plan.payloadBytes, packetBytes),
  ];
  const top = (below: ClientReactor): ReactorHandler =>
    populate(plan, below, clock, control, timings);
  handled = linkLayers(layers, top, reactor);
  const stackCounters = reactor instanceof StackReactor ? reactor.counters : undefined;
  tell({ kind: 'started', engine: reactor.engine, waker: reactor.waker, stackCounters });
  try {
    await reactor.run();
  } finally {
    tls?.release();
  }
  tell({ kind: 'timings', tick: Number.POSITIVE_INFINITY, timings: takeTimings(timings) });
}

function buildReactor(plan: WorkerPlan, handler: ReactorHandler): Reactor {
  const options = {
    handler,
    capacity: plan.userCount + SPARE_CONNECTIONS,
    outputBytesMax: OUTPUT_BYTES + plan.payloadBytes,
  };
  const { tls } = plan.wire;
  if (tls !== undefined && plan.engine === 'net')
    return new NetReactor(settleOptions(options), tls);
  const stack = plan.stack === undefined ? {} : { stack: plan.stack };
  const window = plan.route.sources?.window;
  const ports = window === undefined ? {} : { sourcePorts: window };
  return createReactor({ engine: plan.engine, ...stack, ...ports, ...options });
}

/** Engine net that was asked for speaks TLS itself; on the others it is a layer. */
function tlsLayer(
  { wire, engine, board }: WorkerPlan,
  { capacity }: Reactor,
): TlsLayer | undefined {
  return wire.tls === undefined || engine === 'net'
    ? undefined
    : new TlsLayer(wire.tls, capacity, board);
}

function populate(
  plan: WorkerPlan,
  reactor: ClientReactor,
  clock: Clock,
  control: RunControl,
  timings: ReturnType<typeof createTimings>,
): Population {
  const { board, present, route, run } = plan;
  const { seed, people } = plan.plan;
  const arrivals = withPeople(plan.plan);
  const { level } = plan.wire;
  const flights = new FlightTable(plan.flights, plan.isPart);
  const users = new UserTable(plan.firstUser, plan.userCount, reactor.capacity, clock.monoUs());
  const live = new LiveSettings(plan.live);
  const packets = packetsOf(plan, arrivals);
  const schedule = new PlanChanges(plan.schedule);
  const shared = { clock, reactor, users, present, packets, schedule, live, control, board };
  const groupFlights =
    plan.groupFlights === undefined ? undefined : new GroupFlights(plan.groupFlights);
  const ledger = plan.ledger === undefined ? undefined : new GroupLedger(plan.ledger);
  const { sessions, here, durationMs } = plan;
  const away =
    sessions === undefined || here === undefined
      ? undefined
      : new AwayUsers(sessions, seed, here, schedule, durationMs);
  const parts: MessageSenderParts = {
    ...shared,
    ...{ plan: arrivals, flights, groupFlights, ledger, away, timings },
    ...{ hints: people?.hints === true, payloadFactors: plan.payloadFactors },
  };
  let population: Population | undefined;
  const loop = loopOf(plan, parts, () => population!);
  const receiver = new MessageReceiver({
    ...{
      clock,
      reactor,
      users,
      flights,
      groupFlights,
      ledger,
      away,
      timings,
      board,
      run,
      level,
      seed,
    },
    groups: arrivals.groups,
    groupPart: groupPart(plan.latencyParts),
    networks: route.networks,
    receipts: plan.clientReceipts ? packets : undefined,
    waiter: loop,
  });
  population = new Population({
    ...shared,
    route,
    pacer: new LoginPacer(plan.windowMax, plan.rampPerS),
    sender: loop ?? new MessageSender(parts),
    receiver,
    seed,
    level,
    joinsLate: plan.joinsLate,
    storms: plan.storms,
    returnPolicy: plan.returnPolicy,
    slow: new SlowReaders(users, reactor, route.networks, live, seed),
    hasSessions: plan.model.kind === 'partly-open',
    sessions:
      sessions === undefined
        ? undefined
        : new SessionClock(sessions, users, seed, schedule, clock.monoUs()),
    announces: people?.announces === true,
    regionOf: (country) => regionOfCountry(people, arrivals.users, country),
  });
  return population;
}

function packetsOf(plan: WorkerPlan, { groups, users, seed }: ArrivalPlan): UserPackets {
  const ties = {
    groupOf: (user: number): number => groups?.groupOf(user) ?? -1,
    contactOf: (user: number, contact: number): number => contactOf(seed, users, user, contact),
  };
  const options = {
    level: plan.wire.level,
    keepAliveS: Math.ceil(plan.keepAliveMs / 1000),
    isCleanSession: plan.isCleanSession,
    receipts: plan.receipts,
    payloadBytes: plan.payloadBytes,
    run: plan.run,
    uidOffset: plan.uidOffset,
    contacts: plan.plan.people?.contacts ?? 0,
    announces: plan.plan.people?.announces === true,
  };
  return new UserPackets(options, plan.plan.people === undefined ? undefined : ties);
}

/** Users who write in turns; undefined when a plan says who writes. */
function loopOf(
  { model, worker }: WorkerPlan,
  parts: MessageSenderParts,
  population: () => Population,
): UserLoop | undefined {
  if (model.kind === 'open') return undefined;
  const enter = (user: number): void => population().enter(user);
  const leave = (user: number): void => population().leave(user);
  return new UserLoop({ ...parts, model, worker, enter, leave });
}
