// Who accepts messages slowly, by three clocks (as EMQX has them):
//
//   whole     = from when the server stored a message to its receiver's PUBACK
//   internal  = from when it stored it to when it sent it: the time in the mailbox, absences included
//   response  = from when it sent it to the PUBACK: the receiver and its network alone
//
// A receiver gets into the table when a response takes `thresholdMs` or more, and is out of it when none has for
// IDLE_S. The clocks are means over the last messages (each new one weighs a quarter). A worker writes its table, in
// shared memory, and nobody else; the main thread reads it: a figure may be of two messages, none is torn.
//
// Bound: RECEIVERS_MAX of each worker. A cell is looked for in PROBES places; when they are all taken by receivers that
// are slower, the newcomer is not listed (`refused`). Cost: one comparison for a message that was accepted in time.

export const RECEIVERS_MAX = 1024;
const PROBES = 8;
export const IDLE_S = 300;
const WEIGHT = 0.25;

/** Words of a cell. */
const CELL = { row: 0, whole: 1, internal: 2, response: 3, count: 4, lastS: 5 } as const;
const CELL_WORDS = 6;
/** Behind the cells. */
const REFUSED = RECEIVERS_MAX * CELL_WORDS;

export interface SlowReceiver {
  worker: number;
  row: number;
  wholeMs: number;
  internalMs: number;
  responseMs: number;
  /** Slow messages since it is listed. */
  count: number;
}

export class SlowReceivers {
  readonly cells: Float64Array<SharedArrayBuffer>;
  thresholdMs = 500;
  #count = 0;

  constructor() {
    const words = REFUSED + 1;
    this.cells = new Float64Array(new SharedArrayBuffer(words * Float64Array.BYTES_PER_ELEMENT));
  }

  /** A message was accepted. */
  note(row: number, wholeMs: number, responseMs: number, nowS: number): void {
    if (responseMs < this.thresholdMs) return;
    const at = this.#place(row, responseMs, nowS);
    if (at < 0) {
      this.cells[REFUSED]!++;
      return;
    }
    const { cells } = this;
    const weight = cells[at + CELL.count] === 0 ? 1 : WEIGHT;
    const blend = (word: number, value: number): void => {
      cells[at + word]! += (value - cells[at + word]!) * weight;
    };
    blend(CELL.whole, wholeMs);
    blend(CELL.internal, wholeMs - responseMs);
    blend(CELL.response, responseMs);
    cells[at + CELL.count]!++;
    cells[at + CELL.lastS] = nowS;
  }

  /** The row is another user's from now on. */
  forget(row: number): void {
    if (this.#count === 0) return;
    const at = this.#find(row);
    if (at >= 0) this.#clear(at);
  }

  #find(row: number): number {
    for (let probe = 0; probe < PROBES; probe++) {
      const at = cellOf(row, probe);
      if (this.cells[at + CELL.row] === row + 1) return at;
    }
    return -1;
  }

  /** The receiver's cell, or one that it may have: free, idle, or of one that is not as slow. */
  #place(row: number, responseMs: number, nowS: number): number {
    const { cells } = this;
    let worst = this.#find(row);
    if (worst >= 0) return worst;
    let least = responseMs;
    for (let probe = 0; probe < PROBES; probe++) {
      const at = cellOf(row, probe);
      const isIdle = nowS - cells[at + CELL.lastS]! > IDLE_S;
      const response = cells[at + CELL.row] === 0 || isIdle ? -1 : cells[at + CELL.response]!;
      if (response >= least) continue;
      least = response;
      worst = at;
    }
    if (worst < 0) return -1;
    this.#clear(worst);
    cells[worst + CELL.row] = row + 1;
    this.#count++;
    return worst;
  }

  #clear(at: number): void {
    if (this.cells[at + CELL.row] !== 0) this.#count--;
    for (let word = 0; word < CELL_WORDS; word++) this.cells[at + word] = 0;
  }
}

function cellOf(row: number, probe: number): number {
  return (((row + probe * 127) * 31) % RECEIVERS_MAX) * CELL_WORDS;
}

export interface SlowReport {
  /** Receivers that are listed now. */
  count: number;
  /** Those with the longest responses, slowest first. */
  top: SlowReceiver[];
  refused: number;
}

/** What the tables of all workers say; `topMax` receivers are named. */
export function readSlowReceivers(
  tables: readonly Float64Array[],
  nowS: number,
  topMax: number,
): SlowReport {
  const all: SlowReceiver[] = [];
  let refused = 0;
  tables.forEach((cells, worker) => {
    refused += cells[REFUSED]!;
    for (let at = 0; at < REFUSED; at += CELL_WORDS) {
      const row = cells[at + CELL.row]! - 1;
      if (row < 0 || nowS - cells[at + CELL.lastS]! > IDLE_S) continue;
      all.push({
        worker,
        row,
        wholeMs: cells[at + CELL.whole]!,
        internalMs: cells[at + CELL.internal]!,
        responseMs: cells[at + CELL.response]!,
        count: cells[at + CELL.count]!,
      });
    }
  });
  all.sort((a, b) => b.responseMs - a.responseMs);
  return { count: all.length, top: all.slice(0, topMax), refused };
}
