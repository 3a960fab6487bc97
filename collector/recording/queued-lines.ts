// Rows and events that wait in a spool for the store (core/spool/spool.ts), read without taking them away.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  isDated,
  type LineCounts,
  type RecordedLine,
} from '#collector/recording/recorded-lines.ts';
import { asEvent, asRow } from '#collector/row-shape.ts';
import { decodeFrames, type Frame } from '#core/spool/frame.ts';
import { SEGMENT_MARK } from '#core/spool/segment.ts';

/** Lines of a spool folder or one file of it; none where there are no such files. */
export function* queuedLines(path: string, counts: LineCounts): Generator<RecordedLine> {
  for (const file of filesAt(path)) {
    const content = readFileSync(file);
    const mark = content.subarray(0, SEGMENT_MARK.length);
    if (!mark.equals(SEGMENT_MARK)) continue;
    const { frames, bytes, end } = decodeFrames(content.subarray(SEGMENT_MARK.length));
    counts.segments++;
    counts.bytes += bytes;
    const left = content.length - SEGMENT_MARK.length - bytes;
    if (end === 'cut') counts.cutBytes += left;
    else counts.damagedBytes += left;
    for (const frame of frames) {
      counts.records++;
      const line = lineOf(frame);
      if (line === undefined || !isDated(line)) counts.unclear++;
      else yield line;
    }
  }
}

function filesAt(path: string): string[] {
  if (!statSync(path).isDirectory()) return path.endsWith('.spool') ? [path] : [];
  return readdirSync(path)
    .filter((name) => /^\d{8}\.spool$/.test(name))
    .sort()
    .map((name) => join(path, name));
}

function lineOf({ payload }: Frame): RecordedLine | undefined {
  try {
    const { host, source, row, event } = JSON.parse(payload.toString('utf8'));
    const origin = { host: String(host), source: String(source) };
    const [aRow, anEvent] = [asRow(row), asEvent(event)];
    if (aRow !== undefined) return { kind: 'row', origin, row: aRow };
    return anEvent === undefined ? undefined : { kind: 'event', origin, event: anEvent };
  } catch {
    // Counted by the caller.
    return undefined;
  }
}
