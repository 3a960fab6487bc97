// The writing end of a spool. `append` only puts a frame into a bounded buffer; one write at a time takes
// the buffer to the file, off the event loop, so a slow disk delays nobody. A write that fails (disk
// full) leaves its frames in the buffer and the file at its last whole frame, and is tried again with
// the next flush.

import { type FileHandle, open } from 'node:fs/promises';
import { SEGMENT_MARK, segmentFile } from '#core/spool/segment.ts';

/** What the writer needs of a file; tests put a full disk in its place. */
export type SpoolFile = Pick<FileHandle, 'write' | 'truncate' | 'datasync' | 'close'>;
export type OpenSpoolFile = (path: string) => Promise<SpoolFile>;

/** 'r+' and 'w+' in one: makes the file if need be and never cuts it. */
export const openSpoolFile: OpenSpoolFile = async (path) => {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return await open(path, 'wx+', 0o600);
  }
};

export interface SpoolWriterOptions {
  folder: string;
  segmentBytesMax: number;
  bufferBytesMax: number;
  openFile: OpenSpoolFile;
  /** A segment has grown to its end; another one follows. */
  onSegmentClosed: (index: number, bytes: number) => void;
}

/** Bytes of one write. */
const WRITE_BYTES_MAX = 1024 * 1024;

export class SpoolWriter {
  /** The segment that grows, and how much of it holds whole frames. */
  index: number;
  bytes: number;
  /** Frames that are not in the file yet, oldest first. */
  buffered: Buffer[] = [];
  bufferedBytes = 0;
  /** Why the last write failed; undefined while writing works. */
  failure: Error | undefined;
  writeErrors = 0;
  readonly #options: SpoolWriterOptions;
  #file: SpoolFile | undefined;
  #writing: Promise<void> | undefined;
  #unsynced = false;

  constructor(options: SpoolWriterOptions, index: number, bytes: number) {
    this.#options = options;
    this.index = index;
    this.bytes = bytes;
  }

  get isWriting(): boolean {
    return this.#writing !== undefined;
  }

  /** Takes a frame; false when the buffer is full. */
  append(frame: Buffer): boolean {
    if (this.bufferedBytes + frame.length > this.#options.bufferBytesMax) return false;
    this.buffered.push(frame);
    this.bufferedBytes += frame.length;
    // While the disk refuses, only `flush` tries again: not every row shall cost a failing call.
    if (this.failure === undefined) void this.flush();
    return true;
  }

  /** Resolves when everything appended before is in the file, or a write failed. Never rejects. */
  flush(): Promise<void> {
    if (this.buffered.length === 0) return this.#writing ?? Promise.resolve();
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  /** Puts the data on the disk itself: what survives a power failure, not only a killed process. */
  async sync(): Promise<void> {
    if (!this.#unsynced || this.#file === undefined) return;
    this.#unsynced = false;
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Closes the file; what is to be in it was flushed before. */
  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.buffered.length > 0) await this.#writeSome();
      this.failure = undefined;
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeSome(): Promise<void> {
    if (this.bytes >= this.#options.segmentBytesMax) await this.#rotate();
    const file = (this.#file ??= await this.#options.openFile(
      segmentFile(this.#options.folder, this.index),
    ));
    // After a failure one frame at a time: what still fits on a full disk is written.
    const bytesMax = this.failure === undefined ? WRITE_BYTES_MAX : 0;
    const parts: Buffer[] = this.bytes < SEGMENT_MARK.length ? [SEGMENT_MARK] : [];
    let frames = 0;
    let frameBytes = 0;
    for (const frame of this.buffered) {
      if (frames > 0 && frameBytes + frame.length > bytesMax) break;
      parts.push(frame);
      frames++;
      frameBytes += frame.length;
    }
    await writeWhole(file, Buffer.concat(parts), parts[0] === SEGMENT_MARK ? 0 : this.bytes);
    this.bytes = (parts[0] === SEGMENT_MARK ? SEGMENT_MARK.length : this.bytes) + frameBytes;
    this.buffered.splice(0, frames);
    this.bufferedBytes -= frameBytes;
    this.#unsynced = true;
  }

  async #rotate(): Promise<void> {
    await this.sync();
    await this.#file?.close();
    this.#file = undefined;
    this.#options.onSegmentClosed(this.index, this.bytes);
    this.index++;
    this.bytes = 0;
  }

  #fail(error: unknown): void {
    this.writeErrors++;
    this.failure = error instanceof Error ? error : new Error(String(error));
  }
}

/** A write may take only a part; a failing one may leave a part, which is cut off again. */
export async function writeWhole(file: SpoolFile, buffer: Buffer, position: number): Promise<void> {
  let done = 0;
  try {
    while (done < buffer.length) {
      const { bytesWritten } = await file.write(
        buffer,
        done,
        buffer.length - done,
        position + done,
      );
      done += bytesWritten;
    }
  } catch (error) {
    // Not needed for correctness (the next write goes over it, the checksum guards the rest), so its
    // own failure says nothing new.
    await file.truncate(position).catch(() => {});
    throw error;
  }
}
