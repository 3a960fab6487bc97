// Which workers have members of a group, and how many members it has in all: a hash table in memory that the
// workers share. A home reads it to know where a message to a group has to go; nobody is asked.
//
//   word 0                 lock of those who change the table
//   then, a cell each:     hash of the gid, fingerprint (0 = never used, -1 = used no more), members,
//                          a bit a worker that has some
//
// Two hashes with secrets of the process name a group: two groups that meet in both are not expected within
// the life of a server. Changes (first and last members, counts) are made under the lock; readers need none: a
// cell is whole before its fingerprint is stored, and is empty again only where no search goes past it.
//
// Bounds: GROUPS_MAX cells, a search looks at PROBES_MAX of them; what finds no cell is refused.

import { uidHash } from '#reference-server/home/uid-hash.ts';

export const GROUPS_MAX = 1 << 15;
const CELLS = 2 * GROUPS_MAX;
const PROBES_MAX = 64;
const HEAD_WORDS = 4;
const HASH = 0;
const FINGERPRINT = 1;
const MEMBERS = 2;
const MASK = 3;
const WORKERS_PER_WORD = 32;
const EMPTY = 0;
const GONE = -1;
const SECOND_SEED = 0x5bd1e995;

function wordsPerCell(workers: number): number {
  return MASK + Math.ceil(workers / WORKERS_PER_WORD);
}

/** Bytes of the table for so many workers. */
export function groupDirectoryBytes(workers: number): number {
  return (HEAD_WORDS + CELLS * wordsPerCell(workers)) * Int32Array.BYTES_PER_ELEMENT;
}

export class GroupDirectory {
  readonly #words: Int32Array;
  readonly #self: number;
  readonly #stride: number;
  readonly #seed: number;

  constructor(
    memory: SharedArrayBuffer,
    offset: number,
    workers: number,
    self: number,
    seed: number,
  ) {
    const words = groupDirectoryBytes(workers) / Int32Array.BYTES_PER_ELEMENT;
    this.#words = new Int32Array(memory, offset, words);
    this.#self = self;
    this.#stride = wordsPerCell(workers);
    this.#seed = seed;
  }

  /** The second name of a group; the first is its hash in the table of groups. */
  fingerprintOf(gid: Uint8Array, start: number, end: number): number {
    const value = uidHash(gid, start, end, this.#seed ^ SECOND_SEED) | 0;
    return value === EMPTY || value === GONE ? 1 : value;
  }

  /** Counts one more member here; false when the group has `membersMax`, or there is no room for a new group. */
  join(hash: number, fingerprint: number, membersMax: number): boolean {
    this.#lock();
    const cell = this.#obtain(hash | 0, fingerprint);
    const hasRoom = cell >= 0 && this.#words[cell + MEMBERS]! < membersMax;
    if (hasRoom) {
      Atomics.add(this.#words, cell + MEMBERS, 1);
      Atomics.or(this.#words, cell + this.#maskWord, this.#maskBit);
      Atomics.store(this.#words, cell + HASH, hash | 0);
      Atomics.store(this.#words, cell + FINGERPRINT, fingerprint);
    }
    this.#unlock();
    return hasRoom;
  }

  /** One member here less; `isLast`: this worker has none now. */
  leave(hash: number, fingerprint: number, isLast: boolean): void {
    this.#lock();
    const cell = this.find(hash, fingerprint);
    if (cell >= 0) {
      if (isLast) Atomics.and(this.#words, cell + this.#maskWord, ~this.#maskBit);
      if (Atomics.sub(this.#words, cell + MEMBERS, 1) === 1) this.#clear(cell);
    }
    this.#unlock();
  }

  /** The cell of a group, -1 = nobody is in it. */
  find(hash: number, fingerprint: number): number {
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const cell = this.#cell(hash, probe);
      const found = Atomics.load(this.#words, cell + FINGERPRINT);
      if (found === EMPTY) return -1;
      if (found === fingerprint && this.#words[cell + HASH] === (hash | 0)) return cell;
    }
    return -1;
  }

  /** Whether `worker` has members of the group in this cell. */
  has(cell: number, worker: number): boolean {
    const word = Atomics.load(this.#words, cell + MASK + Math.floor(worker / WORKERS_PER_WORD));
    return ((word >>> (worker % WORKERS_PER_WORD)) & 1) === 1;
  }

  /** Members of a group, of all workers. */
  members(hash: number, fingerprint: number): number {
    const cell = this.find(hash, fingerprint);
    return cell < 0 ? 0 : Atomics.load(this.#words, cell + MEMBERS);
  }

  get #maskWord(): number {
    return MASK + Math.floor(this.#self / WORKERS_PER_WORD);
  }

  get #maskBit(): number {
    return 1 << (this.#self % WORKERS_PER_WORD);
  }

  #cell(hash: number, probe: number): number {
    return HEAD_WORDS + ((hash + probe) & (CELLS - 1)) * this.#stride;
  }

  /** The group's cell, or one that it may have; -1 when there is none within reach. */
  #obtain(hash: number, fingerprint: number): number {
    const known = this.find(hash, fingerprint);
    if (known >= 0) return known;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const cell = this.#cell(hash, probe);
      const found = this.#words[cell + FINGERPRINT]!;
      if (found === EMPTY || found === GONE) return cell;
    }
    return -1;
  }

  /** Nobody is in the group any more. What is behind the last cell of a run needs no marks before it. */
  #clear(cell: number): void {
    const words = this.#words;
    Atomics.store(words, cell + FINGERPRINT, GONE);
    Atomics.store(words, cell + HASH, 0);
    let index = (cell - HEAD_WORDS) / this.#stride;
    if (words[this.#cell(index, 1) + FINGERPRINT] !== EMPTY) return;
    while (words[this.#cell(index, 0) + FINGERPRINT] === GONE) {
      Atomics.store(words, this.#cell(index, 0) + FINGERPRINT, EMPTY);
      index = (index - 1) & (CELLS - 1);
    }
  }

  /** Held for some stores; who waits for it spins. */
  #lock(): void {
    while (Atomics.compareExchange(this.#words, 0, 0, 1) !== 0);
  }

  #unlock(): void {
    Atomics.store(this.#words, 0, 0);
  }
}
