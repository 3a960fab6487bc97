// A recording: records on disk that stay there, for `wsar dump` and `wsar replay-samples`, until room or
// time ends. (core/spool/spool.ts is the other use of frames: a queue whose frames leave it.)
//
// Each record goes at once, by itself, into the tail: what a killed process had handed in is there. After 60
// rows of a stream a block takes their place (recording-files.ts says how no record is ever in neither).
// A new segment begins with every hour, and with every start; nothing in it leans on another one, so that
// the oldest can go.
//
// Bounds: records of the open block, bytes that wait for the disk, bytes on disk, age. What finds no room in
// memory is refused and counted; while the disk is full everything waits in memory, a block instead of its
// rows as soon as there is one. Nothing blocks, and nothing throws after the start.
//
// Cost: about 0.12 ms a row, and 3 to 10 ms once a block (docs/decisions/0016).

import { statSync } from 'node:fs';
import { WsarError } from '#core/errors.ts';
import { type FolderLock, lockFolder } from '#core/host/folder-lock.ts';
import { makeFolder } from '#core/host/make-folder.ts';
import { BLOCK_RECORDS_MAX, encodeBlock, FRAME_BLOCK } from '#core/spool/block.ts';
import { DiskQueue } from '#core/spool/disk-queue.ts';
import { encodeFrame } from '#core/spool/frame.ts';
import { frameTypeOf, RecordEncoder, type SpoolRecord } from '#core/spool/record.ts';
import {
  listSegmentIndexes,
  listTails,
  RECORDING_MARK,
  segmentPath,
  tailPath,
} from '#core/spool/recording-files.ts';
import { type Recovered, recoverRecording } from '#core/spool/recording-recovery.ts';
import { type OpenSpoolFile, openSpoolFile } from '#core/spool/spool-writer.ts';

export interface RecordingOptions {
  folder: string;
  /** All files together; the oldest segments go first. */
  diskBytesMax?: number;
  /** Segments that were written longer ago go; default: room alone decides. */
  ageMsMax?: number | undefined;
  /** Bytes that wait for the disk. */
  bufferBytesMax?: number;
  /** Rows of a stream that make a block. */
  blockRows?: number;
  segmentMs?: number;
  openFile?: OpenSpoolFile;
}

export interface RecordingStats {
  /** Records taken. */
  taken: number;
  /** Records that found no room in memory. */
  refused: number;
  /** What the last process left behind half done. */
  recovered: Recovered;
  /** Whole segments that were removed for room or for age. */
  removedSegments: number;
  removedBytes: number;
  writeErrors: number;
  /** Bytes of all files, those included that still wait to be written. */
  diskBytes: number;
  waitingBytes: number;
}

type Bounds = Record<
  'diskBytesMax' | 'ageMsMax' | 'bufferBytesMax' | 'blockRows' | 'segmentMs',
  number
>;

const MIB = 1024 * 1024;
const DISK_BYTES_MAX = 1024 * MIB;
const BUFFER_BYTES_MAX = 8 * MIB;
const BLOCK_ROWS = 60;
/** Memory of the rows of an open block. */
const BLOCK_BYTES_MAX = 4 * MIB;
const SEGMENT_MS = 3_600_000;
const SEGMENT_BYTES_MAX = 64 * MIB;
/** Room goes in steps of a segment, so that there are some. */
const SEGMENTS_OF_DISK = 4;
const CELL_BYTES = 9;

export class Recording {
  readonly #folder: string;
  readonly #options: Bounds;
  readonly #lock: FolderLock;
  readonly #disk: DiskQueue;
  readonly #recovered: Recovered;
  /** Bytes of the segments before this one. */
  readonly #closed = new Map<number, number>();
  #index: number;
  #period = Number.NaN;
  #segmentBytes = 0;
  /** Index in the segment of the first record of the open block. */
  #first = 0;
  #records: SpoolRecord[] = [];
  #rowsOf = new Map<number, number>();
  #openBytes = 0;
  #tail: string | undefined;
  #tailBytes = 0;
  #encoder = new RecordEncoder();
  #taken = 0;
  #refused = 0;
  #removedSegments = 0;
  #removedBytes = 0;

  /**
   * Opens the folder, made if need be, and puts in order what the process before left.
   * @throws WsarError WSAR_ERR_SYSTEM when another process records there or it cannot be written.
   */
  constructor(options: RecordingOptions) {
    this.#folder = options.folder;
    this.#options = {
      diskBytesMax: options.diskBytesMax ?? DISK_BYTES_MAX,
      ageMsMax: options.ageMsMax ?? Number.POSITIVE_INFINITY,
      bufferBytesMax: options.bufferBytesMax ?? BUFFER_BYTES_MAX,
      blockRows: options.blockRows ?? BLOCK_ROWS,
      segmentMs: options.segmentMs ?? SEGMENT_MS,
    };
    openFolder(this.#folder);
    this.#lock = lockFolder(this.#folder, 'spool');
    this.#disk = new DiskQueue(options.openFile ?? openSpoolFile);
    this.#recovered = recoverRecording(this.#folder);
    const indexes = listSegmentIndexes(this.#folder);
    for (const index of indexes) this.#closed.set(index, this.#filesOf(index).bytes);
    this.#index = indexes.at(-1) ?? 0;
  }

  get stats(): RecordingStats {
    return {
      taken: this.#taken,
      refused: this.#refused,
      recovered: this.#recovered,
      removedSegments: this.#removedSegments,
      removedBytes: this.#removedBytes,
      writeErrors: this.#disk.writeErrors,
      diskBytes: this.#diskBytes(),
      waitingBytes: this.#disk.waitingBytes,
    };
  }

  /** Why the disk takes nothing at present; undefined when it does. */
  get failure(): Error | undefined {
    return this.#disk.failure;
  }

  /**
   * The segment in which a record of this time goes. When it is another one than before, whoever has streams
   * in it describes them again: a schema record comes before a stream's first row.
   */
  segmentFor(wallMs: number): number {
    const { segmentMs, diskBytesMax } = this.#options;
    const period = Math.floor(wallMs / segmentMs);
    const bytesMax = Math.min(SEGMENT_BYTES_MAX, diskBytesMax / SEGMENTS_OF_DISK);
    const isFull = this.#segmentBytes + this.#tailBytes >= bytesMax;
    // What comes a little late, over the bus or because it began before, is no reason to begin anew.
    const isLate = period === this.#period - 1;
    if ((period === this.#period || isLate) && !isFull) return this.#index;
    this.#endSegment();
    this.#period = period;
    this.#index++;
    this.#removeOld(wallMs);
    return this.#index;
  }

  /** Takes a record, whose arrays it keeps; false when there is no room for it. Never blocks. */
  append(record: SpoolRecord): boolean {
    if (this.#disk.waitingBytes >= this.#options.bufferBytesMax) {
      this.#refused++;
      return false;
    }
    this.#taken++;
    this.#toTail(record);
    this.#records.push(record);
    this.#openBytes += sizeOf(record);
    if (this.#isBlockFull(record)) this.#closeBlock();
    return true;
  }

  /** Tries again what the disk refused; resolves when all is written, or cannot be. */
  flush(): Promise<void> {
    return this.#disk.flush();
  }

  /** Puts the files on the disk itself: what survives a power failure, not only a killed process. */
  async sync(): Promise<void> {
    if (this.#tail !== undefined) this.#disk.sync(this.#tail);
    await this.flush();
  }

  async close(): Promise<void> {
    this.#endSegment();
    await this.#disk.end();
    this.#lock.release();
  }

  #toTail(record: SpoolRecord): void {
    const frame = encodeFrame(frameTypeOf(record), this.#encoder.encode(record));
    if (this.#tail === undefined) {
      this.#tail = tailPath(this.#folder, this.#index, this.#first);
      this.#disk.write(this.#tail, 0, RECORDING_MARK);
      this.#tailBytes = RECORDING_MARK.length;
    }
    this.#disk.write(this.#tail, this.#tailBytes, frame);
    this.#tailBytes += frame.length;
  }

  #isBlockFull(record: SpoolRecord): boolean {
    if (this.#openBytes >= BLOCK_BYTES_MAX || this.#records.length >= BLOCK_RECORDS_MAX)
      return true;
    if (record.kind !== 'numbers') return false;
    const rows = (this.#rowsOf.get(record.stream) ?? 0) + 1;
    this.#rowsOf.set(record.stream, rows);
    return rows >= this.#options.blockRows;
  }

  #closeBlock(): void {
    if (this.#records.length === 0) return;
    const file = segmentPath(this.#folder, this.#index);
    if (this.#segmentBytes === 0) {
      this.#disk.write(file, 0, RECORDING_MARK);
      this.#segmentBytes = RECORDING_MARK.length;
    }
    const frame = encodeFrame(FRAME_BLOCK, encodeBlock(this.#first, this.#records));
    this.#disk.write(file, this.#segmentBytes, frame);
    this.#segmentBytes += frame.length;
    this.#disk.sync(file);
    if (this.#tail !== undefined) this.#disk.remove(this.#tail);
    this.#first += this.#records.length;
    this.#records = [];
    this.#rowsOf.clear();
    this.#openBytes = 0;
    this.#tail = undefined;
    this.#tailBytes = 0;
    this.#encoder = new RecordEncoder();
  }

  #endSegment(): void {
    this.#closeBlock();
    if (this.#segmentBytes === 0) return;
    this.#disk.close(segmentPath(this.#folder, this.#index));
    this.#closed.set(this.#index, this.#segmentBytes);
    this.#segmentBytes = 0;
    this.#first = 0;
  }

  /** The oldest segments go until the rest has room and none is too old. */
  #removeOld(wallMs: number): void {
    for (const index of [...this.#closed.keys()]) {
      const { files, writtenMs } = this.#filesOf(index);
      const isOld = wallMs - writtenMs > this.#options.ageMsMax;
      const room = this.#options.diskBytesMax * (1 - 1 / SEGMENTS_OF_DISK);
      if (!isOld && this.#diskBytes() <= room) return;
      for (const file of files) this.#disk.removeFirst(file);
      this.#removedSegments++;
      this.#removedBytes += this.#closed.get(index) ?? 0;
      this.#closed.delete(index);
    }
  }

  #filesOf(index: number): { files: string[]; bytes: number; writtenMs: number } {
    const tails = listTails(this.#folder, index).map(({ file }) => file);
    const files = [segmentPath(this.#folder, index), ...tails];
    let bytes = 0;
    let writtenMs = 0;
    for (const file of files) {
      const found = statSync(file, { throwIfNoEntry: false });
      if (found === undefined) continue;
      bytes += found.size;
      writtenMs = Math.max(writtenMs, found.mtimeMs);
    }
    return { files, bytes, writtenMs };
  }

  #diskBytes(): number {
    let bytes = this.#segmentBytes + this.#tailBytes;
    for (const closed of this.#closed.values()) bytes += closed;
    return bytes;
  }
}

function openFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new WsarError(
      'WSAR_ERR_SYSTEM',
      `the folder of the recording cannot be made: ${(error as Error).message}`,
      'name another folder, or make this one with the rights to write to it',
      error,
    );
  }
}

function sizeOf(record: SpoolRecord): number {
  if (record.kind === 'numbers') return record.row.states.length * CELL_BYTES;
  return record.json.length * 2;
}
