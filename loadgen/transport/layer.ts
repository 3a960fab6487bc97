// A transport layer that changes nothing: what each real one (WebSocket, echo) has in common.

import { assert } from '#core/assert.ts';
import type { CloseReason, Conn, ConnectOptions, ReactorHandler } from '#core/socket/reactor.ts';
import type { ClientReactor, TransportLayer } from '#loadgen/transport/client-reactor.ts';

export abstract class Layer implements TransportLayer {
  #upper: ReactorHandler | undefined;
  #lower: ClientReactor | undefined;

  setLower(lower: ClientReactor): void {
    this.#lower = lower;
  }

  setUpper(upper: ReactorHandler): void {
    this.#upper = upper;
  }

  protected get upper(): ReactorHandler {
    assert(this.#upper !== undefined, 'layers are linked before they are used');
    return this.#upper;
  }

  protected get lower(): ClientReactor {
    assert(this.#lower !== undefined, 'layers are linked before they are used');
    return this.#lower;
  }

  get capacity(): number {
    return this.lower.capacity;
  }

  get connections(): number {
    return this.lower.connections;
  }

  connect(options: ConnectOptions): Conn {
    return this.lower.connect(options);
  }

  send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    return this.lower.send(conn, bytes, start, end);
  }

  pauseReceive(conn: Conn): void {
    this.lower.pauseReceive(conn);
  }

  resumeReceive(conn: Conn): void {
    this.lower.resumeReceive(conn);
  }

  endOutput(conn: Conn): void {
    this.lower.endOutput(conn);
  }

  close(conn: Conn): void {
    this.lower.close(conn);
  }

  abort(conn: Conn): void {
    this.lower.abort(conn);
  }

  setDeadline(conn: Conn, ms: number): void {
    this.lower.setDeadline(conn, ms);
  }

  stop(): void {
    this.lower.stop();
  }

  onAccept(_conn: Conn, _listener: number): void {
    assert(false, 'a population listens nowhere');
  }

  onConnect(conn: Conn, errno: number): void {
    this.upper.onConnect(conn, errno);
  }

  onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    this.upper.onData(conn, bytes, start, end);
  }

  onEnd(conn: Conn): void {
    this.upper.onEnd(conn);
  }

  onDrain(conn: Conn): void {
    this.upper.onDrain(conn);
  }

  onClose(conn: Conn, reason: CloseReason, errno: number): void {
    this.upper.onClose(conn, reason, errno);
  }

  onDeadline(conn: Conn): void {
    this.upper.onDeadline(conn);
  }

  onWake(): void {
    this.upper.onWake();
  }

  onTurn(nowUs: number): number {
    return this.upper.onTurn(nowUs);
  }
}
