// Chooses the source of a connection that does not name one: the next port of the next address, so that
// a port comes again as late as possible. A source that a connection of ours has is passed over.

import type { SourceBlock } from '#core/socket/stack/stack-parts.ts';
import type { TcpTable } from '#core/socket/stack/tcp-table.ts';

/** Below are the ports of servers, which a client does not use. */
const PORT_MIN = 1024;
const PORT_COUNT = 65_536 - PORT_MIN;
/** More taken sources than this in a row are hardly met by chance. */
const TRIES_MAX = 4096;

export class SourcePicker {
  readonly #block: SourceBlock;
  readonly #table: TcpTable;
  readonly #picked = { address: 0, port: 0 };
  #cursor: number;

  /** `seed` says where the first search begins. */
  constructor(block: SourceBlock, table: TcpTable, seed: number) {
    this.#block = block;
    this.#table = table;
    this.#cursor = seed % (block.addressCount * PORT_COUNT);
  }

  isOurs(address: number): boolean {
    const index = address - this.#block.addressMin;
    return index >= 0 && index < this.#block.addressCount;
  }

  /**
   * The wanted source, 0 = any; undefined when it is taken or none is left. The object is used again by
   * the next call.
   */
  pick(
    address: number,
    port: number,
    remote: number,
  ): { address: number; port: number } | undefined {
    const { addressMin, addressCount } = this.#block;
    const picked = this.#picked;
    const tries = address !== 0 && port !== 0 ? 1 : TRIES_MAX;
    for (let step = 0; step < tries; step++) {
      picked.address = address;
      picked.port = port;
      if (tries > 1) {
        this.#cursor = (this.#cursor + 1) % (addressCount * PORT_COUNT);
        if (address === 0) picked.address = addressMin + (this.#cursor % addressCount);
        if (port === 0)
          picked.port = PORT_MIN + (Math.floor(this.#cursor / addressCount) % PORT_COUNT);
        if (address !== 0) picked.port = PORT_MIN + (this.#cursor % PORT_COUNT);
      }
      if (this.#table.find(picked.address, picked.port, remote) === -1) return picked;
    }
    return undefined;
  }
}
