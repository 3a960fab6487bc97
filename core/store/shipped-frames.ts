// What a row or event looks like in the spool, and as lines of the store's tables.

import type { LabEvent } from '#core/bus/topic.ts';
import type { Row } from '#core/metric/row.ts';
import type { Frame } from '#core/spool/frame.ts';
import type { EventLine, HistogramLine, RowLine } from '#core/store/tables.ts';

export const FRAME_ROW = 1;
export const FRAME_EVENT = 2;

interface FrameOrigin {
  runId: string;
  host: string;
  source: string;
}

type RowFrame = FrameOrigin & { row: Row };
type EventFrame = FrameOrigin & { event: LabEvent };

/** Payload of a row's frame. Decays are not kept: they follow from the values. */
export function rowPayload(origin: FrameOrigin, row: Row): Buffer {
  const { decays: _decays, ...kept } = row;
  return Buffer.from(JSON.stringify({ ...origin, row: kept } satisfies RowFrame));
}

export function eventPayload(origin: FrameOrigin, event: LabEvent): Buffer {
  return Buffer.from(JSON.stringify({ ...origin, event } satisfies EventFrame));
}

export interface TableLines {
  rows: RowLine[];
  events: EventLine[];
  histograms: HistogramLine[];
  /** Frames that could not be understood: of another version, or not from us. */
  refused: number;
}

/** Metric of the rows that follow missed ticks: how many were missed. */
const MISSED_TICKS = 'wsar.tick.missed';

export function toLines(frames: readonly Frame[]): TableLines {
  const lines: TableLines = { rows: [], events: [], histograms: [], refused: 0 };
  for (const { type, payload } of frames) {
    try {
      const value: unknown = JSON.parse(payload.toString('utf8'));
      if (type === FRAME_ROW) addRow(lines, value as RowFrame);
      else if (type === FRAME_EVENT) addEvent(lines, value as EventFrame);
      else lines.refused++;
    } catch {
      // Rows of the bus come from other processes: what does not have their form is counted.
      lines.refused++;
    }
  }
  return lines;
}

function addRow(lines: TableLines, { runId, host, source, row }: RowFrame): void {
  const origin = { run_id: String(runId), host: String(host), source: String(source) };
  const wall_ms = wholeMs(row.wallMs);
  for (const [metric, value] of Object.entries(row.values)) {
    if (isMeasured(value)) lines.rows.push({ ...origin, metric, wall_ms, value });
  }
  if (row.missedTicks > 0) {
    lines.rows.push({ ...origin, metric: MISSED_TICKS, wall_ms, value: row.missedTicks });
  }
  for (const [name, hdr] of Object.entries(row.histograms ?? {})) {
    lines.histograms.push({ ...origin, name, wall_ms, hdr: String(hdr) });
  }
}

function addEvent(lines: TableLines, { runId, host, source, event }: EventFrame): void {
  lines.events.push({
    run_id: String(runId),
    host: String(host),
    source: String(source),
    wall_ms: wholeMs(event.wallMs),
    kind: String(event.kind),
    text: String(event.text),
    data: JSON.stringify(event.data ?? {}),
  });
}

function isMeasured(value: unknown): value is number {
  return Number.isFinite(value);
}

/** Where ClickHouse's DateTime ends (2106), by which the tables are partitioned. */
const WALL_MS_MAX = 2 ** 32 * 1000 - 1;

/** UInt64 of the table takes whole numbers only. */
function wholeMs(wallMs: unknown): number {
  if (!isMeasured(wallMs) || wallMs < 0 || wallMs > WALL_MS_MAX)
    throw new RangeError('no wall time');
  return Math.round(wallMs);
}
