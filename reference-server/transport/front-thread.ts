// The thread of the front: takes connections over TLS, on Unix sockets and from listed proxies, and hands
// each on to an inner listener of a reactor: a secret, a PROXY header with what TLS found out about the
// client, then bytes both ways.
//
// Bounds: as many connections as the server has; at most `HANDSHAKES_MAX` TLS handshakes at a time and
// `HANDSHAKES_PER_S` a second (a handshake is about 1 ms of this thread), each over within the time for
// logins. What is refused is counted. Between the two ends stands what a pipe holds: 2 x 16 KiB.
// Cost: about 50 KB a TLS connection, and two more sockets in the kernel: for a few thousand clients; for
// millions put a proxy in front (`--proxy-port`).

import { once } from 'node:events';
import { chmodSync, statSync, unlinkSync } from 'node:fs';
import { BlockList, connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { createSecureContext, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '#core/assert.ts';
import { systemClock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { listenError, unixListenError } from '#core/socket/listen-error.ts';
import {
  FRONT_REFUSED,
  type FromFront,
  type FrontPlan,
} from '#reference-server/transport/front.ts';
import type { ListenerPlan } from '#reference-server/transport/listener.ts';
import { writeProxyHeader } from '#reference-server/transport/proxy-header.ts';

const HANDSHAKES_MAX = 1000;
const HANDSHAKES_PER_S = 1000;

assert(parentPort !== null, 'the front runs in a thread');
const main = parentPort;
const { plan, figures } = workerData as { plan: FrontPlan; figures: Int32Array };
const sockets = new Set<Socket>();
const proxies = blockListOf(plan.proxyFrom);
let handshakes = 0;
let handshakesLeft = HANDSHAKES_PER_S;
let refilledUs = systemClock.monoUs();

try {
  const servers: Server[] = [];
  for (const [index, listener] of plan.listeners.entries()) {
    servers.push(await open(listener, plan.innerPorts[index]!));
  }
  const ports = servers.map((server) => {
    const address = server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  });
  tell({ kind: 'listening', ports });
  main.once('message', () => {
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
    main.close();
  });
} catch (error) {
  if (!(error instanceof WsarError)) throw error;
  tell({ kind: 'failed', code: error.code, message: error.message, hint: error.hint });
}

async function open(listener: ListenerPlan, innerPort: number): Promise<Server> {
  const { host, port, path } = listener;
  const take = listener.carrier === 'tls' ? tlsTaker(innerPort) : plainTaker(listener, innerPort);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on('error', () => {});
    if (sockets.size >= plan.connectionsMax) {
      refuse(client);
      return;
    }
    sockets.add(client);
    client.once('close', () => sockets.delete(client));
    take(client);
  });
  try {
    if (path !== undefined) await removeStale(path);
    server.listen(path === undefined ? { host, port } : { path });
    await once(server, 'listening');
  } catch (error) {
    const errno = Math.abs((error as NodeJS.ErrnoException).errno ?? 0);
    throw path === undefined ? listenError({ host, port }, errno) : unixListenError(path, errno);
  }
  // Whoever may write to the file may connect: this user.
  if (path !== undefined) chmodSync(path, 0o600);
  return server;
}

/** Unix sockets and proxies. */
function plainTaker(
  { proxied, carrier }: ListenerPlan,
  innerPort: number,
): (client: Socket) => void {
  return (client) => {
    if (proxied && carrier === 'tcp' && !isFromProxy(client)) refuse(client);
    // A proxy's own header follows by itself.
    else handOn(client, innerPort, proxied ? Buffer.alloc(0) : writeProxyHeader());
  };
}

function tlsTaker(innerPort: number): (client: Socket) => void {
  const { certificates, clientCa } = plan.tls!;
  const ca = clientCa === undefined ? {} : { ca: clientCa };
  const server = createTlsServer({
    ...certificates[0],
    ...ca,
    requestCert: clientCa !== undefined,
    rejectUnauthorized: clientCa !== undefined,
    minVersion: 'TLSv1.2',
    handshakeTimeout: plan.handshakeTimeoutMs,
    allowHalfOpen: true,
  });
  for (const { cert, key, hosts } of certificates) {
    const context = createSecureContext({ cert, key, ...ca, minVersion: 'TLSv1.2' });
    for (const name of hosts) server.addContext(name, context);
  }
  server.on('tlsClientError', (_, client) => {
    handshakes--;
    // Of a handshake that takes too long only this event tells: the connection would stay.
    refuse(client);
  });
  server.on('secureConnection', (client: TLSSocket) => {
    handshakes--;
    client.on('error', () => {});
    // A subject with several common names names nobody.
    const name: unknown =
      clientCa === undefined ? undefined : client.getPeerCertificate().subject.CN;
    const commonName = typeof name === 'string' ? name : undefined;
    handOn(client, innerPort, writeProxyHeader({ commonName }));
  });
  return (client) => {
    if (mayShakeHands()) server.emit('connection', client);
    else refuse(client);
  };
}

/** Whether one more handshake may begin now; it is over with success or with an error of the TLS server. */
function mayShakeHands(): boolean {
  const nowUs = systemClock.monoUs();
  const refill = ((nowUs - refilledUs) / 1e6) * HANDSHAKES_PER_S;
  handshakesLeft = Math.min(HANDSHAKES_PER_S, handshakesLeft + refill);
  refilledUs = nowUs;
  if (handshakes >= HANDSHAKES_MAX || handshakesLeft < 1) return false;
  handshakesLeft--;
  handshakes++;
  return true;
}

function handOn(client: Socket, port: number, header: Buffer): void {
  const inner = connect({ host: plan.innerHost, port, noDelay: true, allowHalfOpen: true });
  inner.write(Buffer.concat([plan.secret, header]));
  // When one side fails the other is dropped; an end is handed on as an end.
  const drop = (error: unknown): void => {
    if (error === null || error === undefined) return;
    client.destroy();
    inner.destroy();
  };
  pipeline(client, inner, drop);
  pipeline(inner, client, drop);
}

function isFromProxy({ remoteAddress }: Socket): boolean {
  if (remoteAddress === undefined) return false;
  const address = remoteAddress.replace(/^::ffff:/, '');
  return proxies.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function blockListOf(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of addresses) {
    const [address, bits] = text.split('/') as [string, string?];
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** Removes a socket file that a killed server left; one that answers, and what is no socket, stays. */
async function removeStale(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const probe = connect({ path });
  const isAlive = await once(probe, 'connect').then(
    () => true,
    () => false,
  );
  probe.destroy();
  if (!isAlive) unlinkSync(path);
}

function refuse(socket: Socket): void {
  socket.destroy();
  count();
}

function count(): void {
  Atomics.add(figures, FRONT_REFUSED, 1);
}

function tell(message: FromFront): void {
  main.postMessage(message);
}
