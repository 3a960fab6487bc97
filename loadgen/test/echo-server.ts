// Servers that send back what they get: raw TCP, and WebSocket with a handshake and frames of its own.

import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { putFrameHead, WebSocketFrames } from '#core/wire/websocket/frames.ts';

export interface EchoServer {
  port: number;
  connections: number;
}

/** `pieceBytes`: what comes back is cut into pieces of this many bytes. */
export async function startEchoServer(
  t: TestContext,
  kind: 'tcp' | 'ws' | 'mute',
  pieceBytes = Number.POSITIVE_INFINITY,
): Promise<EchoServer> {
  const open = new Set<Socket>();
  const echo: EchoServer = { port: 0, connections: 0 };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    echo.connections++;
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.on('end', () => socket.end());
    const back = (bytes: Uint8Array): void => {
      const step = Math.min(pieceBytes, bytes.length);
      for (let at = 0; at < bytes.length; at += step) socket.write(bytes.slice(at, at + step));
    };
    if (kind === 'ws') serveWebSocket(socket, back);
    else socket.on('data', (bytes) => kind === 'tcp' && back(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  echo.port = (server.address() as { port: number }).port;
  t.after(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return echo;
}

function serveWebSocket(socket: Socket, back: (bytes: Uint8Array) => void): void {
  const frames = new WebSocketFrames(1, 'client');
  const head = new Uint8Array(16);
  let request = '';
  socket.on('data', (bytes) => {
    if (request.endsWith('\r\n\r\n')) {
      const taken = frames.take(0, bytes, 0, bytes.length, {
        payload(_conn, from, start, end) {
          const length = putFrameHead(head, end - start);
          back(Buffer.concat([head.subarray(0, length), from.subarray(start, end)]));
          return true;
        },
        ping: () => true,
        closing: () => void socket.end(Uint8Array.of(0x88, 2, 3, 0xe8)),
      });
      if (taken !== 0) socket.destroy();
      return;
    }
    request += bytes.toString('latin1');
    if (!request.endsWith('\r\n\r\n')) return;
    const key = /sec-websocket-key: (\S+)/i.exec(request)?.[1] ?? '';
    const accept = createHash('sha1')
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const answer =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`;
    frames.open(0);
    back(Buffer.from(answer));
  });
}
