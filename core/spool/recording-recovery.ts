// Puts a folder in order that a killed process left: segments end with their last whole block, and a tail
// becomes the block that was not to be. What cannot be done (disk full) is left as it is: readers know how
// to read it.

import { closeSync, fsyncSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { encodeBlock, FRAME_BLOCK } from '#core/spool/block.ts';
import { encodeFrame } from '#core/spool/frame.ts';
import {
  listSegmentIndexes,
  listTails,
  nextRecord,
  RECORDING_MARK,
  readFileFrames,
  segmentPath,
} from '#core/spool/recording-files.ts';
import { decodeTail } from '#core/spool/recording-reader.ts';

export interface Recovered {
  /** Records that were in a tail. */
  records: number;
  /** Bytes of a record or a block that was half written. */
  cutBytes: number;
  /** Bytes that could not be understood. */
  damagedBytes: number;
}

/** Looks at the segments that have a tail, and at the last one: the only ones that a crash can have left open. */
export function recoverRecording(folder: string): Recovered {
  const recovered = { records: 0, cutBytes: 0, damagedBytes: 0 };
  const indexes = listSegmentIndexes(folder);
  for (const index of indexes) {
    const isLast = index === indexes.at(-1);
    if (isLast || listTails(folder, index).length > 0) recoverSegment(folder, index, recovered);
  }
  return recovered;
}

function recoverSegment(folder: string, index: number, recovered: Recovered): void {
  const file = segmentPath(folder, index);
  const { frames, wholeBytes, cutBytes, damagedBytes } = readFileFrames(file);
  recovered.cutBytes += cutBytes;
  recovered.damagedBytes += damagedBytes;
  // Not a file of ours, or of another version: it is left alone.
  if (damagedBytes > 0 && frames.length === 0) return;
  try {
    if (cutBytes > 0) truncateSync(file, wholeBytes);
    let end = wholeBytes;
    let next = nextRecord(frames);
    for (const tail of listTails(folder, index)) {
      const part = decodeTail(tail.file);
      recovered.cutBytes += part.cutBytes;
      recovered.damagedBytes += part.damagedBytes;
      if (tail.first >= next && part.records.length > 0) {
        end = appendBlock(file, end, encodeBlock(tail.first, part.records));
        next = tail.first + part.records.length;
        recovered.records += part.records.length;
      }
      rmSync(tail.file, { force: true });
    }
  } catch {
    // The disk is full or read-only: reading puts the same things together again.
  }
}

/** Returns where the file ends now. */
function appendBlock(file: string, end: number, payload: Buffer): number {
  const fd = openSync(file, end === 0 ? 'w' : 'r+', 0o600);
  try {
    const parts = end === 0 ? [RECORDING_MARK] : [];
    const bytes = Buffer.concat([...parts, encodeFrame(FRAME_BLOCK, payload)]);
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, end + done);
    }
    fsyncSync(fd);
    return end + bytes.length;
  } finally {
    closeSync(fd);
  }
}
