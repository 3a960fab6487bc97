// The client side of bench:sockets, the same for every server: opens N connections on engine ring, then
// either plays ping-pong on all of them for a while, or holds them idle until its stdin ends.
// usage: echo-client.ts PORT CONNECTIONS SECONDS; prints one JSON line when all are open and one at the end.

import { createReactor } from '#core/socket/create-reactor.ts';
import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';

const [port, connections, seconds] = process.argv.slice(2).map(Number) as [number, number, number];
/** Ports of one source address that are used, below the kernel's own range. */
const PORTS_PER_SOURCE = 20_000;
const PORT_FIRST = 10_000;
const CONNECTING_MAX = 256;
const PING = new Uint8Array(32).fill(0x70);

class Client implements ReactorHandler {
  reactor!: Reactor;
  started = 0;
  open = 0;
  readonly #conns = new Int32Array(connections);
  failed = 0;
  echoes = 0;
  #startUs = 0;
  #openUs = 0;

  onAccept(): void {}
  onConnect(conn: number, errno: number): void {
    if (errno === 0) this.#conns[this.open++] = conn;
    else this.failed++;
  }
  onData(conn: number): void {
    this.echoes++;
    this.reactor.send(conn, PING, 0, PING.length);
  }
  onDrain(): void {}
  onEnd(): void {}
  onClose(): void {}
  onDeadline(): void {}
  onWake(): void {}

  onTurn(nowUs: number): number {
    if (this.#startUs === 0) this.#startUs = nowUs;
    if (this.#openUs === 0) return this.#connectSome(nowUs);
    if (seconds === 0) return Number.POSITIVE_INFINITY;
    const leftUs = this.#openUs + seconds * 1e6 - nowUs;
    if (leftUs > 0) return leftUs;
    this.#say({ echoes: this.echoes, seconds: (nowUs - this.#openUs) / 1e6 });
    this.reactor.stop();
    return 0;
  }

  #connectSome(nowUs: number): number {
    while (this.started < connections && this.started - this.open - this.failed < CONNECTING_MAX) {
      this.reactor.connect({
        remoteAddress: 0x7f000001,
        remotePort: port,
        localAddress: 0x7f030001 + Math.floor(this.started / PORTS_PER_SOURCE),
        localPort: PORT_FIRST + (this.started % PORTS_PER_SOURCE),
      });
      this.started++;
    }
    if (this.open + this.failed < connections) return 1000;
    this.#openUs = nowUs;
    this.#say({ open: this.open, failed: this.failed, seconds: (nowUs - this.#startUs) / 1e6 });
    if (seconds === 0) return 0;
    for (const conn of this.#conns.subarray(0, this.open))
      this.reactor.send(conn, PING, 0, PING.length);
    return 0;
  }

  #say(line: Record<string, number>): void {
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

const client = new Client();
client.reactor = createReactor({
  engine: 'ring',
  capacity: connections,
  handler: client,
  ownsThread: false,
});
process.stdin.on('end', () => client.reactor.stop()).resume();
await client.reactor.run();
