// Reads words and numbers out of the bytes of a /proc file without making a string, an array or any
// other object: a tick parses some 10 KB of text, and garbage would show as lateness of the sampler.
//
// Only whole lines count: what stands behind the last newline was cut off (a file replaced while it was
// read, a truncated fixture), and half a number is a wrong number.
//
// A number is left in `high` and `low` (high * 10^9 + low, as core/metric/counter.ts takes it) and in
// `value`. Cost: about 1 ns a byte when V8 has optimised it, 6 when it may not (core/cli/lean-engine.ts): the loops
// are written for that, without calls and with local variables.

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
const HASH_FACTOR = 0x01000193;
export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, HASH_FACTOR);
}

/** That of Uint8Array: Buffer has one of its own that checks its arguments for longer than this searches. */
const { indexOf } = Uint8Array.prototype;

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
    const end = this.#end;
    const found = from < end ? indexOf.call(this.bytes, NEWLINE, from) : -1;
    // What stands behind `end` is of an earlier, longer reading.
    if (found < 0 || found >= end) {
      this.#at = end;
      this.#lineEnd = end;
      return false;
    }
    this.#at = from;
    this.#lineEnd = found;
    return true;
  }

  /** Reads up to a space, tab, colon or the end of the line, skips the colon; false when there is nothing. */
  word(): boolean {
    const { bytes } = this;
    const end = this.#lineEnd;
    let hash = HASH_START;
    let i = this.#at;
    while (i < end && (bytes[i] === SPACE || bytes[i] === TAB)) i++;
    this.wordStart = i;
    for (; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === SPACE || byte === TAB || byte === COLON) break;
      hash = Math.imul(hash ^ byte, HASH_FACTOR);
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
    const { bytes } = this;
    const end = this.#lineEnd;
    let i = this.#at;
    while (i < end && (bytes[i] === SPACE || bytes[i] === TAB)) i++;
    const start = i;
    const isNegative = i < end && bytes[i] === MINUS;
    if (isNegative) i++;
    const digits = i;
    let value = 0;
    for (; i < end; i++) {
      const digit = bytes[i]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const count = i - digits;
    // What stood before is consumed, as after a number; the word itself is not.
    this.#at = start;
    if (count === 0 || count > DIGITS_MAX) return false;
    if (count <= HIGH_DIGITS) {
      this.high = 0;
      this.low = value;
      this.value = value;
    } else this.#takeWhole(digits, i);
    if (i < end) {
      if (bytes[i] === POINT) i = this.#takeFraction(i, end);
      if (i < end && bytes[i] !== SPACE && bytes[i] !== TAB && bytes[i] !== COLON) return false;
    }
    this.isNegative = isNegative;
    if (isNegative) this.value = -this.value;
    this.#at = i;
    return true;
  }

  /**
   * Reads `key` when it stands next and is a whole word, as `word` would have read it, at a third of the cost;
   * false, and nothing consumed, when something else stands there.
   */
  thisWord(key: Uint8Array): boolean {
    const { bytes } = this;
    const end = this.#lineEnd;
    const { length } = key;
    let i = this.#at;
    while (i < end && (bytes[i] === SPACE || bytes[i] === TAB)) i++;
    const start = i;
    const wordEnd = start + length;
    if (length === 0 || wordEnd > end) return false;
    // The lines of one file begin alike; their last letters tell them apart first.
    for (let k = length - 1; k >= 0; k--) if (key[k] !== bytes[start + k]) return false;
    if (wordEnd < end) {
      const next = bytes[wordEnd]!;
      if (next !== SPACE && next !== TAB && next !== COLON) return false;
      this.#at = next === COLON ? wordEnd + 1 : wordEnd;
    } else this.#at = wordEnd;
    this.wordStart = start;
    this.wordEnd = wordEnd;
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
  restEquals(bytes: Buffer): boolean {
    const from = this.#at;
    const end = this.#lineEnd;
    return bytes.length === end - from && bytes.compare(this.bytes, from, end) === 0;
  }

  /** A copy of what is left of the line. */
  rest(): Buffer {
    return Buffer.from(this.bytes.subarray(this.#at, this.#lineEnd));
  }

  /** The last word as a string; for names that are new, not in a tick's ordinary course. */
  wordText(): string {
    return Buffer.from(this.bytes.subarray(this.wordStart, this.wordEnd)).toString('latin1');
  }

  #takeWhole(from: number, to: number): void {
    const split = Math.max(from, to - HIGH_DIGITS);
    let high = 0;
    let low = 0;
    const { bytes } = this;
    for (let i = from; i < split; i++) high = high * 10 + (bytes[i]! - ZERO);
    for (let i = split; i < to; i++) low = low * 10 + (bytes[i]! - ZERO);
    this.high = high;
    this.low = low;
    this.value = high * HIGH_UNIT + low;
  }

  /** Adds the fraction behind the point at `at`; returns where it ends. */
  #takeFraction(at: number, end: number): number {
    let i = at;
    for (let unit = 0.1; ++i < end && isDigit(this.bytes[i]!); unit /= 10) {
      this.value += (this.bytes[i]! - ZERO) * unit;
    }
    return i;
  }

  #skipSpaces(): void {
    const { bytes } = this;
    const end = this.#lineEnd;
    let i = this.#at;
    while (i < end && (bytes[i] === SPACE || bytes[i] === TAB)) i++;
    this.#at = i;
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
