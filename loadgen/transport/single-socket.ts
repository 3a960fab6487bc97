// One connection on a socket of the main thread, behind the interface of a reactor, so that the probe
// before a load goes through the same layers as the crowd after it, and can tell in words what is wrong.

import { Socket } from 'node:net';
import { assert } from '#core/assert.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import { type TlsConnect, wrapInTls } from '#core/socket/net/tls-connect.ts';
import { CLOSE_REASON, type ReactorHandler } from '#core/socket/reactor.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';

/** The only connection there is. */
const CONN = 0;
/** The number does not matter: what went wrong is told by `failure`. */
const SOME_ERRNO = 5;

export interface SocketPlan {
  address: number;
  port: number;
  /** Source address; undefined = the kernel chooses. */
  from: string | undefined;
  tls: TlsConnect | undefined;
}

export class SingleSocket implements ClientReactor {
  readonly capacity = 1;
  connections = 0;
  /** What the socket itself reported. */
  failure: NodeJS.ErrnoException | undefined;
  readonly #plan: SocketPlan;
  #handler: ReactorHandler | undefined;
  #carrier: Socket | undefined;
  #socket: Socket | undefined;
  #isUp = false;

  constructor(plan: SocketPlan) {
    this.#plan = plan;
  }

  /** Who hears of the connection; before `connect`. */
  handledBy(handler: ReactorHandler): void {
    this.#handler = handler;
  }

  connect(): number {
    const { address, port, from, tls } = this.#plan;
    const carrier = new Socket({ allowHalfOpen: true }).setNoDelay(true);
    const socket = tls === undefined ? carrier : wrapInTls(carrier, tls);
    this.#carrier = carrier;
    this.#socket = socket;
    this.connections = 1;
    const handler = this.#handler;
    assert(handler !== undefined, 'somebody handles the connection');
    socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
      this.#isUp = true;
      handler.onConnect(CONN, 0);
      this.#turn();
    });
    socket.on('data', (bytes: Buffer) => {
      handler.onData(CONN, bytes, 0, bytes.length);
      this.#turn();
    });
    socket.on('end', () => handler.onEnd(CONN));
    socket.on('error', (error) => {
      this.failure ??= error;
    });
    socket.on('close', () => {
      this.connections = 0;
      if (this.#isUp) handler.onClose(CONN, CLOSE_REASON.reset, 0);
      else handler.onConnect(CONN, SOME_ERRNO);
    });
    carrier.connect({
      host: formatIpv4(address),
      port,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    return CONN;
  }

  send(_conn: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.#socket?.write(bytes.slice(start, end));
    return true;
  }

  pauseReceive(): void {
    this.#socket?.pause();
  }

  resumeReceive(): void {
    this.#socket?.resume();
  }

  endOutput(): void {
    this.#socket?.end();
  }

  close(): void {
    this.#socket?.end();
  }

  /** Leaves no TIME_WAIT where the protocol allows. */
  abort(): void {
    const socket = this.#socket;
    // While its FIN is on the way, Node refuses a reset (EINVAL) and then never closes.
    const isShuttingDown = socket?.writableEnded === true && !socket.writableFinished;
    if (socket === this.#carrier && !isShuttingDown) socket?.resetAndDestroy();
    else socket?.destroy();
  }

  setDeadline(): void {} // The probe has a time limit of its own.
  stop(): void {}

  #turn(): void {
    setImmediate(() => {
      if (this.connections > 0) this.#handler?.onTurn(0);
    });
  }
}
