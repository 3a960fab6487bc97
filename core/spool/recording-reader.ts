// Reads a recording, while it is being written or after a crash: all whole records in order, never an
// exception for what is damaged, which is counted instead. Memory: one segment and one block of records.

import { statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Block, decodeBlock, FRAME_BLOCK } from '#core/spool/block.ts';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import type { Frame } from '#core/spool/frame.ts';
import { RecordDecoder, type SpoolRecord } from '#core/spool/record.ts';
import {
  listSegmentIndexes,
  listTails,
  nextRecord,
  readFileFrames,
  segmentPath,
} from '#core/spool/recording-files.ts';

export interface ReadCounts {
  segments: number;
  records: number;
  bytes: number;
  /** Bytes at an end that were only half written. */
  cutBytes: number;
  damagedBytes: number;
}

export interface ReadRecord {
  /** Index of its segment: streams of another one are others. */
  segment: number;
  record: SpoolRecord;
}

/** A tail may become a block while it is looked for; then the segment is read again. */
const LOOKS_MAX = 3;

/**
 * Reads a folder or one file of it, and counts into `counts` on the way.
 * @throws Error of the system when there is nothing at `path`.
 */
export function* readRecording(path: string, counts: ReadCounts): Generator<ReadRecord> {
  if (!statSync(path).isDirectory()) {
    yield* readOneFile(path, counts);
    return;
  }
  for (const segment of listSegmentIndexes(path)) yield* readSegment(path, segment, counts);
}

export function noCounts(): ReadCounts {
  return { segments: 0, records: 0, bytes: 0, cutBytes: 0, damagedBytes: 0 };
}

export interface TailRecords {
  records: SpoolRecord[];
  bytes: number;
  cutBytes: number;
  damagedBytes: number;
}

/** The whole records of a tail. */
export function decodeTail(file: string): TailRecords {
  const { frames, wholeBytes, cutBytes, damagedBytes } = readFileFrames(file);
  const decoder = new RecordDecoder();
  const records: SpoolRecord[] = [];
  let unread = 0;
  try {
    for (const frame of frames) records.push(decoder.decode(frame));
  } catch (error) {
    if (!(error instanceof DamagedBytes)) throw error;
    for (const { payload } of frames.slice(records.length)) unread += payload.length;
  }
  return { records, bytes: wholeBytes, cutBytes, damagedBytes: damagedBytes + unread };
}

function* readSegment(folder: string, segment: number, counts: ReadCounts): Generator<ReadRecord> {
  counts.segments++;
  let next = 0;
  for (let look = 1; ; look++) {
    const { frames, wholeBytes, cutBytes, damagedBytes } = readFileFrames(
      segmentPath(folder, segment),
    );
    // What was yielded in an earlier look is passed over.
    for (const { records, first } of blocksOf(frames, counts)) {
      if (first < next) continue;
      next = first + records.length;
      for (const record of records) yield counted({ segment, record }, counts);
    }
    const tails = listTails(folder, segment).filter((tail) => tail.first >= nextRecord(frames));
    const read = tails.map((tail) => ({ ...tail, ...decodeTail(tail.file) }));
    // The tail of now begins where the blocks end, or a block has come meanwhile.
    const isMoved = read.some((tail) => tail.first > next || tail.bytes === 0);
    if (isMoved && look < LOOKS_MAX) continue;
    counts.bytes += wholeBytes;
    counts.cutBytes += cutBytes;
    counts.damagedBytes += damagedBytes;
    for (const tail of read) yield* readTail(segment, tail, counts);
    return;
  }
}

/** A segment is read with its tail; anything else by what it holds. */
function* readOneFile(path: string, counts: ReadCounts): Generator<ReadRecord> {
  const segment = Number(/^(\d{8})\.rec$/.exec(basename(path))?.[1] ?? Number.NaN);
  if (!Number.isNaN(segment)) {
    yield* readSegment(dirname(path), segment, counts);
    return;
  }
  counts.segments++;
  const { frames, wholeBytes, cutBytes, damagedBytes } = readFileFrames(path);
  if (frames[0]?.type !== FRAME_BLOCK) {
    yield* readTail(0, decodeTail(path), counts);
    return;
  }
  counts.bytes += wholeBytes;
  counts.cutBytes += cutBytes;
  counts.damagedBytes += damagedBytes;
  for (const { records } of blocksOf(frames, counts)) {
    for (const record of records) yield counted({ segment: 0, record }, counts);
  }
}

function* readTail(segment: number, tail: TailRecords, counts: ReadCounts): Generator<ReadRecord> {
  counts.bytes += tail.bytes;
  counts.cutBytes += tail.cutBytes;
  counts.damagedBytes += tail.damagedBytes;
  for (const record of tail.records) yield counted({ segment, record }, counts);
}

/** Blocks that a checksum calls whole and nobody can read are damage too. */
function* blocksOf(frames: readonly Frame[], counts: ReadCounts): Generator<Block> {
  for (const { type, payload } of frames) {
    try {
      if (type === FRAME_BLOCK) yield decodeBlock(payload);
      else counts.damagedBytes += payload.length;
    } catch (error) {
      if (!(error instanceof DamagedBytes)) throw error;
      counts.damagedBytes += payload.length;
    }
  }
}

function counted(record: ReadRecord, counts: ReadCounts): ReadRecord {
  counts.records++;
  return record;
}
