// The folder or file that dump and replay-samples are told to read, and what there is to say about its state.

import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { queuedLines } from '#collector/recording/queued-lines.ts';
import {
  type LineCounts,
  type RecordedLine,
  recordedLines,
} from '#collector/recording/recorded-lines.ts';
import { WsarError } from '#core/errors.ts';
import { RECORDING_MARK } from '#core/spool/recording-files.ts';
import { noCounts } from '#core/spool/recording-reader.ts';
import { SEGMENT_MARK } from '#core/spool/segment.ts';

/** @throws WsarError WSAR_ERR_FILE when there is nothing to read at `path`. */
export function checkRecordingPath(path: string | undefined): string {
  const hint = 'name the folder given to wsar collect --spool-folder, or a file of it';
  if (path === undefined || !existsSync(path)) {
    throw new WsarError('WSAR_ERR_FILE', `there is no recording at ${path}`, hint);
  }
  let isRecording: boolean;
  try {
    isRecording = statSync(path).isDirectory()
      ? readdirSync(path).some((name) => /\.(rec|tail|spool)$/.test(name))
      : hasMark(path);
  } catch (error) {
    const message = `${path} cannot be read: ${(error as Error).message}`;
    throw new WsarError('WSAR_ERR_FILE', message, hint, error);
  }
  if (!isRecording) throw new WsarError('WSAR_ERR_FILE', `${path} holds no recording`, hint);
  return path;
}

/** Whether a file begins as ours do, or ends before it could. */
function hasMark(file: string): boolean {
  const fd = openSync(file, 'r');
  try {
    const start = Buffer.alloc(RECORDING_MARK.length);
    const bytes = start.subarray(0, readSync(fd, start));
    return [RECORDING_MARK, SEGMENT_MARK].some((mark) =>
      bytes.equals(mark.subarray(0, bytes.length)),
    );
  } finally {
    closeSync(fd);
  }
}

export function newCounts(): LineCounts {
  return { ...noCounts(), unclear: 0 };
}

/** What was recorded to stay, then what still waits for the store. */
export function* allLines(path: string, counts: LineCounts): Generator<RecordedLine> {
  yield* recordedLines(path, counts);
  yield* queuedLines(path, counts);
}

/** One sentence when not all could be read; undefined when it could. */
export function remarkOf({ cutBytes, damagedBytes, unclear }: LineCounts): string | undefined {
  const parts = [
    cutBytes > 0 ? `${cutBytes} bytes at an end are of a row that was not finished` : '',
    damagedBytes > 0 ? `${damagedBytes} bytes are damaged` : '',
    unclear > 0 ? `${unclear} records lost what describes them` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join('; ');
}
