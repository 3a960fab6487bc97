// Small pieces of memory that the kernel reads while an entry is submitted and not afterwards: socket
// addresses, message headers, option values. A fixed number of pieces is used in turn; a piece whose
// entry still waits in a queue makes that queue be submitted first.

import type { Libc, Mapping } from '#core/socket/ring/libc.ts';
import type { Ring } from '#core/socket/ring/ring.ts';

const PIECES = 256;

export class SubmitScratch {
  readonly words: Int32Array;
  readonly address: number;
  readonly pieceBytes: number;
  readonly #mapping: Mapping;
  readonly #owner: (Ring | undefined)[] = new Array(PIECES).fill(undefined);
  readonly #tail = new Int32Array(PIECES);
  #cursor = 0;

  constructor(libc: Libc, pieceBytes: number) {
    this.pieceBytes = pieceBytes;
    this.#mapping = libc.mapMemory(PIECES * pieceBytes);
    this.words = new Int32Array(this.#mapping.buffer);
    this.address = this.#mapping.address;
  }

  /** A piece for the next entry or chain that is pushed on `ring`; the offset of its first byte. */
  take(ring: Ring): number {
    const piece = this.#cursor;
    this.#cursor = (piece + 1) % PIECES;
    const owner = this.#owner[piece];
    if (owner !== undefined && ((owner.tail - this.#tail[piece]!) | 0) <= owner.unsubmitted) {
      owner.submit();
    }
    this.#owner[piece] = ring;
    this.#tail[piece] = ring.tail;
    return piece * this.pieceBytes;
  }

  close(): void {
    this.#mapping.unmap();
  }
}
