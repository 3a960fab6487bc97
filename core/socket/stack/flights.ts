// What a connection needs only while something of it is on its way or waits to be sent: its queue, what
// is in flight, congestion window, counters of its timer. A connection borrows a flight and gives it back
// when everything was acknowledged, so that idle ones cost nothing. Freed ones are reused last-in first-out:
// memory stays at the high-water mark, since pages that were never touched are not allocated.
//
// Offsets count from the first unacknowledged sequence number (TcpTable.unacknowledged).

import { SackScoreboard } from '#core/socket/stack/sack-scoreboard.ts';
import { sequenceAdd } from '#core/socket/stack/sequence.ts';
import type { TcpTable } from '#core/socket/stack/tcp-table.ts';

/** Initial window: ten full segments (RFC 6928). */
const INITIAL_WINDOW_SEGMENTS = 10;
/** More is never in flight, however far a peer opens its window: it would wait in a queue on the way. */
export const FLIGHT_BYTES_MAX = 2 ** 20;
export const NO_FLIGHT = -1;
const ROUND_TRIP_BITS = 16;
const ROUND_TRIP_MASK = 0xffff;
/** Of the variation 12 bits are remembered, in steps of 2 ms; of backoffs three. */
const VARIATION_STEP = 16;
const VARIATION_MAX = 2 ** 12 - 1;
const BACKOFFS_AT = 28;
const BACKOFFS_MAX = 7;
/**
 * What a flight does about a loss: nothing is missing, the gaps are filled while acknowledgements come (RFC 6582,
 * RFC 6675), or all of it is sent again after a timeout; the last only with a peer that acknowledges selectively.
 */
export const RECOVERY = { none: 0, fast: 1, timeout: 2 } as const;

export class Flights {
  readonly conn: Int32Array;
  /** First and last chunk of the queue, plus one; 0 = none. Bytes of the first that are gone. */
  readonly firstChunk: Int32Array;
  readonly lastChunk: Int32Array;
  readonly chunkStart: Uint16Array;
  /** Where sending stands: a chunk behind the first, plus one (0 = none), and its distance from the first. */
  readonly cursorChunk: Int32Array;
  readonly cursorAt: Uint32Array;
  /** Bytes queued, in flight or not. */
  readonly bytes: Uint32Array;
  /** Sequence numbers sent since the last return to the start, and sent at all (bytes and FIN). */
  readonly sent: Uint32Array;
  readonly sentMax: Uint32Array;
  readonly congestionWindow: Uint32Array;
  readonly slowStartLimit: Uint32Array;
  /** Timeouts in a row. */
  readonly retries: Uint8Array;
  readonly duplicateAcks: Uint8Array;
  /** One of RECOVERY, and the sequence number that ends it. */
  readonly recovery: Uint8Array;
  readonly recoverUntil: Uint32Array;
  /** In fast recovery: the gaps before this offset have been filled (HighRxt of RFC 6675). */
  readonly filled: Uint32Array;
  /** What has arrived behind a gap. */
  readonly sacked: SackScoreboard;
  /** A segment whose round trip is being measured: its end, when it left (us); below 0: when one left again last. */
  readonly timedEnd: Uint32Array;
  readonly timedUs: Float64Array;
  /** Smoothed round-trip time and its variation, 1/8 ms; 0 = not measured. */
  readonly roundTrip: Uint16Array;
  readonly roundTripVariation: Uint16Array;
  /**
   * Timeouts since a round trip was last measured, at most 7: the timeout stays doubled so often until then (Karn,
   * RFC 6298, 5), else a way that has become longer would be taken for loss again and again.
   */
  readonly backoffs: Uint8Array;
  /** Flights that are borrowed, and the most that ever were. */
  used = 0;
  usedMax = 0;
  readonly #table: TcpTable;
  #free = 0;

  constructor(table: TcpTable) {
    const { capacity } = table;
    this.#table = table;
    this.conn = new Int32Array(capacity);
    this.firstChunk = new Int32Array(capacity);
    this.lastChunk = new Int32Array(capacity);
    this.chunkStart = new Uint16Array(capacity);
    this.cursorChunk = new Int32Array(capacity);
    this.cursorAt = new Uint32Array(capacity);
    this.bytes = new Uint32Array(capacity);
    this.sent = new Uint32Array(capacity);
    this.sentMax = new Uint32Array(capacity);
    this.congestionWindow = new Uint32Array(capacity);
    this.slowStartLimit = new Uint32Array(capacity);
    this.retries = new Uint8Array(capacity);
    this.duplicateAcks = new Uint8Array(capacity);
    this.recovery = new Uint8Array(capacity);
    this.recoverUntil = new Uint32Array(capacity);
    this.filled = new Uint32Array(capacity);
    this.sacked = new SackScoreboard(capacity);
    this.timedEnd = new Uint32Array(capacity);
    this.timedUs = new Float64Array(capacity);
    this.roundTrip = new Uint16Array(capacity);
    this.roundTripVariation = new Uint16Array(capacity);
    this.backoffs = new Uint8Array(capacity);
  }

  /** The flight of a connection, or NO_FLIGHT. */
  of(conn: number): number {
    const word = this.#table.flight[conn]!;
    return word < 0 ? ~word : NO_FLIGHT;
  }

  /** Smoothed round trip of a connection, 1/8 ms; 0 = not measured. */
  roundTripOf(conn: number): number {
    const word = this.#table.flight[conn]!;
    return word < 0 ? this.roundTrip[~word]! : word & ROUND_TRIP_MASK;
  }

  /** The flight of a connection, borrowed now if it has none. */
  borrow(conn: number): number {
    const remembered = this.#table.flight[conn]!;
    if (remembered < 0) return ~remembered;
    let flight = this.#free - 1;
    if (flight === NO_FLIGHT) flight = this.usedMax;
    else this.#free = this.conn[flight]!;
    this.used++;
    if (this.used > this.usedMax) this.usedMax = this.used;
    this.#table.flight[conn] = ~flight;
    this.roundTrip[flight] = remembered & ROUND_TRIP_MASK;
    this.roundTripVariation[flight] =
      ((remembered >>> ROUND_TRIP_BITS) & VARIATION_MAX) * VARIATION_STEP;
    this.backoffs[flight] = remembered >>> BACKOFFS_AT;
    this.conn[flight] = conn;
    this.firstChunk[flight] = 0;
    this.cursorChunk[flight] = 0;
    this.bytes[flight] = 0;
    this.begin(flight);
    return flight;
  }

  /** Nothing is in flight yet; what is queued stays. */
  begin(flight: number): void {
    this.sent[flight] = 0;
    this.sentMax[flight] = 0;
    this.congestionWindow[flight] = INITIAL_WINDOW_SEGMENTS * this.#mss(flight);
    this.slowStartLimit[flight] = FLIGHT_BYTES_MAX;
    this.retries[flight] = 0;
    this.duplicateAcks[flight] = 0;
    this.recovery[flight] = RECOVERY.none;
    this.filled[flight] = 0;
    this.timedUs[flight] = 0;
    this.sacked.release(flight);
  }

  /**
   * Gives the flight of a connection back; its queue is empty and its timer is clear. The connection remembers the
   * round trip, its variation to 2 ms, since nobody waits less than 200 ms, and the timeouts since it was measured.
   */
  giveBack(flight: number): void {
    this.sacked.release(flight);
    const steps = Math.round(this.roundTripVariation[flight]! / VARIATION_STEP);
    const variation = Math.min(VARIATION_MAX, steps) << ROUND_TRIP_BITS;
    this.#table.flight[this.conn[flight]!] =
      (this.backoffs[flight]! << BACKOFFS_AT) | variation | this.roundTrip[flight]!;
    this.conn[flight] = this.#free;
    this.#free = flight + 1;
    this.used--;
  }

  /** `count` more sequence numbers were acknowledged: the window opens (RFC 5681, 3.1). */
  grow(flight: number, count: number): void {
    const mss = this.#mss(flight);
    const window = this.congestionWindow[flight]!;
    const step =
      window < this.slowStartLimit[flight]!
        ? Math.min(count, mss)
        : Math.max(1, Math.floor((mss * mss) / window));
    this.congestionWindow[flight] = Math.min(FLIGHT_BYTES_MAX, window + step);
  }

  /** A loss was noticed: halves the window; after a timeout it begins with one segment. */
  shrink(flight: number, isTimeout: boolean): void {
    const mss = this.#mss(flight);
    this.slowStartLimit[flight] = Math.max(2 * mss, this.sentMax[flight]! >>> 1);
    this.congestionWindow[flight] = isTimeout ? mss : this.slowStartLimit[flight]!;
  }

  /** A timeout: the next one waits twice as long. */
  backOff(flight: number): void {
    if (this.backoffs[flight]! < BACKOFFS_MAX) this.backoffs[flight]!++;
  }

  /** Begins a recovery that ends when all that was sent so far is acknowledged. */
  beginRecovery(flight: number, recovery: number): void {
    const first = this.#table.unacknowledged[this.conn[flight]!]!;
    this.recovery[flight] = recovery;
    this.recoverUntil[flight] = sequenceAdd(first, this.sentMax[flight]!);
    this.filled[flight] = 0;
  }

  #mss(flight: number): number {
    return this.#table.segmentBytes(this.conn[flight]!);
  }
}
