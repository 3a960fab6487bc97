// One file of /proc, kept open and read again every tick into the same buffer: one or two pread calls, no
// path look-up, no object. (Opening it anew costs twice as much; the asynchronous calls of node:fs five
// to fifty times, with tails of milliseconds: docs/decisions/0007.)
//
// Kernel facts: a seq_file hands out about one page a read whatever the buffer (fs/seq_file.c), so the
// file is read until nothing comes; a read at position 0 renders it anew. A file that cannot be
// opened or read is tried again later and later (every 2, 4, 8 ... 1,024 reads), because a missing file
// costs an exception each time.

import { closeSync, openSync, readSync } from 'node:fs';
import type { Capability } from '#collector/source/source.ts';

const BYTES_START = 8192;
/** The longest file we read, /proc/stat of a host with a thousand CPUs, is under 1 MB. */
const BYTES_MAX = 4 * 1024 * 1024;
const RETRY_READS_MAX = 1024;

export class ProcFile {
  readonly path: string;
  /** What the last read gave: `length` bytes of `bytes`. */
  bytes: Buffer = Buffer.alloc(BYTES_START);
  length = 0;
  /** Reads that failed, and reads cut off at the size limit. */
  failures = 0;
  cuts = 0;
  #fd = -1;
  #retryIn = 0;
  #retryGap = 1;

  constructor(path: string) {
    this.path = path;
  }

  /** Reads the whole file; false, with `length` 0, when it is missing, empty or cannot be read. */
  read(): boolean {
    this.length = 0;
    if (this.#fd < 0 && !this.#open()) return false;
    try {
      this.#fill();
    } catch {
      // Gone, or its process is: counted, closed and tried again later.
      this.#giveUp();
      return false;
    }
    if (this.length > 0) {
      this.#retryGap = 1;
      return true;
    }
    // A file of a fixture that was replaced, or a /proc that was mounted over.
    this.#giveUp();
    return false;
  }

  /** Tries to read it; says what is wrong when it cannot be. */
  probe(): Capability {
    return this.read()
      ? { state: 'ok' }
      : { state: 'absent', reason: `${this.path} cannot be read` };
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #open(): boolean {
    if (this.#retryIn > 0) {
      this.#retryIn--;
      return false;
    }
    try {
      this.#fd = openSync(this.path, 'r');
      return true;
    } catch {
      // Counted; why it is missing is the probe's business.
      this.#giveUp();
      return false;
    }
  }

  #fill(): void {
    for (;;) {
      const room = this.bytes.length - this.length;
      const count = readSync(this.#fd, this.bytes, this.length, room, this.length);
      if (count === 0) return;
      this.length += count;
      if (this.length < this.bytes.length) continue;
      if (this.bytes.length >= BYTES_MAX) {
        this.cuts++;
        return;
      }
      const larger = Buffer.alloc(this.bytes.length * 2);
      this.bytes.copy(larger);
      this.bytes = larger;
    }
  }

  #giveUp(): void {
    this.failures++;
    this.length = 0;
    this.close();
    this.#retryIn = this.#retryGap;
    this.#retryGap = Math.min(RETRY_READS_MAX, this.#retryGap * 2);
  }
}
