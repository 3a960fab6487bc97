// Real TCP servers and clients for the tests of the tee: an upstream that answers and remembers, shadows
// of every character, and clients that speak a stream which can be computed again anywhere.
//
// A client's stream: 4 bytes of its id (big endian), then bytes that follow from id and position. The
// upstream answers every byte with its complement. So both directions can be checked without keeping them.

import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** What a server saw of one connection. */
export interface SeenStream {
  bytes: number;
  hash: string;
  end: 'fin' | 'reset' | 'open';
}

export interface PeerServer {
  port: number;
  /** By client id; the last connection with that id. Connections without 4 bytes are not here. */
  seen: Map<number, SeenStream>;
  /** Connections taken. */
  accepted: number;
  open: Set<Socket>;
  close(): Promise<void>;
}

/** What a server does with a connection, besides remembering what came. */
export type Character = (socket: Socket, index: number) => void;

const NOTHING: Character = () => {};

/** Answers every byte with its complement, and FIN with FIN. */
export const answering: Character = (socket) => {
  socket.on('data', (bytes: Buffer) => {
    const answer = Buffer.allocUnsafe(bytes.length);
    for (let at = 0; at < bytes.length; at++) answer[at] = bytes[at]! ^ 0xff;
    if (!socket.write(answer)) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
  socket.on('end', () => socket.end());
};

/** Takes the connection and never reads. */
export const mute: Character = (socket) => void socket.pause();

/** Reads, and finishes when the client does. */
export const quiet: Character = (socket) => void socket.on('end', () => socket.end());

/** Answers with much that nobody asked for. */
export const babbling: Character = (socket) => {
  const garbage = Buffer.alloc(16_384, 0xaa);
  const babble = (): void => {
    while (socket.writable && socket.write(garbage)) if (socket.bytesWritten > 3e5) return;
  };
  socket.on('drain', babble);
  socket.on('end', () => socket.end());
  babble();
};

/** Reads `bytes` every 20 ms, no more. */
export const slow =
  (bytes: number): Character =>
  (socket) => {
    socket.pause();
    const timer = setInterval(() => socket.read(Math.min(bytes, socket.readableLength)), 20);
    socket.on('close', () => clearInterval(timer));
    socket.on('end', () => socket.end());
  };

/** Resets connections after some bytes, each after another number of them. */
export const resetting: Character = (socket, index) => {
  const bytesMax = (index * 7919) % 30_000;
  socket.on('data', () => {
    if (socket.bytesRead > bytesMax) socket.resetAndDestroy();
  });
  socket.on('end', () => socket.end());
};

/** Starts a server on loopback; it is closed with the test. */
export async function startServer(
  t: TestContext,
  character: Character = NOTHING,
  port = 0,
): Promise<PeerServer> {
  const peer: PeerServer = {
    port: 0,
    seen: new Map(),
    accepted: 0,
    open: new Set(),
    close: () => closeServer(server, peer),
  };
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    peer.open.add(socket);
    remember(socket, peer);
    character(socket, peer.accepted++);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  peer.port = (server.address() as AddressInfo).port;
  t.after(() => peer.close());
  return peer;
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The stream of a client, and of what the upstream must see: its first `length` bytes. */
export function clientBytes(id: number, start: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++) {
    const position = start + at;
    bytes[at] =
      position < 4
        ? (id >>> (24 - 8 * position)) & 255
        : (id * 31 + position * 7 + (position >> 8)) & 255;
  }
  return bytes;
}

/** Hash of the first `length` bytes of a client's stream, or of the answers to them. */
export function expectedHash(id: number, length: number, isAnswer = false): string {
  const hash = createHash('sha1');
  for (let start = 0; start < length; start += 65_536) {
    const bytes = clientBytes(id, start, Math.min(65_536, length - start));
    if (isAnswer) for (let at = 0; at < bytes.length; at++) bytes[at]! ^= 0xff;
    hash.update(bytes);
  }
  return hash.digest('hex');
}

export interface ClientResult {
  id: number;
  /** Of what came back. */
  bytes: number;
  hash: string;
  error: string | undefined;
}

/** A client that speaks its stream piece by piece and hashes what comes back. */
export class Client {
  readonly id: number;
  readonly socket: Socket;
  /** Bytes said, and heard. */
  sent = 0;
  bytes = 0;
  error: string | undefined;
  /** When the connection is over. */
  readonly closed: Promise<unknown>;
  readonly #hash = createHash('sha1');

  constructor(port: number, id: number) {
    this.id = id;
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    this.socket.on('data', (bytes: Buffer) => {
      this.bytes += bytes.length;
      this.#hash.update(bytes);
    });
  }

  /** Resolves when there is room for more. */
  async say(length: number): Promise<void> {
    const piece = clientBytes(this.id, this.sent, length);
    this.sent += length;
    if (this.socket.write(piece)) return;
    await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.closed]);
  }

  /** Finishes, and reads until the other side has finished too. */
  async finish(): Promise<ClientResult> {
    this.socket.end();
    await this.closed;
    const { id, bytes, error } = this;
    return { id, bytes, error, hash: this.#hash.digest('hex') };
  }
}

/** Says `length` bytes in pieces, then finishes. */
export async function talk(
  port: number,
  id: number,
  length: number,
  pieceBytes = 10_000,
): Promise<ClientResult> {
  const client = new Client(port, id);
  while (client.sent < length && !client.socket.destroyed) {
    await client.say(Math.min(pieceBytes, length - client.sent));
  }
  return await client.finish();
}

/** Waits until `isTrue`, looking often; throws what it waited for when it takes too long. */
export async function until(
  what: string,
  isTrue: () => boolean,
  timeoutMs = 15_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function remember(socket: Socket, peer: PeerServer): void {
  const hash: Hash = createHash('sha1');
  let head = Buffer.alloc(0);
  const seen: SeenStream = { bytes: 0, hash: '', end: 'open' };
  const note = (end: SeenStream['end']): void => {
    seen.end = end;
    seen.hash = hash.copy().digest('hex');
  };
  socket.on('data', (bytes: Buffer) => {
    hash.update(bytes);
    seen.bytes += bytes.length;
    if (head.length >= 4) return;
    head = Buffer.concat([head, bytes]);
    if (head.length >= 4) peer.seen.set(head.readUInt32BE(0), seen);
  });
  socket.on('end', () => note('fin'));
  socket.on('error', () => note('reset'));
  socket.on('close', () => {
    peer.open.delete(socket);
    if (seen.end === 'open') note('reset');
  });
}

async function closeServer(server: Server, peer: PeerServer): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  for (const socket of peer.open) socket.resetAndDestroy();
  await closed;
}
