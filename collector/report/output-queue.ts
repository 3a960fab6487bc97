// Between the reports and stdout: a reader that stops (a terminal held by Ctrl-S, a pipe that nobody empties) must
// not hold up the ticks. What stdout does not take waits here, up to a bound; beyond it whole rows are
// dropped and counted, and the loss is said before the next row that finds room.
//
// A pipe and a terminal are opened once more through /proc/self/fd/1, not to block: the flag belongs to the open
// file, so the shell and others that share our stdout are not touched. A file is written at once. Where
// that does not work (a socket) Node's own stream is used, whose buffer is bounded here in the same way.

import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { Clock } from '#core/clock/clock.ts';
import { keepAlive } from '#core/clock/keep-alive.ts';

/** About ten minutes of the narrow table, or 15 s of every metric as JSON. */
const BYTES_MAX = 1024 * 1024;
const RETRY_MS = 50;

/** Takes bytes: how many, 0 when none can be taken now, -1 when nobody will ever read them. */
export interface OutputSink {
  write(bytes: Uint8Array): number;
  close(): void;
}

export interface OutputQueueOptions {
  sink: OutputSink;
  clock: Clock;
  bytesMax?: number;
  /** The reader is gone. */
  onClosed: () => void;
}

export class OutputQueue {
  /** Texts that found no room since the start. */
  dropped = 0;
  readonly #sink: OutputSink;
  readonly #clock: Clock;
  readonly #bytesMax: number;
  readonly #onClosed: () => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #dropsTold = 0;
  #isClosed = false;
  #cancelRetry: (() => void) | undefined;
  #onEmpty: (() => void) | undefined;

  constructor({ sink, clock, bytesMax = BYTES_MAX, onClosed }: OutputQueueOptions) {
    this.#sink = sink;
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#onClosed = onClosed;
  }

  /** Takes a text whole, or drops it whole when too much waits already. Never blocks. */
  write(text: string): void {
    if (this.#isClosed) return;
    const bytes = Buffer.from(text);
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes.length > this.#bytesMax) {
      this.dropped++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#pump();
  }

  /** How many texts were dropped and not told of yet; 0 while there is no room to tell it. */
  takeLoss(): number {
    if (this.#waitingBytes > this.#bytesMax / 2) return 0;
    const loss = this.dropped - this.#dropsTold;
    this.#dropsTold = this.dropped;
    return loss;
  }

  /** Resolves when everything was taken, at the latest after `timeoutMs`; nothing is taken afterwards. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#waitingBytes > 0 && !this.#isClosed) {
      const release = keepAlive();
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(timeoutMs, resolve);
        this.#onEmpty = () => {
          cancel();
          resolve();
        };
      });
      release();
    }
    this.#isClosed = true;
    this.#cancelRetry?.();
    this.#sink.close();
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const bytes = this.#waiting[0]!;
      const taken = this.#sink.write(bytes);
      if (taken < 0) {
        this.#end();
        return;
      }
      this.#waitingBytes -= taken;
      if (taken === bytes.length) this.#waiting.shift();
      else {
        this.#waiting[0] = bytes.subarray(taken);
        this.#cancelRetry ??= this.#clock.after(RETRY_MS, () => {
          this.#cancelRetry = undefined;
          this.#pump();
        });
        return;
      }
    }
    this.#onEmpty?.();
  }

  #end(): void {
    this.#isClosed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#onEmpty?.();
    this.#onClosed();
  }
}

/** The sink of a descriptor; `stream` is what Node has for it, for kinds that cannot be opened again. */
export function openSink(fd: number, stream: NodeJS.WriteStream): OutputSink {
  const kind = fstatSync(fd);
  if (kind.isFile()) return descriptorSink(fd, () => {});
  if (kind.isFIFO() || kind.isCharacterDevice()) {
    try {
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
      const own = openSync(`/proc/self/fd/${fd}`, flags);
      return descriptorSink(own, () => closeSync(own));
    } catch {
      // No /proc, or a terminal of another user: Node's stream then.
    }
  }
  return streamSink(stream);
}

function descriptorSink(fd: number, close: () => void): OutputSink {
  return {
    close,
    write(bytes) {
      try {
        return writeSync(fd, bytes);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return 0;
        if (code === 'EPIPE' || code === 'EIO') return -1;
        throw error;
      }
    },
  };
}

function streamSink(stream: NodeJS.WriteStream): OutputSink {
  return {
    close() {},
    write(bytes) {
      if (stream.writableNeedDrain) return 0;
      stream.write(bytes);
      return bytes.length;
    },
  };
}
