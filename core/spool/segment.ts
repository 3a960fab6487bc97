// The files of a spool: NNNNNNNN.spool, counted up, each an 8-byte mark and then frames. Only the last
// one grows; a segment that was read to its end is deleted whole.

import { readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { decodeFrames } from '#core/spool/frame.ts';

/** First bytes of every segment; the digit is the version of the layout. */
export const SEGMENT_MARK = Buffer.from('WSARSPL1');

export function segmentFile(folder: string, index: number): string {
  return join(folder, `${String(index).padStart(8, '0')}.spool`);
}

export interface SegmentSize {
  index: number;
  bytes: number;
}

/** The segments of a folder, oldest first. */
export function listSegments(folder: string): SegmentSize[] {
  return readdirSync(folder)
    .flatMap((name) => {
      const match = /^(\d{8})\.spool$/.exec(name);
      return match === null ? [] : [Number(match[1])];
    })
    .sort((a, b) => a - b)
    .map((index) => ({ index, bytes: statSync(segmentFile(folder, index)).size }));
}

/**
 * Cuts what a crash left half written off the end of the last segment. Returns how long it is now, or
 * undefined when it is not a segment of ours (another version): then it is left alone.
 */
export function recoverSegment(folder: string, last: SegmentSize): number | undefined {
  const file = segmentFile(folder, last.index);
  const content = readFileSync(file);
  const mark = content.subarray(0, SEGMENT_MARK.length);
  if (!mark.equals(SEGMENT_MARK.subarray(0, mark.length))) return undefined;
  const whole =
    mark.length < SEGMENT_MARK.length
      ? 0
      : SEGMENT_MARK.length + decodeFrames(content.subarray(SEGMENT_MARK.length)).bytes;
  if (whole < content.length) truncateSync(file, whole);
  return whole;
}
