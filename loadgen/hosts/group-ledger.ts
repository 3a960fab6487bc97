// Which messages to groups lack a member, over several hosts: the writer's host knows how many deliveries a message
// should make, the hosts of its members which of them came, and nobody sees both. So each host keeps an account, and
// the controller adds them up at the end.
//
//   message i has cell i mod 65,536:   + deliveries that are expected, where it is sent
//                                      - 1 for each that arrives, where it arrives
//
// No delivery that is not expected is counted (FlightTable tells those apart), so the sum over all hosts of a cell is
// what its messages lack, and never below 0: it is 0 when and only when all of them are with every member. Two
// messages that both lack a member look like one when their numbers are a multiple of 65,536 apart.
//
// Cost: 256 KiB a host, an atomic addition a message at its sender and one a delivery at its receiver; about a byte a
// cell (deflated, base64) on the bus, once.

import { deflateSync, inflateSync } from 'node:zlib';
import { assert } from '#core/assert.ts';

const CELLS = 2 ** 16;
const BYTES = CELLS * Int32Array.BYTES_PER_ELEMENT;

export class GroupLedger {
  readonly shared: SharedArrayBuffer;
  readonly #cells: Int32Array;

  /** A new account, or the view of one that another thread made. */
  constructor(from = new SharedArrayBuffer(BYTES)) {
    this.shared = from;
    this.#cells = new Int32Array(from);
  }

  /** Message `index` should make so many deliveries; a negative number takes back. */
  expect(index: number, deliveries: number): void {
    Atomics.add(this.#cells, index % CELLS, deliveries);
  }

  /** One of them is there. */
  arrived(index: number): void {
    Atomics.sub(this.#cells, index % CELLS, 1);
  }

  encode(): string {
    return deflateSync(new Uint8Array(this.shared.slice(0))).toString('base64');
  }

  /** Adds what another host has told. */
  merge(text: string): void {
    const bytes = inflateSync(Buffer.from(text, 'base64'), { maxOutputLength: BYTES });
    assert(bytes.length === BYTES, 'an account has all its cells');
    for (let cell = 0; cell < CELLS; cell++) this.#cells[cell]! += bytes.readInt32LE(cell * 4);
  }

  /** Messages that lack a member. */
  get open(): number {
    return this.#cells.reduce((sum, left) => sum + (left > 0 ? 1 : 0), 0);
  }
}
