// The bus that a lab brings itself: an MQTT broker (aedes) in the lab's process, on loopback, behind a
// random token. Where one machine is not enough, any MQTT broker takes its place (WSAR_BUS_URL).
//
// A subscriber that stops reading is disconnected after `DRAIN_TIMEOUT_MS`: until then the broker holds
// messages back, also for the others, so the time is short.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { WsarError } from '#core/errors.ts';

export interface EmbeddedBus {
  /** mqtt://wsar:token@127.0.0.1:port */
  url: string;
  port: number;
  /** Listens once more, on a free port of the network namespace that the calling thread is in now; its url. */
  listenHereToo(): Promise<string>;
  /** Disconnects everybody and frees the ports. */
  close(): Promise<void>;
}

const USER = 'wsar';
const CONNECTIONS_MAX = 1024;
const DRAIN_TIMEOUT_MS = 2000;
const CONNECT_TIMEOUT_MS = 5000;
const CLIENT_ID_LENGTH_MAX = 256;

/**
 * Starts a broker on 127.0.0.1.
 * @throws WsarError WSAR_ERR_PORT_IN_USE when `port` (default: any free one) is taken.
 */
export async function startEmbeddedBus(options: { port?: number } = {}): Promise<EmbeddedBus> {
  const token = randomBytes(24).toString('hex');
  const broker = await Aedes.createBroker({
    maxClientsIdLength: CLIENT_ID_LENGTH_MAX,
    connectTimeout: CONNECT_TIMEOUT_MS,
    drainTimeout: DRAIN_TIMEOUT_MS,
    authenticate: (_client, username, password, done) => {
      const isRight = username === USER && isToken(password, token);
      // 4 of CONNACK: bad user name or password.
      const refusal = Object.assign(new Error('wrong token'), { returnCode: 4 });
      done(isRight ? null : refusal, isRight);
    },
  });
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const open = async (port: number): Promise<number> => {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => sockets.delete(socket));
      broker.handle(socket);
    });
    server.maxConnections = CONNECTIONS_MAX;
    const opened = await listen(server, port);
    servers.push(server);
    return opened;
  };
  const urlOf = (port: number): string => `mqtt://${USER}:${token}@127.0.0.1:${port}`;
  let port: number;
  try {
    port = await open(options.port ?? 0);
  } catch (error) {
    broker.close();
    throw error;
  }
  return {
    url: urlOf(port),
    port,
    listenHereToo: async () => urlOf(await open(0)),
    async close() {
      if (broker.closed) return;
      const freed = servers.map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      await new Promise<void>((resolve) => broker.close(resolve));
      for (const socket of sockets) socket.destroy();
      await Promise.all(freed);
    },
  };
}

function isToken(given: Readonly<Buffer> | undefined, token: string): boolean {
  const wanted = Buffer.from(token);
  return given?.length === wanted.length && timingSafeEqual(given, wanted);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new WsarError(
          error.code === 'EADDRINUSE' ? 'WSAR_ERR_PORT_IN_USE' : 'WSAR_ERR_SYSTEM',
          `the bus cannot listen on 127.0.0.1:${port}: ${error.message}`,
          'choose another port, or 0 for any free one',
          error,
        ),
      );
    });
    server.listen(port, '127.0.0.1', () => {
      resolve((server.address() as { port: number }).port);
    });
  });
}
