// The files of a recording, in the order in which they were written:
//
//   NNNNNNNN.rec          a segment: "WSARREC1", then frames of type block; an hour, or less
//   NNNNNNNN.F.tail       its tail: "WSARREC1", then a frame a record; F is the index of its first record
//   lock.json             the process that records
//
// Records go into the tail at once. When a block's worth is there, the block is appended to the segment, then
// the tail is removed: at no moment is a record in neither. A tail whose first record is in a block already
// is left over from a crash between the two, and counts for nothing.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BLOCK_RECORDS_MAX, blockRange, FRAME_BLOCK } from '#core/spool/block.ts';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import { decodeFrames, FRAME_HEADER_BYTES, type Frame } from '#core/spool/frame.ts';

/** First bytes of every file; the digit is the version of the layout. */
export const RECORDING_MARK = Buffer.from('WSARREC1');
/** No segment of ours grows beyond this; a larger file is not read into memory, and is damage. */
const FILE_BYTES_MAX = 512 * 1024 * 1024;

export interface TailFile {
  file: string;
  segment: number;
  /** Index of its first record in the segment. */
  first: number;
}

export function segmentPath(folder: string, index: number): string {
  return join(folder, `${String(index).padStart(8, '0')}.rec`);
}

export function tailPath(folder: string, index: number, first: number): string {
  return join(folder, `${String(index).padStart(8, '0')}.${first}.tail`);
}

/** Indexes of the segments of a folder, oldest first; one may have a tail only. */
export function listSegmentIndexes(folder: string): number[] {
  const indexes = readdirSync(folder).flatMap((name) => {
    const match = /^(\d{8})\.(?:rec|\d+\.tail)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return [...new Set(indexes)].sort((a, b) => a - b);
}

/** The tails of a segment, oldest first. */
export function listTails(folder: string, segment: number): TailFile[] {
  return readdirSync(folder)
    .flatMap((name) => {
      const match = /^(\d{8})\.(\d{1,15})\.tail$/.exec(name);
      if (match === null || Number(match[1]) !== segment) return [];
      return [{ file: join(folder, name), segment, first: Number(match[2]) }];
    })
    .sort((a, b) => a.first - b.first);
}

export interface FileFrames {
  frames: Frame[];
  /** Bytes up to the end of the last whole frame; behind them nothing can be appended to. */
  wholeBytes: number;
  /** Bytes of a frame that ends beyond the file: a crash, or a writer at work. */
  cutBytes: number;
  /** Bytes that are no frames. */
  damagedBytes: number;
}

const NOTHING: FileFrames = { frames: [], wholeBytes: 0, cutBytes: 0, damagedBytes: 0 };

/**
 * The whole frames of a file; none when it is gone. Behind damage in a segment reading goes on with the next
 * whole block; in a tail each row needs those before it, so there it ends.
 */
export function readFileFrames(file: string): FileFrames {
  const content = contentOf(file);
  if (content === undefined) return NOTHING;
  const mark = content.subarray(0, RECORDING_MARK.length);
  if (!mark.equals(RECORDING_MARK.subarray(0, mark.length))) {
    return { ...NOTHING, damagedBytes: content.length };
  }
  if (mark.length < RECORDING_MARK.length) return { ...NOTHING, cutBytes: content.length };
  return framesOf(content, file.endsWith('.rec'));
}

/** What `first` the next block of these frames would have. */
export function nextRecord(frames: readonly Frame[]): number {
  const last = frames.at(-1);
  if (last === undefined) return 0;
  try {
    const { first, count } = blockRange(last.payload);
    return first + count;
  } catch (error) {
    if (error instanceof DamagedBytes) return 0;
    throw error;
  }
}

function contentOf(file: string): Buffer | undefined {
  try {
    return statSync(file).size > FILE_BYTES_MAX ? Buffer.alloc(1) : readFileSync(file);
  } catch (error) {
    // Its block was written, or it was the oldest, while we looked.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function framesOf(content: Buffer, isSegment: boolean): FileFrames {
  const frames: Frame[] = [];
  let at = RECORDING_MARK.length;
  let wholeBytes = at;
  let damagedBytes = 0;
  for (;;) {
    const decoded = decodeFrames(content.subarray(at));
    for (const frame of decoded.frames) frames.push(frame);
    at += decoded.bytes;
    if (decoded.frames.length > 0) wholeBytes = at;
    const left = content.length - at;
    const next = isSegment && decoded.end !== 'empty' ? nextBlockAt(content, at + 1) : undefined;
    if (next === undefined) {
      if (decoded.end === 'damaged') damagedBytes += left;
      return { frames, wholeBytes, cutBytes: decoded.end === 'cut' ? left : 0, damagedBytes };
    }
    damagedBytes += next - at;
    at = next;
  }
}

/** Where the next whole block begins; a damaged length may look like a frame that was cut off. */
function nextBlockAt(content: Buffer, from: number): number | undefined {
  const TYPE_AT = FRAME_HEADER_BYTES - 1;
  for (let type = content.indexOf(FRAME_BLOCK, from + TYPE_AT); type >= 0; ) {
    const at = type - TYPE_AT;
    const isFrame = decodeFirst(content, at);
    if (isFrame) return at;
    type = content.indexOf(FRAME_BLOCK, type + 1);
  }
  return undefined;
}

function decodeFirst(content: Buffer, at: number): boolean {
  if (at + FRAME_HEADER_BYTES > content.length) return false;
  const end = at + FRAME_HEADER_BYTES + content.readUInt32LE(at);
  if (end > content.length) return false;
  const { frames } = decodeFrames(content.subarray(at, end));
  return frames.length === 1 && blockRange(frames[0]!.payload).count <= BLOCK_RECORDS_MAX;
}
