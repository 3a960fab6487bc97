// Work on files that nobody waits for: writes at fixed places, syncs and removals, one after the other, off
// the event loop. A write that fails (disk full) stays the first and is tried again with the next flush, at
// the same place, so that half a write is written over; what follows waits behind it, in memory.

import { rm } from 'node:fs/promises';
import { type OpenSpoolFile, type SpoolFile, writeWhole } from '#core/spool/spool-writer.ts';

type DiskJob =
  | { kind: 'write'; path: string; position: number; bytes: Buffer }
  | { kind: 'sync' | 'close' | 'remove'; path: string };

/** Bytes of one write. */
const WRITE_BYTES_MAX = 1024 * 1024;

export class DiskQueue {
  /** Bytes that wait to be written. */
  waitingBytes = 0;
  writeErrors = 0;
  /** Why the last attempt failed; undefined while writing works. */
  failure: Error | undefined;
  readonly #openFile: OpenSpoolFile;
  readonly #files = new Map<string, SpoolFile>();
  #jobs: DiskJob[] = [];
  #inWork: DiskJob | undefined;
  #working: Promise<void> | undefined;

  constructor(openFile: OpenSpoolFile) {
    this.#openFile = openFile;
  }

  write(path: string, position: number, bytes: Buffer): void {
    this.waitingBytes += bytes.length;
    const last = this.#jobs.at(-1);
    const isNext =
      last?.kind === 'write' &&
      last !== this.#inWork &&
      last.path === path &&
      last.position + last.bytes.length === position &&
      last.bytes.length + bytes.length <= WRITE_BYTES_MAX;
    if (isNext) last.bytes = Buffer.concat([last.bytes, bytes]);
    else this.#jobs.push({ kind: 'write', path, position, bytes });
    this.#start();
  }

  /** Puts a file on the disk itself. */
  sync(path: string): void {
    this.#jobs.push({ kind: 'sync', path });
    this.#start();
  }

  close(path: string): void {
    this.#jobs.push({ kind: 'close', path });
    this.#start();
  }

  /** Removes a file in its turn; what waits to be written to it is not needed any more. */
  remove(path: string): void {
    this.#forget(path);
    this.#jobs.push({ kind: 'remove', path });
    this.#start();
  }

  /** Removes a file before all else: it makes the room that others wait for. */
  removeFirst(path: string): void {
    this.#forget(path);
    this.#jobs.splice(this.#inWork === undefined ? 0 : 1, 0, { kind: 'remove', path });
    this.#start();
  }

  /** Resolves when all is done, or something failed. Never rejects. */
  flush(): Promise<void> {
    if (this.#jobs.length === 0) return Promise.resolve();
    this.#working ??= this.#workAll().finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  /** Closes the files; what could not be written is lost. */
  async end(): Promise<void> {
    await this.flush();
    for (const file of this.#files.values()) await file.close();
    this.#files.clear();
  }

  #forget(path: string): void {
    this.#jobs = this.#jobs.filter((job) => job === this.#inWork || job.path !== path);
    this.waitingBytes = 0;
    for (const job of this.#jobs) this.waitingBytes += bytesOf(job);
  }

  #start(): void {
    // While the disk refuses, only `flush` tries again: not every row shall cost a failing call.
    if (this.failure === undefined) void this.flush();
  }

  async #workAll(): Promise<void> {
    try {
      for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
        this.#inWork = job;
        await this.#work(job);
        this.#jobs.shift();
        this.waitingBytes -= bytesOf(job);
      }
      this.failure = undefined;
    } catch (error) {
      this.writeErrors++;
      this.failure = error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#inWork = undefined;
    }
  }

  async #work(job: DiskJob): Promise<void> {
    if (job.kind === 'write') {
      await writeWhole(await this.#file(job.path), job.bytes, job.position);
      return;
    }
    const file = this.#files.get(job.path);
    if (job.kind === 'sync') await file?.datasync();
    else {
      this.#files.delete(job.path);
      await file?.close();
      if (job.kind === 'remove') await rm(job.path, { force: true });
    }
  }

  async #file(path: string): Promise<SpoolFile> {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = await this.#openFile(path);
    this.#files.set(path, file);
    return file;
  }
}

function bytesOf(job: DiskJob): number {
  return job.kind === 'write' ? job.bytes.length : 0;
}
