// What a home remembers of the messages that its users sent to groups, until everybody has accepted them: who is
// to be told, how many copies are stored, how many are accepted. It says when PUBACK is due (all workers have
// stored or refused their copies) and when a receipt is (the first, the half and the last acceptance).
//
// A ring: a new message takes the place of the oldest one, whose remaining receipts are given up and counted. A
// row carries a generation, so that news of a message that gave up its place is recognised.
//
// Cost: 49 bytes a row and a block for the name and the Correlation Data.

import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { SlabArena } from '#reference-server/memory/slab-arena.ts';

const NONE = -1;
/** Room for '<topic>' and Correlation Data of a row: most are short; long ones displace older rows. */
const TEXT_BYTES = 64;
/** A chunk of the arena for each size up to 512 bytes. */
const TEXT_BYTES_MIN = 6 * 64 * 1024;
/** Older rows that a message may displace for its text. */
const DISPLACED_MAX = 64;

export class GroupLedger {
  readonly rows: number;
  /** Messages whose remaining receipts were given up. */
  evicted = 0;
  /** Whose message it is, and its connection, which the PUBACK goes to. */
  readonly senderRow: Int32Array;
  readonly senderGeneration: Uint32Array;
  readonly worker: Uint8Array;
  readonly conn: Int32Array;
  readonly connGeneration: Uint32Array;
  readonly packetId: Uint16Array;
  /** Its receipts were asked for by a Response Topic. */
  readonly isAsked: Uint8Array;
  /** Copies that are stored, refused and accepted. */
  readonly stored: Uint16Array;
  readonly refused: Uint16Array;
  readonly accepted: Uint16Array;
  /** Workers that have not said yet what they stored. */
  readonly pending: Uint16Array;
  readonly #generation: Uint32Array;
  readonly #block: Int32Array;
  readonly #nameBytes: Uint8Array;
  readonly #textBytes: Uint16Array;
  readonly #arena: SlabArena;
  #next = 0;

  constructor(rows: number) {
    this.rows = rows;
    this.#arena = new SlabArena(Math.max(TEXT_BYTES_MIN, rows * TEXT_BYTES));
    this.senderRow = new Int32Array(rows);
    this.senderGeneration = new Uint32Array(rows);
    this.worker = new Uint8Array(rows);
    this.conn = new Int32Array(rows);
    this.connGeneration = new Uint32Array(rows);
    this.packetId = new Uint16Array(rows);
    this.isAsked = new Uint8Array(rows);
    this.stored = new Uint16Array(rows);
    this.refused = new Uint16Array(rows);
    this.accepted = new Uint16Array(rows);
    this.pending = new Uint16Array(rows);
    this.#generation = new Uint32Array(rows);
    this.#block = new Int32Array(rows);
    this.#nameBytes = new Uint8Array(rows);
    this.#textBytes = new Uint16Array(rows);
  }

  /**
   * A row for a message to the group named in [start, end) of `bytes`, or -1: so many wait for their PUBACK that
   * none has room.
   */
  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    correlation: Uint8Array,
    correlationStart: number,
    correlationEnd: number,
  ): number {
    const row = this.#next;
    if (this.pending[row]! > 0) return NONE;
    this.#evict(row);
    const size = end - start + correlationEnd - correlationStart;
    let block = this.#arena.alloc(size);
    for (let i = 1; block < 0 && i <= DISPLACED_MAX; i++) {
      this.#evict((row + i) % this.rows);
      block = this.#arena.alloc(size);
    }
    if (block < 0) return NONE;
    this.#next = (row + 1) % this.rows;
    const at = this.#arena.offset(block);
    const { bytes: out } = this.#arena;
    copyBytes(
      out,
      copyBytes(out, at, bytes, start, end),
      correlation,
      correlationStart,
      correlationEnd,
    );
    this.#block[row] = block;
    this.#nameBytes[row] = end - start;
    this.#textBytes[row] = size;
    this.stored[row] = this.refused[row] = this.accepted[row] = 0;
    return row;
  }

  #evict(row: number): void {
    if (this.#textBytes[row] === 0 || this.pending[row]! > 0) return;
    this.evicted++;
    this.close(row);
  }

  /**
   * A row that an older server had, without what is not in the arguments: `senderRow`, `senderGeneration`, `packetId`
   * and what is counted is written by the caller. Rows come in their order, into a new ledger; false = no room.
   */
  restore(row: number, name: Uint8Array, correlation: Uint8Array): boolean {
    this.#next = (row + 1) % this.rows;
    const block = this.#arena.alloc(name.length + correlation.length);
    if (block < 0) {
      // What refers to it finds nothing, also when the row is used again.
      this.#generation[row]!++;
      this.evicted++;
      return false;
    }
    const at = this.#arena.offset(block);
    this.bytes.set(name, at);
    this.bytes.set(correlation, at + name.length);
    this.#block[row] = block;
    this.#nameBytes[row] = name.length;
    this.#textBytes[row] = name.length + correlation.length;
    return true;
  }

  /** The oldest row, or one that is closed. */
  get first(): number {
    return this.#next;
  }

  /** Whether more is to be told of it, and its PUBACK has been sent. */
  isOwing(row: number): boolean {
    return this.#textBytes[row]! > 0 && this.pending[row] === 0;
  }

  /** Nothing more is to be told of it. */
  close(row: number): void {
    if (this.#textBytes[row] === 0) return;
    this.#arena.free(this.#block[row]!, this.#textBytes[row]!);
    this.#textBytes[row] = 0;
    this.#generation[row]!++;
  }

  generation(row: number): number {
    return this.#generation[row]!;
  }

  isCurrent(row: number, generation: number): boolean {
    return this.#generation[row] === generation && this.#textBytes[row]! > 0;
  }

  /** Whether the number of acceptances now is one that the sender is told: the first, the half and the last. */
  isStep(row: number): boolean {
    const accepted = this.accepted[row]!;
    const stored = this.stored[row]!;
    return accepted === 1 || accepted === stored || accepted === Math.ceil(stored / 2);
  }

  /** Where `g/<gid>` lies: [nameStart, nameEnd), and behind it [nameEnd, textEnd) the Correlation Data. */
  get bytes(): Uint8Array {
    return this.#arena.bytes;
  }

  nameStart(row: number): number {
    return this.#arena.offset(this.#block[row]!);
  }

  nameEnd(row: number): number {
    return this.nameStart(row) + this.#nameBytes[row]!;
  }

  textEnd(row: number): number {
    return this.nameStart(row) + this.#textBytes[row]!;
  }
}
