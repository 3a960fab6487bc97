// Which messages are on their way, in shared memory: the sender's thread marks a message when it
// leaves, the receiver's thread clears the mark when it arrives. So a message counts as received
// once, whoever receives it; a second delivery, or a message that is not ours, is told apart; and
// what is still marked at the end is lost.
//
// A table of 2^k cells; message i uses cell i mod 2^k and the mark is i mod 2^31 + 1. When a
// message finds its cell taken by one that is still on its way, the older gives way and counts as
// lost for good.
//
// A message to a group is as many deliveries, each with a number and a mark of its own. A member who is not
// there gets none by right, but may just be coming or going: his mark is negative, and its arrival is told
// apart from a second delivery. A second table counts, in the cell of the first delivery, how many are still
// on their way: the last one completes the message.
//
// A host that has only a part of the population sees departures of its own and arrivals from anywhere.
// There (`isPart`) departures are not marked; an arrival marks, and one that meets its own mark is a second
// delivery. Members of this host who are not there are known all the same, and marked as above.
//
// Cost: 4 bytes a cell, one atomic operation a message at each end.

/** Seconds of the planned rate that can be on their way at the same time. */
const FLIGHT_S = 60;
const CELLS_MIN = 2 ** 16;
/** 64 MiB: a minute at 279,000 messages a second. */
const CELLS_MAX = 2 ** 24;

const MARKS = 2 ** 31 - 1;

/** What an arrival was: none of ours or a second one, one that was expected, one of somebody in passing. */
export const ARRIVAL = { unknown: 0, expected: 1, extra: 2 } as const;
export type Arrival = (typeof ARRIVAL)[keyof typeof ARRIVAL];

/** Cells for a rate; a power of two. */
export function flightCells(ratePerS: number): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, ratePerS * FLIGHT_S)));
  return Math.min(CELLS_MAX, Math.max(CELLS_MIN, wanted));
}

export class FlightTable {
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;
  readonly #isPart: boolean;

  /** A new table of `cells` (a power of two), or the view of one that another thread made. */
  constructor(from: number | SharedArrayBuffer, isPart = false) {
    this.#isPart = isPart;
    this.shared = typeof from === 'number' ? new SharedArrayBuffer(from * 4) : from;
    this.#cells = new Int32Array(this.shared);
  }

  /** Marks message `index` as on its way. False when an older one had to give way for it. */
  depart(index: number): boolean {
    if (this.#isPart) return true;
    return Atomics.exchange(this.#cells, index % this.#cells.length, mark(index)) <= 0;
  }

  /** Marks delivery `index` as one that may come and need not. False as in `depart`. */
  allow(index: number): boolean {
    const was = Atomics.exchange(this.#cells, index % this.#cells.length, -mark(index));
    return this.#isPart || was <= 0;
  }

  /** The message did not leave after all. */
  takeBack(index: number): void {
    if (!this.#isPart) this.arriveAtMember(index);
    else Atomics.compareExchange(this.#cells, index % this.#cells.length, -mark(index), 0);
  }

  /** The message has arrived. False when it bore no mark: it came before, or is not ours. */
  arrive(index: number): boolean {
    const cell = index % this.#cells.length;
    if (this.#isPart) return Atomics.exchange(this.#cells, cell, mark(index)) !== mark(index);
    return Atomics.compareExchange(this.#cells, cell, mark(index), 0) === mark(index);
  }

  /** A delivery to a member of a group has arrived. */
  arriveAtMember(index: number): Arrival {
    const cell = index % this.#cells.length;
    if (this.#isPart) {
      const before = Atomics.exchange(this.#cells, cell, mark(index));
      if (before === mark(index)) return ARRIVAL.unknown;
      return before === -mark(index) ? ARRIVAL.extra : ARRIVAL.expected;
    }
    if (this.arrive(index)) return ARRIVAL.expected;
    const was = Atomics.compareExchange(this.#cells, cell, -mark(index), 0);
    return was === -mark(index) ? ARRIVAL.extra : ARRIVAL.unknown;
  }
}

/** How many deliveries of each message to a group are on their way, by the number of its first. */
export class GroupFlights {
  readonly shared: SharedArrayBuffer;
  readonly #left: Int32Array;

  /** As FlightTable, with as many cells. */
  constructor(from: number | SharedArrayBuffer) {
    this.shared = typeof from === 'number' ? new SharedArrayBuffer(from * 4) : from;
    this.#left = new Int32Array(this.shared);
  }

  depart(first: number, deliveries: number): void {
    Atomics.store(this.#left, first % this.#left.length, deliveries);
  }

  /** One has arrived; true when it was the last. */
  arrive(first: number): boolean {
    return Atomics.sub(this.#left, first % this.#left.length, 1) === 1;
  }
}

function mark(index: number): number {
  return (index % MARKS) + 1;
}
