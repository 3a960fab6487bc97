// Reads words and numbers out of the bytes of a /proc file without making a string, an array or any
// other object: a tick parses some 10 KB of text, and garbage would show as lateness of the sampler.
//
// Only whole lines count: what stands behind the last newline was cut off (a file replaced while it was
// read, a truncated fixture), and half a number is a wrong number.
//
// A number is left in `high` and `low` (high * 10^9 + low, as core/metric/counter.ts takes it) and in
// `value`. Cost: about 2 ns a byte.

import { HIGH_UNIT } from '#core/metric/counter.ts';

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const COLON = 58;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;
/** Decimal digits of the largest 64 bit number. */
const DIGITS_MAX = 20;
const HIGH_DIGITS = 9;

/** Hash of words: FNV-1a, 32 bit (public domain). Start value, and one step a byte. */
export const HASH_START = 0x811c9dc5 | 0;
export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}

export class ByteScanner {
  bytes: Uint8Array = new Uint8Array(0);
  /** The last number read. `high` and `low` are of its whole part. */
  high = 0;
  low = 0;
  value = 0;
  isNegative = false;
  /** The last word read: [wordStart, wordEnd) and its hash. */
  wordStart = 0;
  wordEnd = 0;
  wordHash = 0;
  #at = 0;
  #lineEnd = -1;
  #end = 0;

  /** Starts on a text, or on what stands from `from` on in it; `nextLine` then enters its first line. */
  start(bytes: Uint8Array, length: number, from = 0): void {
    this.bytes = bytes;
    this.#end = length;
    this.#lineEnd = from - 1;
    this.#at = from;
  }

  /** Enters the next whole line; false at the end. */
  nextLine(): boolean {
    const from = this.#lineEnd + 1;
    const { bytes } = this;
    const end = this.#end;
    for (let i = from; i < end; i++) {
      if (bytes[i] === NEWLINE) {
        this.#at = from;
        this.#lineEnd = i;
        return true;
      }
    }
    this.#at = end;
    this.#lineEnd = end;
    return false;
  }

  /** Reads up to a space, tab, colon or the end of the line, skips the colon; false when there is nothing. */
  word(): boolean {
    this.#skipSpaces();
    const { bytes } = this;
    const end = this.#lineEnd;
    let hash = HASH_START;
    let i = this.#at;
    this.wordStart = i;
    for (; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === SPACE || byte === TAB || byte === COLON) break;
      hash = hashStep(hash, byte);
    }
    this.wordEnd = i;
    this.wordHash = hash;
    this.#at = i < end && bytes[i] === COLON ? i + 1 : i;
    return this.wordEnd > this.wordStart;
  }

  /**
   * Reads a decimal number that ends at a space, a colon or the end of the line; a fraction goes into
   * `value` only. False, and nothing consumed, when there is none or it is malformed.
   */
  number(): boolean {
    this.#skipSpaces();
    const { bytes } = this;
    const end = this.#lineEnd;
    let i = this.#at;
    const isNegative = i < end && bytes[i] === MINUS;
    if (isNegative) i++;
    const digits = i;
    while (i < end && isDigit(bytes[i]!)) i++;
    const count = i - digits;
    if (count === 0 || count > DIGITS_MAX) return false;
    this.#takeWhole(digits, i);
    if (i < end && bytes[i] === POINT) {
      for (let unit = 0.1; ++i < end && isDigit(bytes[i]!); unit /= 10) {
        this.value += (bytes[i]! - ZERO) * unit;
      }
    }
    if (i < end && bytes[i] !== SPACE && bytes[i] !== TAB && bytes[i] !== COLON) return false;
    this.isNegative = isNegative;
    if (isNegative) this.value = -this.value;
    this.#at = i;
    return true;
  }

  /** Reads a hexadecimal number of up to 8 digits into `value`, `high` and `low`. */
  hex(): boolean {
    this.#skipSpaces();
    const { bytes } = this;
    const end = this.#lineEnd;
    let i = this.#at;
    let value = 0;
    for (; i < end; i++) {
      const digit = hexDigit(bytes[i]!);
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    const isEnded = i === end || bytes[i] === SPACE;
    if (i === this.#at || i - this.#at > 8 || !isEnded) return false;
    this.#at = i;
    this.value = value;
    this.high = Math.floor(value / HIGH_UNIT);
    this.low = value - this.high * HIGH_UNIT;
    this.isNegative = false;
    return true;
  }

  /** Passes over everything up to and including the next such byte; to the end of the line when there is none. */
  skipPast(byte: number): void {
    const end = this.#lineEnd;
    while (this.#at < end && this.bytes[this.#at] !== byte) this.#at++;
    if (this.#at < end) this.#at++;
  }

  /** Whether what is left of the line equals `bytes`. */
  restEquals(bytes: Uint8Array): boolean {
    const from = this.#at;
    if (bytes.length !== this.#lineEnd - from) return false;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== this.bytes[from + i]) return false;
    return true;
  }

  /** A copy of what is left of the line. */
  rest(): Uint8Array {
    return this.bytes.slice(this.#at, this.#lineEnd);
  }

  /** The last word as a string; for names that are new, not in a tick's ordinary course. */
  wordText(): string {
    return Buffer.from(this.bytes.subarray(this.wordStart, this.wordEnd)).toString('latin1');
  }

  #takeWhole(from: number, to: number): void {
    const split = Math.max(from, to - HIGH_DIGITS);
    let high = 0;
    let low = 0;
    for (let i = from; i < split; i++) high = high * 10 + (this.bytes[i]! - ZERO);
    for (let i = split; i < to; i++) low = low * 10 + (this.bytes[i]! - ZERO);
    this.high = high;
    this.low = low;
    this.value = high * HIGH_UNIT + low;
  }

  #skipSpaces(): void {
    const { bytes } = this;
    while (this.#at < this.#lineEnd && (bytes[this.#at] === SPACE || bytes[this.#at] === TAB)) {
      this.#at++;
    }
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 57;
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - ZERO;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
}
