// What a recording is made of, in order: what a stream of rows means, its rows, and texts (events).
//
//   frame type   payload in a tail
//   16 schema    varint stream | byte 0 or 1 (deflated) | JSON
//   17 row       varint stream | varint columns | tokens (number-column.ts) against the stream's row before
//   18 text      byte 0 or 1 (deflated) | JSON
//
// The first row of a stream in a tail stands against a row of zeros. What the columns are is the business
// of who records; streams are numbered from 0 anew in every segment.

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ByteReader, DamagedBytes } from '#core/spool/byte-reader.ts';
import { ByteWriter } from '#core/spool/byte-writer.ts';
import type { Frame } from '#core/spool/frame.ts';
import { CellState, NumberColumns, TokenDecoder, TokenEncoder } from '#core/spool/number-column.ts';

export const FRAME_SCHEMA = 16;
export const FRAME_NUMBERS = 17;
export const FRAME_TEXT = 18;

/** Streams of one segment; a lab has a handful. */
export const STREAMS_MAX = 1024;
/** Columns of one stream. */
export const COLUMNS_MAX = 131_072;
/** A text or a block that is longer after inflating is not believed. */
export const INFLATED_BYTES_MAX = 32 * 1024 * 1024;
/** Cells of the rows of one block or one tail, thirty times what we write: a lie shall not cost all memory. */
export const CELLS_MAX = 16 * 1024 * 1024;
/** A shorter text is not worth deflating. */
const DEFLATE_BYTES_MIN = 200;

/** One row of numbers. A column's value counts where its state is `CellState.number`. */
export interface NumberRow {
  values: Float64Array;
  states: Uint8Array;
}

export type SpoolRecord =
  | { kind: 'schema'; stream: number; json: string }
  | { kind: 'numbers'; stream: number; row: NumberRow }
  | { kind: 'text'; json: string };

/** Writes the frames of one tail. */
export class RecordEncoder {
  readonly #out = new ByteWriter();
  readonly #tokens = new TokenEncoder(this.#out);
  readonly #columns = new Map<number, NumberColumns>();

  /** The payload of a record's frame: a buffer of its own. */
  encode(record: SpoolRecord): Buffer {
    const out = this.#out;
    out.clear();
    if (record.kind === 'text') putText(out, record.json);
    else {
      out.varint(record.stream);
      if (record.kind === 'schema') putText(out, record.json);
      else this.#putRow(record.stream, record.row);
    }
    return Buffer.from(out.view());
  }

  #putRow(stream: number, { values, states }: NumberRow): void {
    const count = states.length;
    const columns = columnsOf(this.#columns, stream, count);
    this.#out.varint(count);
    for (let column = 0; column < count; column++) {
      this.#tokens.put(columns, column, states[column]!, values[column]!);
    }
    this.#tokens.end();
  }
}

/** Reads the frames of one tail. */
export class RecordDecoder {
  readonly #columns = new Map<number, NumberColumns>();
  #cellsLeft = CELLS_MAX;
  #charsLeft = INFLATED_BYTES_MAX;

  /** @throws DamagedBytes for what no encoder wrote. */
  decode({ type, payload }: Frame): SpoolRecord {
    const from = new ByteReader(payload);
    if (type === FRAME_TEXT) return { kind: 'text', json: this.#text(from) };
    const stream = from.varint(STREAMS_MAX);
    if (type === FRAME_SCHEMA) return { kind: 'schema', stream, json: this.#text(from) };
    if (type !== FRAME_NUMBERS) throw new DamagedBytes(`there is no frame of type ${type}`);
    const count = from.varint(COLUMNS_MAX);
    this.#cellsLeft -= count;
    if (this.#cellsLeft < 0) throw new DamagedBytes('more cells than a tail has');
    const columns = columnsOf(this.#columns, stream, count);
    const tokens = new TokenDecoder(from);
    for (let column = 0; column < count; column++) tokens.next(columns, column);
    return { kind: 'numbers', stream, row: rowOf(columns, count) };
  }

  #text(from: ByteReader): string {
    const text = readText(from, this.#charsLeft);
    this.#charsLeft -= text.length;
    return text;
  }
}

export function frameTypeOf(record: SpoolRecord): number {
  if (record.kind === 'schema') return FRAME_SCHEMA;
  return record.kind === 'text' ? FRAME_TEXT : FRAME_NUMBERS;
}

/** A copy of the first `count` columns. */
export function rowOf(columns: NumberColumns, count: number): NumberRow {
  return { values: columns.values.slice(0, count), states: columns.states.slice(0, count) };
}

/** How a row of `count` columns is shown that has fewer: what it lacks is absent. */
export function stateAt(row: NumberRow, column: number): number {
  return column < row.states.length ? row.states[column]! : CellState.absent;
}

function columnsOf(
  known: Map<number, NumberColumns>,
  stream: number,
  count: number,
): NumberColumns {
  const before = known.get(stream);
  if (before !== undefined && before.states.length >= count) return before;
  const columns = before?.grown(count) ?? new NumberColumns(count);
  known.set(stream, columns);
  return columns;
}

function putText(out: ByteWriter, json: string): void {
  const text = Buffer.from(json);
  const isDeflated = text.length >= DEFLATE_BYTES_MIN;
  out.byte(isDeflated ? 1 : 0);
  out.bytes(isDeflated ? deflateRawSync(text) : text);
}

function readText(from: ByteReader, bytesMax: number): string {
  const isDeflated = from.byte() === 1;
  const bytes = from.rest();
  return (isDeflated ? inflated(bytes, bytesMax) : bytes).toString('utf8');
}

/** @throws DamagedBytes for what is no deflated text, or one too long. */
export function inflated(bytes: Buffer, bytesMax: number): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, bytesMax) });
  } catch (error) {
    throw new DamagedBytes(`it cannot be inflated: ${(error as Error).message}`);
  }
}
