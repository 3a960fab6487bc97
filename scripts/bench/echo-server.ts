// The server side of bench:sockets: an echo server on one reactor.
// usage: echo-server.ts ENGINE CAPACITY; prints "port N" and echoes until its stdin ends.

import { createReactor } from '#core/socket/create-reactor.ts';
import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';

const engine = process.argv[2] as 'ring' | 'epoll' | 'net';
const capacity = Number(process.argv[3]);

class Echo implements ReactorHandler {
  reactor: Reactor | undefined;
  onAccept(): void {}
  onConnect(): void {}
  onData(conn: number, bytes: Uint8Array, start: number, end: number): void {
    this.reactor!.send(conn, bytes, start, end);
  }
  onDrain(): void {}
  onEnd(conn: number): void {
    this.reactor!.close(conn);
  }
  onClose(): void {}
  onDeadline(): void {}
  onWake(): void {}
  onTurn(): number {
    return Number.POSITIVE_INFINITY;
  }
}

const echo = new Echo();
// The thread serves this reactor alone; only the end of stdin would need libuv, and SIGKILL does as well.
const reactor = createReactor({ engine, capacity, handler: echo, ownsThread: engine !== 'net' });
echo.reactor = reactor;
const { port } = reactor.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`port ${port}\n`);
process.stdin.on('end', () => reactor.stop()).resume();
await reactor.run();
