// A listening socket of engine net. node:net takes connections from the kernel whether or not the reactor
// has room, so those that came too early stand in a bounded waiting room, unread, in order.

import net, { type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { listenError } from '#core/socket/listen-error.ts';
import { bindHandle } from '#core/socket/net/bound-handle.ts';
import type { ListenOptions } from '#core/socket/reactor.ts';

const BACKLOG_DEFAULT = 4096;

export class NetListener {
  readonly port: number;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  readonly #waitingMax: number;

  /** `onSocket` is told that a socket stands in the waiting room; `onRefused` that one had no place there. */
  constructor(options: ListenOptions, onSocket: () => void, onRefused: () => void) {
    this.#waitingMax = options.backlog ?? BACKLOG_DEFAULT;
    this.#server = net.createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
    });
    this.#server.on('connection', (socket) => {
      if (this.#waiting.length >= this.#waitingMax) {
        socket.on('error', ignoreError);
        socket.resetAndDestroy();
        onRefused();
        return;
      }
      socket.on('error', ignoreError);
      this.#waiting.push(socket);
      onSocket();
    });
    // Also reached when listen() refuses (another listener bound the port first): told below by the address.
    this.#server.on('error', ignoreError);
    this.#server.listen(bindHandle(options), this.#waitingMax);
    const address = this.#server.address();
    if (address === null || typeof address === 'string') {
      throw listenError(options, constants.errno.EADDRINUSE);
    }
    this.port = address.port;
  }

  /** The socket that waits longest, or undefined. */
  take(): Socket | undefined {
    const socket = this.#waiting.shift();
    socket?.off('error', ignoreError);
    return socket;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Stops listening and resets who still waits; resolves when the socket is closed. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#waiting) socket.resetAndDestroy();
    this.#waiting.length = 0;
    await closed;
  }
}

/** A socket in the waiting room has no user yet: its failure shows when it is taken and read. */
function ignoreError(): void {}
