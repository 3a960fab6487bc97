// Small files of threads (/proc/PID/task/TID/{schedstat,status}): thousands of them may be read in one tick, so they
// share one buffer, and a descriptor is kept only as long as there are few. A descriptor of a thread that has ended
// reads nothing (ESRCH), also when the id has been given to another thread since.

import { closeSync, openSync, readSync } from 'node:fs';

/** A status is about 1.5 KB. */
const BYTES_MAX = 8192;
/** Descriptors kept by one collector; beyond that a file is opened for each reading, at twice the cost. */
const KEPT_MAX = 512;

/** The buffer and the count of kept descriptors that task files of one source share. */
export class TaskBuffer {
  readonly bytes: Buffer = Buffer.alloc(BYTES_MAX);
  kept = 0;
}

export class TaskFile {
  readonly #path: string;
  readonly #shared: TaskBuffer;
  #fd = -1;

  constructor(path: string, shared: TaskBuffer) {
    this.#path = path;
    this.#shared = shared;
  }

  /** Reads it into the shared buffer; the number of bytes, 0 when the thread is gone or hidden from us. */
  read(): number {
    const { bytes } = this.#shared;
    try {
      if (this.#fd >= 0) return readSync(this.#fd, bytes, 0, BYTES_MAX, 0);
      const fd = openSync(this.#path, 'r');
      if (this.#shared.kept < KEPT_MAX) {
        this.#shared.kept++;
        this.#fd = fd;
        return readSync(fd, bytes, 0, BYTES_MAX, 0);
      }
      try {
        return readSync(fd, bytes, 0, BYTES_MAX, 0);
      } finally {
        closeSync(fd);
      }
    } catch {
      // Threads end at any moment; whoever asked sees that nothing came.
      return 0;
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
    this.#shared.kept--;
  }
}
