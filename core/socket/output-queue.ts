// The way out of an engine that keeps output in a slab: bounded per connection and in total, in order, handed on
// at the end of a turn or at once, and telling when a refused sender may go on. How bytes reach the kernel is
// the engine's own.

import { type ConnectionNumbers, LIFE } from '#core/socket/connection-numbers.ts';
import { type Conn, REACTOR_STAT as STAT } from '#core/socket/reactor.ts';
import type { ReactorSettings } from '#core/socket/reactor-options.ts';
import type { Libc } from '#core/socket/ring/libc.ts';
import { OutputSlab } from '#core/socket/ring/output-slab.ts';

/** One send gathers at most this many chunks. */
export const VECTORS_MAX = 64;
/** Output of one connection that waits for no company (`flushDelayUs`). */
export const FLUSH_BYTES = 16 * 1024;
const CANNOT_SEND = LIFE.closing | LIFE.releasing | LIFE.outputEnded;

export abstract class OutputQueue {
  protected readonly settings: ReactorSettings;
  protected readonly stats: Float64Array;
  protected readonly slab: OutputSlab;
  readonly #table: ConnectionNumbers;
  /** Flags of a connection whose output must wait for something of its own. */
  readonly #waitFlags: number;
  #firstToFlush = 0;
  #lastToFlush = 0;
  /** End of the turn that listed the first of those, us; 0 = that turn goes on, or none is listed. */
  #listedUs = 0;
  /** One of those has enough to leave. */
  #isFull = false;
  /** Refused by the bound of the whole reactor while their own output was empty. */
  #starved: Conn[] = [];

  constructor(
    libc: Libc,
    settings: ReactorSettings,
    table: ConnectionNumbers,
    stats: Float64Array,
    waitFlags: number,
  ) {
    this.settings = settings;
    this.stats = stats;
    this.slab = new OutputSlab(libc, settings.capacity, settings.outputBytesTotalMax);
    this.#table = table;
    this.#waitFlags = waitFlags;
  }

  /** Hands output to the kernel; the connection is open, has some, and waits for nothing. */
  protected abstract send(conn: Conn): void;

  /** The same, so that it leaves now. */
  protected abstract sendNow(conn: Conn): void;

  /** Bytes queued or in flight. */
  bytes(conn: Conn): number {
    return this.slab.bytesOf(conn);
  }

  /** Queues a copy; false when a bound refuses it. The connection is open or connecting. */
  queue(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    if ((this.#table.flags[conn]! & CANNOT_SEND) !== 0) return false;
    const count = end - start;
    const { stats } = this;
    const fits =
      this.slab.bytesOf(conn) + count <= this.settings.outputBytesMax &&
      stats[STAT.outputBytes]! + count <= this.settings.outputBytesTotalMax &&
      this.slab.append(conn, bytes, start, end);
    if (!fits) {
      this.#refuse(conn);
      return false;
    }
    stats[STAT.outputBytes]! += count;
    this.schedule(conn);
    const isListed = (this.#table.flags[conn]! & LIFE.listedToFlush) !== 0;
    if (isListed && this.slab.bytesOf(conn) >= FLUSH_BYTES) this.#isFull = true;
    return true;
  }

  /** Sends now or at the end of the turn, unless it must wait or there is nothing to send. */
  schedule(conn: Conn): void {
    const { flags, nextToFlush } = this.#table;
    const now = flags[conn]!;
    const waits = (now & (this.#waitFlags | LIFE.listedToFlush)) !== 0;
    if (waits || (now & LIFE.open) === 0 || this.slab.bytesOf(conn) === 0) return;
    if (this.settings.flush === 'immediate') {
      this.sendNow(conn);
      return;
    }
    flags[conn] = now | LIFE.listedToFlush;
    nextToFlush[conn] = 0;
    if (this.#lastToFlush === 0) this.#firstToFlush = conn + 1;
    else nextToFlush[this.#lastToFlush - 1] = conn + 1;
    this.#lastToFlush = conn + 1;
  }

  /**
   * End of a turn: sends for everyone who has output, when its delay is over or `isLast`; `onReleased` is called for
   * those that are being released. Returns us until it has to be called again, Infinity when nothing waits.
   */
  flush(nowUs: number, isLast: boolean, onReleased: (conn: Conn) => void): number {
    if (this.#firstToFlush === 0) return Number.POSITIVE_INFINITY;
    const { flush, flushDelayUs } = this.settings;
    if (flushDelayUs > 0 && flush === 'turn' && !isLast && !this.#isFull) {
      if (this.#listedUs === 0) this.#listedUs = nowUs;
      const restUs = this.#listedUs + flushDelayUs - nowUs;
      if (restUs > 0) return restUs;
    }
    this.#listedUs = 0;
    this.#isFull = false;
    this.#sendListed(onReleased);
    return Number.POSITIVE_INFINITY;
  }

  #sendListed(onReleased: (conn: Conn) => void): void {
    const { flags, nextToFlush } = this.#table;
    let listed = this.#firstToFlush;
    this.#firstToFlush = 0;
    this.#lastToFlush = 0;
    while (listed !== 0) {
      const conn = listed - 1;
      listed = nextToFlush[conn]!;
      flags[conn]! &= ~LIFE.listedToFlush;
      if ((flags[conn]! & LIFE.releasing) !== 0) onReleased(conn);
      else if ((flags[conn]! & this.#waitFlags) === 0) this.send(conn);
    }
  }

  /** `count` bytes have left. */
  sent(conn: Conn, count: number): void {
    this.slab.consume(conn, count);
    this.stats[STAT.txBytes]! += count;
    this.stats[STAT.outputBytes]! -= count;
  }

  /** Forgets what is queued; nothing of it may be in flight. */
  drop(conn: Conn): void {
    this.stats[STAT.outputBytes]! -= this.slab.drop(conn);
  }

  /** True once when a refused sender has to be told that its output is empty now. */
  takeDrain(conn: Conn): boolean {
    const { flags } = this.#table;
    if ((flags[conn]! & LIFE.owesDrain) === 0 || this.slab.bytesOf(conn) !== 0) return false;
    flags[conn]! &= ~LIFE.owesDrain;
    return (flags[conn]! & CANNOT_SEND) === 0;
  }

  /** Calls `each` for those whom only the bound of the reactor held up, while one full output fits again. */
  feedStarved(each: (conn: Conn) => void): void {
    if (this.#starved.length === 0) return;
    let fed = 0;
    while (fed < this.#starved.length && this.#hasTotalRoom()) {
      const conn = this.#starved[fed++]!;
      this.#table.flags[conn]! &= ~LIFE.listedStarved;
      each(conn);
    }
    this.#starved = this.#starved.slice(fed);
  }

  /** Takes those that are being released off the list of starved ones. */
  releaseStarved(onReleased: (conn: Conn) => void): void {
    if (this.#starved.length === 0) return;
    this.#starved = this.#starved.filter((conn) => {
      if ((this.#table.flags[conn]! & LIFE.releasing) === 0) return true;
      this.#table.flags[conn]! &= ~LIFE.listedStarved;
      onReleased(conn);
      return false;
    });
  }

  close(): void {
    this.slab.close();
  }

  #refuse(conn: Conn): void {
    const { flags } = this.#table;
    this.stats[STAT.sendRefused]!++;
    flags[conn]! |= LIFE.owesDrain;
    if (this.slab.bytesOf(conn) !== 0 || (flags[conn]! & LIFE.listedStarved) !== 0) return;
    flags[conn]! |= LIFE.listedStarved;
    this.#starved.push(conn);
  }

  #hasTotalRoom(): boolean {
    const total = this.stats[STAT.outputBytes]! + this.settings.outputBytesMax;
    return total <= this.settings.outputBytesTotalMax;
  }
}
