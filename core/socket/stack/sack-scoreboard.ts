// What the peer says it has beyond a gap (RFC 2018, RFC 6675): by flight, at most RANGES_MAX ranges of sequence
// numbers, in order and without overlaps. Only flights that lost something have a board, of BOARDS_MAX; without
// one, or beyond its ranges, less is known and more is sent again: counted, and never wrong.
//
// Memory: 1 MB of addresses, real as boards are first used. All offsets count from the first unacknowledged number.

import { sequenceDistance } from '#core/socket/stack/sequence.ts';

export const BOARDS_MAX = 16_384;
export const RANGES_MAX = 8;
const RANGE_WORDS = 2 * RANGES_MAX;
/** So many segments beyond a gap mean that what is missing was lost (DupThresh). */
const LOST_BEHIND_SEGMENTS = 3;

export class SackScoreboard {
  /** Ranges and boards that found no room; times that a peer had lost what it had reported. */
  refused = 0;
  reneged = 0;
  /** By flight: its board, plus one; 0 = nothing is missing. */
  readonly boardOf: Int32Array;
  readonly #edges = new Uint32Array(BOARDS_MAX * RANGE_WORDS);
  /** Ranges of a board; the next of the free ones, plus one. */
  readonly #counts = new Int32Array(BOARDS_MAX);
  #free = 0;
  #fresh = 0;

  constructor(flights: number) {
    this.boardOf = new Int32Array(flights);
  }

  /** Notes that [start, end) has arrived; true when that was news. */
  add(flight: number, start: number, end: number): boolean {
    const board = this.#borrow(flight);
    if (board < 0) return false;
    const edges = this.#edges;
    const base = board * RANGE_WORDS;
    const count = this.#counts[board]!;
    let at = 0;
    while (at < count && sequenceDistance(edges[base + 2 * at + 1]!, start) < 0) at++;
    let until = at;
    let [from, to] = [start, end];
    for (; until < count && sequenceDistance(edges[base + 2 * until]!, end) <= 0; until++) {
      const [known, knownEnd] = [edges[base + 2 * until]!, edges[base + 2 * until + 1]!];
      const isInside = sequenceDistance(start, known) >= 0 && sequenceDistance(end, knownEnd) <= 0;
      if (isInside) return false;
      if (sequenceDistance(known, from) < 0) from = known;
      if (sequenceDistance(knownEnd, to) > 0) to = knownEnd;
    }
    if (until === at && count === RANGES_MAX) {
      this.refused++;
      return false;
    }
    // The ranges [at, until) become one.
    const source = base + 2 * until;
    edges.copyWithin(base + 2 * at + 2, source, base + 2 * count);
    edges[base + 2 * at] = from;
    edges[base + 2 * at + 1] = to;
    this.#counts[board] = count + 1 - (until - at);
    return true;
  }

  /**
   * All before `first` is acknowledged. A peer that then still lacks what it had reported has dropped it, which it
   * may (RFC 2018, 8): nothing it said is believed any more.
   */
  advance(flight: number, first: number): void {
    const board = this.boardOf[flight]! - 1;
    if (board < 0) return;
    const edges = this.#edges;
    const base = board * RANGE_WORDS;
    const count = this.#counts[board]!;
    let gone = 0;
    while (gone < count && sequenceDistance(edges[base + 2 * gone + 1]!, first) <= 0) gone++;
    if (gone < count && sequenceDistance(edges[base + 2 * gone]!, first) <= 0) {
      this.reneged++;
      gone = count;
    }
    if (gone === count) {
      this.release(flight);
      return;
    }
    if (gone === 0) return;
    edges.copyWithin(base, base + 2 * gone, base + 2 * count);
    this.#counts[board] = count - gone;
  }

  /** Forgets what was reported for a flight. */
  release(flight: number): void {
    const board = this.boardOf[flight]! - 1;
    if (board < 0) return;
    this.boardOf[flight] = 0;
    this.#counts[board] = this.#free;
    this.#free = board + 1;
  }

  /** Bytes that have arrived of the offsets [from, to). */
  arrived(flight: number, first: number, from: number, to: number): number {
    let bytes = 0;
    const board = this.boardOf[flight]! - 1;
    const count = board < 0 ? 0 : this.#counts[board]!;
    for (let range = 0; range < count; range++) {
      const start = Math.max(from, this.#offset(board, 2 * range, first));
      const end = Math.min(to, this.#offset(board, 2 * range + 1, first));
      if (end > start) bytes += end - start;
    }
    return bytes;
  }

  /** What is missing before this offset was lost: enough has arrived behind it (RFC 6675, IsLost). */
  lostBefore(flight: number, first: number, segmentBytes: number): number {
    const board = this.boardOf[flight]! - 1;
    let ranges = 0;
    let bytes = 0;
    for (let range = board < 0 ? -1 : this.#counts[board]! - 1; range >= 0; range--) {
      const start = this.#offset(board, 2 * range, first);
      ranges++;
      bytes += this.#offset(board, 2 * range + 1, first) - start;
      const isEnough = bytes > (LOST_BEHIND_SEGMENTS - 1) * segmentBytes;
      if (isEnough || ranges >= LOST_BEHIND_SEGMENTS) return start;
    }
    return 0;
  }

  /** The first offset from `from` on that has not arrived. */
  missingFrom(flight: number, first: number, from: number): number {
    const board = this.boardOf[flight]! - 1;
    const count = board < 0 ? 0 : this.#counts[board]!;
    for (let range = 0; range < count; range++) {
      const start = this.#offset(board, 2 * range, first);
      const end = this.#offset(board, 2 * range + 1, first);
      if (from >= start && from < end) return end;
    }
    return from;
  }

  /** The first offset behind `from` that has arrived; Infinity when there is none. */
  arrivedFrom(flight: number, first: number, from: number): number {
    const board = this.boardOf[flight]! - 1;
    const count = board < 0 ? 0 : this.#counts[board]!;
    for (let range = 0; range < count; range++) {
      const start = this.#offset(board, 2 * range, first);
      if (start > from) return start;
    }
    return Number.POSITIVE_INFINITY;
  }

  #offset(board: number, edge: number, first: number): number {
    return sequenceDistance(this.#edges[board * RANGE_WORDS + edge]!, first);
  }

  /** The board of a flight, borrowed now if it has none; -1 when all are. */
  #borrow(flight: number): number {
    const has = this.boardOf[flight]! - 1;
    if (has >= 0) return has;
    let board = this.#free - 1;
    if (board >= 0) this.#free = this.#counts[board]!;
    else if (this.#fresh < BOARDS_MAX) board = this.#fresh++;
    else {
      this.refused++;
      return -1;
    }
    this.#counts[board] = 0;
    this.boardOf[flight] = board + 1;
    return board;
  }
}
