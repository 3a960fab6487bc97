// Writes the properties of a packet of MQTT 5 (5: 2.2.2) into a buffer of its own, from where an encoder
// copies them with their length in front. One writer serves all packets of a thread.

import { assert } from '#core/assert.ts';
import { copyBytes } from '#core/wire/mqtt/encode.ts';
import { textLength, writeText } from '#core/wire/mqtt/text.ts';

export class PropertyWriter {
  /** The properties, without their length, are [0, length) of it. */
  readonly bytes: Uint8Array;
  length = 0;

  constructor(bytesMax: number) {
    this.bytes = new Uint8Array(bytesMax);
  }

  clear(): this {
    this.length = 0;
    return this;
  }

  byte(id: number, value: number): this {
    return this.#number(id, value, 1);
  }

  two(id: number, value: number): this {
    return this.#number(id, value, 2);
  }

  four(id: number, value: number): this {
    return this.#number(id, value, 4);
  }

  variable(id: number, value: number): this {
    this.bytes[this.length] = id;
    this.length = writeVariable(this.bytes, this.length + 1, value);
    return this;
  }

  text(id: number, value: string): this {
    assert(this.length + 3 + textLength(value) <= this.bytes.length, 'the properties fit');
    this.bytes[this.length] = id;
    this.length = writeText(this.bytes, this.length + 1, value);
    return this;
  }

  /** Binary, or text that is there as bytes. */
  binary(id: number, value: Uint8Array): this {
    this.#number(id, value.length, 2);
    return this.raw(value, 0, value.length);
  }

  pair(id: number, name: string, value: string): this {
    this.text(id, name);
    this.length = writeText(this.bytes, this.length, value);
    return this;
  }

  /** Properties that are there as bytes. */
  raw(from: Uint8Array, start: number, end: number): this {
    this.length = copyBytes(this.bytes, this.length, from, start, end);
    return this;
  }

  #number(id: number, value: number, size: number): this {
    assert(this.length + 1 + size <= this.bytes.length, 'the properties fit');
    this.bytes[this.length++] = id;
    for (let shift = size - 1; shift >= 0; shift--) {
      this.bytes[this.length++] = Math.floor(value / 256 ** shift) & 0xff;
    }
    return this;
  }
}

/** Bytes of a variable byte integer (5: 1.5.5). */
export function variableBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x200000 ? 3 : 4;
}

/** Writes a variable byte integer; returns the new end. */
export function writeVariable(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    out[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  out[at++] = value;
  return at;
}
