// Finds connections from which nothing has come for a while, to ask whether their peers are still there (RFC 1122,
// 4.2.3.6). No timer for each: all of them are looked at once a second, a sixteenth at a time, so that no turn has
// much of it (a million in 2 ms), nor more questions than it is told. 3 bytes a connection, and only where it is
// wanted.

import type { TcpKeepAlive } from '#core/socket/stack/tcp-knobs.ts';
import { FLAG, type TcpTable } from '#core/socket/stack/tcp-table.ts';

const SLICES_PER_S = 16;
const SLICE_US = 1_000_000 / SLICES_PER_S;
/** Seconds are kept in 16 bits. */
const SECONDS_MASK = 0xffff;
export const KEEP_ALIVE_S_MAX = 36_000;

export class SilenceWatch {
  readonly #table: TcpTable;
  readonly #keepAlive: TcpKeepAlive;
  readonly #startUs: number;
  readonly #heardS: Uint16Array;
  readonly #asked: Uint8Array;
  #slice = 0;
  /** In the slice that is looked at: who is next. */
  #next = 0;
  /** Whoever was due has not been told of yet in the last call. */
  isBehind = false;
  #nowS = 0;

  constructor(table: TcpTable, keepAlive: TcpKeepAlive, nowUs: number) {
    this.#table = table;
    this.#keepAlive = keepAlive;
    this.#startUs = nowUs;
    this.#heardS = new Uint16Array(table.capacity);
    this.#asked = new Uint8Array(table.capacity);
  }

  get bytesPerConnection(): number {
    return this.#heardS.BYTES_PER_ELEMENT + this.#asked.BYTES_PER_ELEMENT;
  }

  /** Something came from the peer. */
  heard(conn: number): void {
    this.#heardS[conn] = this.#nowS;
    this.#asked[conn] = 0;
  }

  /**
   * Tells of each that has been silent long enough, and when it was asked in vain for too long; of `max` of them, and
   * of the others in the next call.
   */
  advance(nowUs: number, tell: (conn: number, isTooLong: boolean) => void, max: number): void {
    const slice = Math.floor((nowUs - this.#startUs) / SLICE_US);
    this.#nowS = Math.floor(slice / SLICES_PER_S) & SECONDS_MASK;
    // After a long stop one round is enough.
    this.#slice = Math.max(this.#slice, slice - SLICES_PER_S);
    this.isBehind = false;
    for (let left = max; this.#slice < slice; this.#slice++) {
      left -= this.#look(this.#slice % SLICES_PER_S, tell, left);
      if (this.isBehind) return;
      this.#next = 0;
    }
  }

  /** Looks at a part, from where the last look had to stop; how many it told of. */
  #look(part: number, tell: (conn: number, isTooLong: boolean) => void, max: number): number {
    const { flags, flight, end } = this.#table;
    const { idleS, intervalS, questionsMax } = this.#keepAlive;
    const until = Math.ceil((end * (part + 1)) / SLICES_PER_S);
    let told = 0;
    const from = Math.max(this.#next, Math.ceil((end * part) / SLICES_PER_S));
    for (let conn = from; conn < until; conn++) {
      if ((flags[conn]! & (FLAG.open | FLAG.gone)) !== FLAG.open) continue;
      // What is under way has a timer of its own.
      if (flight[conn]! < 0) continue;
      const silentS = (this.#nowS - this.#heardS[conn]!) & SECONDS_MASK;
      const asked = this.#asked[conn]!;
      if (silentS < idleS + asked * intervalS) continue;
      if (told === max) {
        this.#next = conn;
        this.isBehind = true;
        break;
      }
      told++;
      if (asked < questionsMax) this.#asked[conn]!++;
      tell(conn, asked >= questionsMax);
    }
    return told;
  }
}
