// Finds known words in the bytes of a file: the index of the word that a scanner stands on, without
// making a string. Compares hashes first, bytes second, beginning where the last word was found: the
// files of /proc keep their order.

import { type ByteScanner, HASH_START, hashStep } from '#collector/source/byte-scanner.ts';

export class KeyTable {
  readonly #keys: Buffer[] = [];
  readonly #hashes: number[] = [];
  /** Index of the last word found, and of the one that came behind each. */
  #last = -1;
  readonly #after: number[] = [];

  constructor(keys: readonly string[] = []) {
    for (const key of keys) this.add(key);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** The keys as text, in the order of their indexes. */
  names(): string[] {
    return this.#keys.map((key) => key.toString('latin1'));
  }

  /** Adds a key and returns its index. */
  add(key: string): number {
    this.#keys.push(Buffer.from(key, 'latin1'));
    const index = this.#hashes.push(hashOf(key)) - 1;
    this.#after.push(index + 1);
    return index;
  }

  /** Gives an index to another key. */
  replace(index: number, key: string): void {
    this.#keys[index] = Buffer.from(key, 'latin1');
    this.#hashes[index] = hashOf(key);
  }

  /**
   * Reads the scanner's next word and gives its index; -1 when it is none of ours, or when there is none (then the
   * word is empty). Tries the key first that came behind the last one before, which costs least.
   */
  read(scanner: ByteScanner): number {
    const after = this.#after[this.#last];
    if (after !== undefined && after < this.#keys.length && scanner.thisWord(this.#keys[after]!)) {
      this.#last = after;
      return after;
    }
    return scanner.word() ? this.find(scanner) : -1;
  }

  /** Index of the scanner's last word, -1 when it is none of ours. */
  find(scanner: ByteScanner): number {
    const { size } = this;
    const hash = scanner.wordHash;
    for (let step = 0, i = this.#last + 1; step < size; step++, i++) {
      if (i >= size) i = 0;
      if (this.#hashes[i] === hash && this.#equals(i, scanner)) {
        if (this.#last >= 0) this.#after[this.#last] = i;
        this.#last = i;
        return i;
      }
    }
    return -1;
  }

  #equals(index: number, scanner: ByteScanner): boolean {
    const key = this.#keys[index]!;
    const { bytes, wordStart } = scanner;
    if (key.length !== scanner.wordEnd - wordStart) return false;
    for (let i = 0; i < key.length; i++) if (key[i] !== bytes[wordStart + i]) return false;
    return true;
  }
}

/** The hash that the scanner computes while it reads a word. */
function hashOf(key: string): number {
  return Buffer.from(key, 'latin1').reduce(hashStep, HASH_START);
}
