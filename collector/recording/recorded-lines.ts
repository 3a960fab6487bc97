// What a recording holds, as a collector would have printed it: rows and events with their host and source,
// in the order in which they were taken.

import { type HistogramsText, type RowSchema, rowOfCells } from '#collector/recording/row-tape.ts';
import type { TickSchema } from '#collector/recording/tick-columns.ts';
import { TickReplay } from '#collector/recording/tick-replay.ts';
import { asEvent } from '#collector/row-shape.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import type { Row } from '#core/metric/row.ts';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import type { NumberRow } from '#core/spool/record.ts';
import { type ReadCounts, readRecording } from '#core/spool/recording-reader.ts';

/** Where dates end (ECMAScript). */
const DATE_MS_MAX = 8.64e15;

interface Origin {
  host: string;
  source: string;
}

export type EventText = Origin & LabEvent;

export type RecordedLine =
  | { kind: 'row'; origin: Origin; row: Row }
  | { kind: 'event'; origin: Origin; event: LabEvent }
  | { kind: 'histograms'; origin: Origin; wallMs: number; histograms: Record<string, string> };

export interface LineCounts extends ReadCounts {
  /** Records that were whole and could not be understood: what describes them is damaged or gone. */
  unclear: number;
}

/**
 * Reads a folder, or one file of it, and counts on the way. What cannot be understood is counted too, and
 * passed over.
 * @throws Error of the system when there is nothing at `path`.
 */
export function* recordedLines(path: string, counts: LineCounts): Generator<RecordedLine> {
  const streams = new Streams();
  for (const { segment, record } of readRecording(path, counts)) {
    try {
      if (record.kind === 'schema') streams.describe(segment, record.stream, record.json);
      else {
        const line =
          record.kind === 'text'
            ? lineOf(record.json)
            : streams.line(segment, record.stream, record.row);
        if (line !== undefined && !isDated(line)) throw new DamagedBytes('a line without a time');
        if (line !== undefined) yield line;
      }
    } catch (error) {
      if (!(error instanceof DamagedBytes)) throw error;
      counts.unclear++;
    }
  }
}

/** The time a line stands for, ms. */
export function wallMsOf(line: RecordedLine): number {
  if (line.kind === 'row') return line.row.wallMs;
  return line.kind === 'event' ? line.event.wallMs : line.wallMs;
}

/** Whether its time is one that can be written. */
export function isDated(line: RecordedLine): boolean {
  return Math.abs(wallMsOf(line)) <= DATE_MS_MAX;
}

class Streams {
  #segment = -1;
  readonly #rows = new Map<number, RowSchema>();
  readonly #ticks = new Map<number, TickReplay>();
  /** Replays of other segments, by session: their decays go on. */
  readonly #sessions = new Map<string, TickReplay>();

  describe(segment: number, stream: number, json: string): void {
    this.#enter(segment);
    const schema = parsed(json) as unknown as RowSchema | TickSchema;
    if (schema.form === 'rows') {
      if (!isNames(schema.metrics)) throw new DamagedBytes('a description without metrics');
      this.#rows.set(stream, schema);
      return;
    }
    if (!isTickSchema(schema)) throw new DamagedBytes('a description of nothing known');
    const key = `${schema.host} ${schema.source} ${schema.session}`;
    const known = this.#ticks.get(stream) ?? this.#sessions.get(key);
    if (known === undefined && schema.form === 'patch') {
      throw new DamagedBytes('a description without its beginning');
    }
    if (known === undefined) {
      this.#sessions.clear();
      this.#sessions.set(key, new TickReplay(schema));
    } else known.describe(schema);
    this.#ticks.set(stream, known ?? this.#sessions.get(key)!);
  }

  line(segment: number, stream: number, row: NumberRow): RecordedLine | undefined {
    this.#enter(segment);
    const schema = this.#rows.get(stream);
    if (schema !== undefined) {
      const { host, source } = schema;
      return { kind: 'row', origin: { host, source }, row: rowOfCells(schema, row) };
    }
    const ticks = this.#ticks.get(stream);
    if (ticks === undefined) throw new DamagedBytes('a row without its description');
    const { host, source } = ticks;
    const replayed = ticks.replay(row);
    return replayed === undefined
      ? undefined
      : { kind: 'row', origin: { host, source }, row: replayed };
  }

  #enter(segment: number): void {
    if (segment === this.#segment) return;
    this.#segment = segment;
    this.#rows.clear();
    this.#ticks.clear();
  }
}

function lineOf(json: string): RecordedLine {
  const text = parsed(json) as unknown as EventText | HistogramsText;
  const { host, source, ...rest } = text;
  const origin = { host, source };
  if ('histograms' in rest) {
    const { wallMs, histograms } = rest;
    return { kind: 'histograms', origin, wallMs, histograms };
  }
  if (asEvent(rest) === undefined) throw new DamagedBytes('a text that is no event');
  return { kind: 'event', origin, event: rest };
}

function parsed(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through to the one sentence.
  }
  throw new DamagedBytes('a text that is no object');
}

function isNames(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function isTickSchema({ form, sources, slots, forgotten }: TickSchema): boolean {
  const isSlot = (entry: unknown): boolean =>
    Array.isArray(entry) &&
    Number.isSafeInteger(entry[0]) &&
    entry[0] >= 0 &&
    Number.isSafeInteger(entry[1]) &&
    typeof entry[2]?.name === 'string';
  return (
    (form === 'ticks' || form === 'patch') &&
    Array.isArray(sources) &&
    sources.every((source) => typeof source?.id === 'string') &&
    Array.isArray(slots) &&
    slots.every(isSlot) &&
    Array.isArray(forgotten) &&
    forgotten.every(Number.isSafeInteger)
  );
}
