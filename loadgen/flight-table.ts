// Which messages are on their way, in shared memory: the sender's thread marks a message when it
// leaves, the receiver's thread clears the mark when it arrives. So a message counts as received
// once, whoever receives it; a second delivery, or a message that is not ours, is told apart; and
// what is still marked at the end is lost.
//
// A table of 2^k cells; message i uses cell i mod 2^k and the mark is i mod 2^31 + 1. When a
// message finds its cell taken by one that is still on its way, the older gives way and counts as
// lost for good.
//
// A host that has only a part of the population sees departures of its own and arrivals from anywhere.
// There (`isPart`) departures are not marked; an arrival marks, and one that meets its own mark is a second
// delivery.
//
// Cost: 4 bytes a cell, one atomic operation a message at each end.

/** Seconds of the planned rate that can be on their way at the same time. */
const FLIGHT_S = 60;
const CELLS_MIN = 2 ** 16;
/** 64 MiB: a minute at 279,000 messages a second. */
const CELLS_MAX = 2 ** 24;

const MARKS = 2 ** 31 - 1;

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
    return Atomics.exchange(this.#cells, index % this.#cells.length, mark(index)) === 0;
  }

  /** The message did not leave after all. */
  takeBack(index: number): void {
    if (!this.#isPart) this.arrive(index);
  }

  /** The message has arrived. False when it bore no mark: it came before, or is not ours. */
  arrive(index: number): boolean {
    const cell = index % this.#cells.length;
    if (this.#isPart) return Atomics.exchange(this.#cells, cell, mark(index)) !== mark(index);
    return Atomics.compareExchange(this.#cells, cell, mark(index), 0) === mark(index);
  }
}

function mark(index: number): number {
  return (index % MARKS) + 1;
}
