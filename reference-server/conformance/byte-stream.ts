// A client's connection as a stream of bytes to read and write, over TCP, TLS or WebSocket. Node's own
// sockets and its own WebSocket: nothing of this project is used, so that both ends cannot share an error.

import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

/** No wait is longer: then the answer is missing. */
export const ANSWER_LIMIT_MS = 2000;

export abstract class ByteStream {
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #onChange: () => void = () => {};

  /** Writes without an answer; what the peer no longer takes is dropped. */
  abstract write(bytes: Uint8Array): void;
  /** Drops the connection. */
  abstract destroy(): void;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Writes each byte by itself, each in a turn of its own. */
  async writeSingly(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isClosed; at++) {
      this.write(bytes.subarray(at, at + 1));
      await turn();
    }
  }

  /** The next `count` bytes; fewer when the connection closed or nothing more came in time. */
  async read(count: number): Promise<Buffer> {
    if (this.#received.length < count && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, ANSWER_LIMIT_MS);
        this.#onChange = () => {
          if (this.#received.length < count && !this.#isClosed) return;
          clearTimeout(limit);
          resolve();
        };
      });
    }
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  protected take(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    this.#onChange();
  }

  protected close(): void {
    this.#isClosed = true;
    this.#onChange();
  }
}

/** Connects to mqtt://, mqtts://, ws:// or wss://. A server's certificate is not judged here. */
export async function openStream(url: string): Promise<ByteStream> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'ws:' || protocol === 'wss:') return await openWebSocket(url);
  const to = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), noDelay: true };
  if (protocol === 'mqtts:') {
    const socket = connectTls({ ...to, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new SocketStream(socket);
  }
  const socket = connectTcp(to);
  await once(socket, 'connect');
  return new SocketStream(socket);
}

class SocketStream extends ByteStream {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (bytes) => this.take(bytes as Buffer));
    // A reset is a close, and so is writing to a peer that is gone.
    socket.on('error', () => {});
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

async function openWebSocket(url: string): Promise<ByteStream> {
  const socket = new WebSocket(url, ['mqtt']);
  socket.binaryType = 'arraybuffer';
  const stream = new WebSocketStream(socket);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`no WebSocket at ${url}`));
  });
  socket.onerror = null;
  return stream;
}

class WebSocketStream extends ByteStream {
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.take(new Uint8Array(data as ArrayBuffer));
    socket.onclose = () => this.close();
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(new Uint8Array(bytes));
  }

  destroy(): void {
    this.#socket.close();
  }
}
