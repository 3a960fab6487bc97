// A spool: a queue of frames on disk between something that must not wait (rows of a tick) and something
// that may be away (the store). What is in the file survives the death of this process; what is not
// acknowledged is read again at the next start, so everything is delivered at least once.
//
// Bounds: the buffer in memory, the bytes on disk, the size of a frame; what does not fit is refused and
// counted. While the disk refuses writes, frames are handed out from the memory buffer, so a store
// elsewhere still gets them. One process at a time (lock file). Cost: about 1 us and one buffer a frame.

import { rmSync } from 'node:fs';
import { assert } from '#core/assert.ts';
import { type FolderLock, lockFolder } from '#core/host/folder-lock.ts';
import { makeFolder } from '#core/host/make-folder.ts';
import { decodeFrames, encodeFrame, type Frame, PAYLOAD_BYTES_MAX } from '#core/spool/frame.ts';
import { listSegments, recoverSegment, SEGMENT_MARK, segmentFile } from '#core/spool/segment.ts';
import {
  type Cursor,
  loadCursor,
  readSegment,
  removeCursor,
  saveCursor,
} from '#core/spool/spool-reader.ts';
import { type OpenSpoolFile, openSpoolFile, SpoolWriter } from '#core/spool/spool-writer.ts';

export interface SpoolOptions {
  folder: string;
  /** A segment is closed when it has grown to this. */
  segmentBytesMax?: number;
  /** All segments together. */
  diskBytesMax?: number;
  /** Frames that wait for the disk. */
  bufferBytesMax?: number;
  openFile?: OpenSpoolFile;
}

export interface SpoolBatch {
  frames: Frame[];
  /** The frames are dealt with and will not be read again. */
  acknowledge(): void;
  /** The frames are read again next time. */
  giveBack(): void;
}

export interface SpoolStats {
  /** Frames taken by `append`. */
  appended: number;
  /** Frames refused: no room, or too large. */
  refused: number;
  /** Frames acknowledged. */
  acknowledged: number;
  /** Bytes that a crash had left half written, cut at the start. */
  cutBytes: number;
  /** Bytes that could not be read back. */
  damagedBytes: number;
  /** Failed writes; the disk is full or broken. */
  writeErrors: number;
  /** Bytes of all segments now. */
  diskBytes: number;
  /** Bytes, on disk and in memory, that are not acknowledged. */
  waitingBytes: number;
}

const SEGMENT_BYTES_MAX = 8 * 1024 * 1024;
const DISK_BYTES_MAX = 256 * 1024 * 1024;
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;

export class Spool {
  readonly #folder: string;
  readonly #diskBytesMax: number;
  readonly #lock: FolderLock;
  readonly #writer: SpoolWriter;
  /** Bytes of the segments before the one that grows. */
  readonly #closedBytes = new Map<number, number>();
  #cursor: Cursor;
  #isReading = false;
  /** Bytes of a batch that was handed out from memory. */
  #takenBytes = 0;
  #appended = 0;
  #refused = 0;
  #acknowledged = 0;
  #cutBytes = 0;
  #damagedBytes = 0;

  /**
   * Opens the spool in a folder, made if need be, and repairs its end.
   * @throws WsarError WSAR_ERR_SYSTEM when another process has it open or it cannot be written.
   */
  constructor(options: SpoolOptions) {
    const { folder, openFile = openSpoolFile } = options;
    this.#folder = folder;
    this.#diskBytesMax = options.diskBytesMax ?? DISK_BYTES_MAX;
    makeFolder(folder);
    this.#lock = lockFolder(folder, 'spool');
    const segments = listSegments(folder);
    const last = segments.at(-1);
    const recovered = last === undefined ? undefined : recoverSegment(folder, last);
    if (last !== undefined && recovered !== undefined) {
      segments.pop();
      this.#cutBytes = last.bytes - recovered;
    }
    for (const { index, bytes } of segments) this.#closedBytes.set(index, bytes);
    const index = recovered !== undefined ? last!.index : (last?.index ?? 0) + 1;
    this.#writer = new SpoolWriter(
      {
        folder,
        openFile,
        segmentBytesMax: options.segmentBytesMax ?? SEGMENT_BYTES_MAX,
        bufferBytesMax: options.bufferBytesMax ?? BUFFER_BYTES_MAX,
        onSegmentClosed: (closed, bytes) => this.#closedBytes.set(closed, bytes),
      },
      index,
      recovered ?? 0,
    );
    this.#cursor = this.#startCursor(segments[0]?.index ?? index);
  }

  get stats(): SpoolStats {
    return {
      appended: this.#appended,
      refused: this.#refused,
      acknowledged: this.#acknowledged,
      cutBytes: this.#cutBytes,
      damagedBytes: this.#damagedBytes,
      writeErrors: this.#writer.writeErrors,
      diskBytes: this.#diskBytes(),
      waitingBytes: this.#waitingBytes(),
    };
  }

  /** Why the disk takes nothing at present; undefined when it does. */
  get failure(): Error | undefined {
    return this.#writer.failure;
  }

  /** Takes a frame; false when there is no room for it. Never blocks. */
  append(type: number, payload: Buffer): boolean {
    const isTaken =
      payload.length <= PAYLOAD_BYTES_MAX &&
      this.#diskBytes() + this.#writer.bufferedBytes + payload.length <= this.#diskBytesMax &&
      this.#writer.append(encodeFrame(type, payload));
    if (isTaken) this.#appended++;
    else this.#refused++;
    return isTaken;
  }

  /** Resolves when what was appended is in the file, or cannot be. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** Puts the file on the disk itself. */
  async sync(): Promise<void> {
    await this.flush();
    await this.#writer.sync();
  }

  /** Reads the next frames, about `bytesMax` of them; empty when all are read. One batch at a time. */
  read(bytesMax: number): SpoolBatch {
    assert(!this.#isReading, 'a batch is acknowledged or given back before the next is read');
    for (;;) {
      const { segment } = this.#cursor;
      const isGrowing = segment === this.#writer.index;
      if (isGrowing && this.#cursor.offset >= this.#writer.bytes) return this.#readBuffered();
      if (!isGrowing && !this.#closedBytes.has(segment)) {
        this.#cursor = { segment: segment + 1, offset: 0 };
        continue;
      }
      const written = isGrowing ? this.#writer.bytes : undefined;
      const part = readSegment(this.#folder, this.#cursor, written, bytesMax);
      this.#damagedBytes += part.damagedBytes;
      const next = { segment, offset: part.offset };
      if (part.frames.length > 0) return this.#batch(part.frames, next);
      this.#moveTo(next);
      if (isGrowing) return this.#readBuffered();
      this.#dropSegment(segment);
    }
  }

  /** Writes what is buffered and frees the folder; an empty spool leaves no file. */
  async close(): Promise<void> {
    await this.flush();
    const isEmpty = this.#isEmpty();
    if (!isEmpty) await this.#writer.sync();
    await this.#writer.close();
    if (isEmpty) {
      for (const { index } of listSegments(this.#folder)) this.#removeFile(index);
      removeCursor(this.#folder);
    }
    this.#lock.release();
  }

  #startCursor(first: number): Cursor {
    const saved = loadCursor(this.#folder);
    if (saved === undefined || saved.segment < first) return { segment: first, offset: 0 };
    // Frames after the saved place may have been cut by a crash; new ones start at the cut.
    if (saved.segment > this.#writer.index) return { segment: this.#writer.index, offset: 0 };
    return saved.segment === this.#writer.index
      ? { segment: saved.segment, offset: Math.min(saved.offset, this.#writer.bytes) }
      : saved;
  }

  #diskBytes(): number {
    let bytes = this.#writer.bytes;
    for (const closed of this.#closedBytes.values()) bytes += closed;
    return bytes;
  }

  #waitingBytes(): number {
    let bytes = this.#writer.bufferedBytes + this.#takenBytes;
    for (const [index, closed] of [
      ...this.#closedBytes,
      [this.#writer.index, this.#writer.bytes],
    ]) {
      const read = index === this.#cursor.segment ? this.#cursor.offset : 0;
      bytes += Math.max(0, closed! - Math.max(read, SEGMENT_MARK.length));
    }
    return bytes;
  }

  #batch(frames: Frame[], next: Cursor): SpoolBatch {
    this.#isReading = true;
    return {
      frames,
      acknowledge: () => {
        this.#isReading = false;
        this.#acknowledged += frames.length;
        const { segment } = this.#cursor;
        this.#moveTo(next);
        const isDone = segment !== this.#writer.index && this.#isAtEnd(next);
        if (isDone) this.#dropSegment(segment);
      },
      giveBack: () => {
        this.#isReading = false;
      },
    };
  }

  /** While the disk takes nothing, frames go out from memory, behind all that is in the file. */
  #readBuffered(): SpoolBatch {
    const writer = this.#writer;
    if (writer.failure === undefined || writer.isWriting || writer.buffered.length === 0) {
      return { frames: [], acknowledge: () => {}, giveBack: () => {} };
    }
    const taken = writer.buffered;
    const takenBytes = writer.bufferedBytes;
    writer.buffered = [];
    writer.bufferedBytes = 0;
    this.#isReading = true;
    this.#takenBytes = takenBytes;
    return {
      frames: taken.flatMap((frame) => decodeFrames(frame).frames),
      acknowledge: () => {
        this.#isReading = false;
        this.#takenBytes = 0;
        this.#acknowledged += taken.length;
      },
      giveBack: () => {
        this.#isReading = false;
        this.#takenBytes = 0;
        writer.buffered.unshift(...taken);
        writer.bufferedBytes += takenBytes;
      },
    };
  }

  #moveTo(cursor: Cursor): void {
    this.#cursor = cursor;
    try {
      saveCursor(this.#folder, cursor);
    } catch {
      // Disk full: a restart reads a little twice, which the store does not mind.
    }
  }

  #isAtEnd({ segment, offset }: Cursor): boolean {
    return offset >= (this.#closedBytes.get(segment) ?? 0);
  }

  #isEmpty(): boolean {
    const { segment, offset } = this.#cursor;
    const isAtStart = this.#writer.bytes <= SEGMENT_MARK.length;
    const isLast = segment === this.#writer.index && (isAtStart || offset >= this.#writer.bytes);
    return isLast && this.#closedBytes.size === 0 && this.#writer.buffered.length === 0;
  }

  #dropSegment(index: number): void {
    this.#removeFile(index);
    this.#closedBytes.delete(index);
    this.#moveTo({ segment: index + 1, offset: 0 });
  }

  #removeFile(index: number): void {
    rmSync(segmentFile(this.#folder, index), { force: true });
  }
}
