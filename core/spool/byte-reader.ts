// Reads back what a ByteWriter wrote. A checksum has told that the bytes are those that were written; what
// does not end as it should is still an error here, because a file may come from anybody.

/** The bytes are no recording: caught where files are read, and counted as damage there. */
export class DamagedBytes extends Error {}

const VARINT_BYTES_MAX = 8;

export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  byte(): number {
    const value = this.#buffer[this.#at];
    if (value === undefined) throw new DamagedBytes('the bytes end too early');
    this.#at++;
    return value;
  }

  /** A whole number that is at most `max`. */
  varint(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let unit = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if (value > max) throw new DamagedBytes(`${value} where at most ${max} can stand`);
        return value;
      }
      unit *= 0x80;
    }
    throw new DamagedBytes('a number without an end');
  }

  double(): number {
    return this.bytes(8).readDoubleLE(0);
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#buffer.length) throw new DamagedBytes('the bytes end too early');
    const part = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  rest(): Buffer {
    return this.bytes(this.#buffer.length - this.#at);
  }
}
