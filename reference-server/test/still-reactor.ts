// A reactor that does nothing and allocates nothing: for tests that count what the server itself uses.

import { REACTOR_STAT_COUNT, type Reactor } from '#core/socket/reactor.ts';
import { WakerEnd } from '#core/socket/waker.ts';

export class StillReactor implements Reactor {
  readonly engine = 'net';
  readonly stats = new Float64Array(new SharedArrayBuffer(REACTOR_STAT_COUNT * 8));
  readonly waker = new WakerEnd('net', -1).waker;
  readonly capacity = 0;
  readonly connections = 0;
  sentBytes = 0;
  /** The last packet's first four bytes, least significant first, and where its packet id stood. */
  lastFirstByte = 0;
  lastPacketId = 0;

  send(_conn: number, bytes: Uint8Array, start: number, end: number): boolean {
    this.sentBytes += end - start;
    this.lastFirstByte = bytes[start]!;
    if (this.lastFirstByte >>> 4 === 3) {
      const topicEnd = start + 4 + bytes[start + 3]!;
      this.lastPacketId = (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
    }
    return true;
  }

  outputBytes(): number {
    return 0;
  }

  listen(): never {
    throw new Error('a still reactor does not listen');
  }

  connect(): number {
    return -1;
  }

  pauseReceive(): void {}
  resumeReceive(): void {}
  endOutput(): void {}
  close(): void {}
  abort(): void {}
  setDeadline(): void {}
  set(): void {}
  setAccepting(): void {}
  async run(): Promise<void> {}
  stop(): void {}
}
