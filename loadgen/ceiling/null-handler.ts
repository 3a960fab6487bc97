// What servers that do nothing have in common: an ended connection is closed, and it is over when it was said so.

import type { CloseReason, Conn, ReactorHandler } from '#core/socket/reactor.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';

export abstract class NullHandler implements ReactorHandler {
  /** The layer below; before it listens. */
  reactor: ClientReactor | undefined;
  readonly #isOver: () => boolean;

  constructor(isOver: () => boolean) {
    this.#isOver = isOver;
  }

  abstract onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void;
  abstract onClose(conn: Conn, reason: CloseReason, errno: number): void;

  onEnd(conn: Conn): void {
    this.reactor?.close(conn);
  }

  onTurn(): number {
    if (this.#isOver()) this.reactor?.stop();
    return Number.POSITIVE_INFINITY;
  }

  onAccept(): void {}
  onConnect(): void {}
  onDrain(): void {}
  onDeadline(): void {}
  onWake(): void {}
}
