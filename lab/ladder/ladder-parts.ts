// The command lines of the two parts that each step of a ladder has for itself.

import type { EngineName } from '#core/socket/reactor.ts';
import type { ServerChoice } from '#lab/ladder/choose-engines.ts';
import type { Ladder, SizedStep } from '#lab/ladder/ladder.ts';
import { type PartPlace, part } from '#lab/run/lab-parts.ts';
import type { PartOptions } from '#lab/run/part.ts';
import { DEFAULT_LIMITS } from '#reference-server/limits.ts';

/** The generator is stopped by us; its own end must not come first. */
const LOAD_DURATION_S = 86_400;
/** A step measures connections and messages, and not what people do beside. */
const PLAIN = ['--scenario', 'one-to-one'];
/** The server's own limits have room for an uneven spread over its workers; this is for late goodbyes. */
const ROOM_RATIO = 1.05;
/**
 * Ports of a server whose clients have kernel sockets. A source address and port that was bound costs 128 bytes of the
 * kernel (tcp_bind2_bucket) and a place in a table of 65,536 chains, whatever the number of connections it is used for:
 * one to each port of the server. Clients in user space bind nothing.
 */
const KERNEL_PORTS = 16;

export function ladderPorts(engine: EngineName): number {
  return engine === 'stack' ? 1 : KERNEL_PORTS;
}

export function ladderServer(
  place: PartPlace,
  server: ServerChoice,
  { users, clients }: SizedStep,
  ports: number,
): PartOptions {
  const room = (usual: number, wanted = users): string =>
    String(Math.max(usual, Math.ceil(wanted * ROOM_RATIO)));
  const size = [
    ...['--connections', room(DEFAULT_LIMITS.connectionsMax)],
    ...['--users', room(DEFAULT_LIMITS.usersMax, users * (1 + clients.awayRatio))],
  ];
  const listen = Array.from({ length: ports }, () => ['--port', '0']).flat();
  const { workers, engine, flush, arming, gatherUs } = server;
  const how = [
    ...['--workers', String(workers), '--engine', engine],
    ...['--flush', flush, '--arming', arming, '--gather', String(gatherUs)],
  ];
  return part(place, 'server', ['serve', ...listen, '--lab', ...how, ...size]);
}

/** Logs `count` users in, from number `first` on, and out again: the server then knows them as away. */
export function awayLoad(
  place: PartPlace,
  engine: EngineName,
  target: string,
  { first, count }: { first: number; count: number },
): PartOptions {
  const who = ['--connections', String(count), '--first-user', String(first)];
  const how = ['--sessions', 'kept', '--duration', '1s', '--engine', engine, '--workers', '1'];
  return part(place, 'load', [
    ...['load', ...PLAIN, '--target', target, ...who, ...how],
    ...['--keepalive', '20m', '--memory', 'watched', '--json'],
  ]);
}

export function ladderLoad(
  place: PartPlace,
  { seed, stop }: Ladder,
  { users, clients }: SizedStep,
  engine: EngineName,
  target: string,
): PartOptions {
  const { storm, returnPolicy, spike } = clients.disturbance;
  const args = [
    ['--target', target, '--connections', String(users), '--duration', `${LOAD_DURATION_S}s`],
    ['--rate', `${clients.ratePerS}/s`, '--payload', `${clients.payloadBytes} B`],
    ['--keepalive', `${clients.keepAliveMs / 1000}s`, '--seed', String(seed)],
    ['--engine', engine, '--workers', String(clients.workers)],
    // The guard of the ladder looks at the memory all the time.
    ['--memory', 'watched', '--lateness-max', `${stop.latenessP99MsMax}ms`, '--json'],
    clients.virtualHosts === 0 ? [] : ['--virtual-hosts', String(clients.virtualHosts)],
    clients.rampPerS === 'auto' ? [] : ['--ramp', `${clients.rampPerS}/s`],
    clients.network === '' ? [] : ['--network', clients.network],
    clients.slowReaders === '' ? [] : ['--slow-readers', clients.slowReaders],
    clients.sessions === 'clean' ? [] : ['--sessions', clients.sessions],
    storm === '' ? [] : ['--storm', storm],
    returnPolicy === '' ? [] : ['--return', returnPolicy],
    spike === '' ? [] : ['--spike', spike],
  ];
  return part(place, 'load', ['load', ...PLAIN, ...args.flat()]);
}
