// The reading end of a spool: a cursor that moves over the segments as what was read is acknowledged,
// and a small file that remembers it, so that a restart goes on where the last process was.

import { closeSync, fstatSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from '#core/host/whole-file.ts';
import {
  decodeFrames,
  FRAME_HEADER_BYTES,
  type Frame,
  PAYLOAD_BYTES_MAX,
} from '#core/spool/frame.ts';
import { SEGMENT_MARK, segmentFile } from '#core/spool/segment.ts';

export interface Cursor {
  segment: number;
  offset: number;
}

const CURSOR_FILE = 'cursor.json';

export function loadCursor(folder: string): Cursor | undefined {
  try {
    const { segment, offset } = JSON.parse(
      readFileSync(join(folder, CURSOR_FILE), 'utf8'),
    ) as Cursor;
    const isGood = Number.isSafeInteger(segment) && Number.isSafeInteger(offset) && offset >= 0;
    return isGood ? { segment, offset } : undefined;
  } catch {
    // None yet, or half of one: read again from the start. Reading twice is safe, skipping is not.
    return undefined;
  }
}

/** @throws when the disk is full; the caller goes on, a restart then reads a little twice. */
export function saveCursor(folder: string, cursor: Cursor): void {
  writeWhole(join(folder, CURSOR_FILE), JSON.stringify(cursor));
}

export function removeCursor(folder: string): void {
  rmSync(join(folder, CURSOR_FILE), { force: true });
}

export interface SegmentPart {
  frames: Frame[];
  /** Where reading goes on. */
  offset: number;
  /** True when nothing readable follows in this segment as far as it is written. */
  isAtEnd: boolean;
  /** Bytes that were skipped because they are damaged. */
  damagedBytes: number;
}

/**
 * Reads whole frames of about `bytesMax` from a segment, beginning at `offset`. `writtenBytes` is how far
 * the segment is written; damage before that skips the rest of the segment.
 */
export function readSegment(
  folder: string,
  { segment, offset }: Cursor,
  writtenBytes: number | undefined,
  bytesMax: number,
): SegmentPart {
  const fd = openSync(segmentFile(folder, segment), 'r');
  try {
    const end = Math.min(writtenBytes ?? Number.MAX_SAFE_INTEGER, fstatSync(fd).size);
    if (!hasMark(fd)) return { frames: [], offset: end, isAtEnd: true, damagedBytes: end };
    const from = Math.max(offset, SEGMENT_MARK.length);
    let wanted = Math.max(bytesMax, FRAME_HEADER_BYTES);
    for (;;) {
      const buffer = readAt(fd, from, Math.max(0, Math.min(wanted, end - from)));
      const decoded = decodeFrames(buffer);
      const at = from + decoded.bytes;
      const isWhole = from + buffer.length >= end;
      // One frame that is larger than what was asked for is read whole.
      if (decoded.end === 'cut' && decoded.bytes === 0 && !isWhole) {
        wanted = FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX;
        continue;
      }
      const isBroken = decoded.end === 'damaged' || (decoded.end === 'cut' && isWhole);
      return {
        frames: decoded.frames,
        offset: isBroken ? end : at,
        isAtEnd: isBroken || at >= end,
        damagedBytes: isBroken ? end - at : 0,
      };
    }
  } finally {
    closeSync(fd);
  }
}

function hasMark(fd: number): boolean {
  const mark = readAt(fd, 0, SEGMENT_MARK.length);
  return mark.equals(SEGMENT_MARK);
}

function readAt(fd: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, buffer, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}
