// A block: the records of about a minute, put together when they are complete. Column stands beside column
// over the rows of the block, so that what does not change is one token and what changes evenly deflates
// well: two thirds of what the same rows take in a tail.
//
//   payload   varint first | varint count | deflated body          `first` is the index of its first record
//   body      count times varint stream * 4 + kind (0 schema, 1 row, 2 text): the order
//             then of every schema and text: varint length | JSON
//             then of every stream with rows, in the order of its first: varint columns | tokens, column by column

import { deflateRawSync } from 'node:zlib';
import { ByteReader, DamagedBytes } from '#core/spool/byte-reader.ts';
import { ByteWriter } from '#core/spool/byte-writer.ts';
import { CellState, NumberColumns, TokenDecoder, TokenEncoder } from '#core/spool/number-column.ts';
import {
  CELLS_MAX,
  COLUMNS_MAX,
  INFLATED_BYTES_MAX,
  inflated,
  type NumberRow,
  type SpoolRecord,
  STREAMS_MAX,
  stateAt,
} from '#core/spool/record.ts';

export const FRAME_BLOCK = 19;
/** Records of one block. */
export const BLOCK_RECORDS_MAX = 4096;
const KINDS = 4;
const Kind = { schema: 0, numbers: 1, text: 2 } as const;

export interface Block {
  first: number;
  records: SpoolRecord[];
}

export function encodeBlock(first: number, records: readonly SpoolRecord[]): Buffer {
  const body = new ByteWriter();
  for (const record of records) {
    body.varint((record.kind === 'text' ? 0 : record.stream) * KINDS + Kind[record.kind]);
  }
  for (const record of records) {
    if (record.kind === 'numbers') continue;
    const text = Buffer.from(record.json);
    body.varint(text.length);
    body.bytes(text);
  }
  for (const rows of rowsByStream(records).values()) putRows(body, rows);
  const out = new ByteWriter();
  out.varint(first);
  out.varint(records.length);
  out.bytes(deflateRawSync(body.view(), { level: 9 }));
  return Buffer.from(out.view());
}

/** Index of a block's first record and how many follow, without reading them. */
export function blockRange(payload: Buffer): { first: number; count: number } {
  const from = new ByteReader(payload);
  return { first: from.varint(), count: from.varint(BLOCK_RECORDS_MAX) };
}

/** @throws DamagedBytes for what no encoder wrote. */
export function decodeBlock(payload: Buffer): Block {
  const head = new ByteReader(payload);
  const first = head.varint();
  const count = head.varint(BLOCK_RECORDS_MAX);
  const body = new ByteReader(inflated(head.rest(), INFLATED_BYTES_MAX));
  const order = Array.from({ length: count }, () => body.varint(STREAMS_MAX * KINDS));
  const texts = order
    .filter((code) => code % KINDS !== Kind.numbers)
    .map(() => body.bytes(body.varint(INFLATED_BYTES_MAX)).toString('utf8'));
  const counts = new Map<number, number>();
  for (const code of order) {
    const stream = Math.floor(code / KINDS);
    if (code % KINDS === Kind.numbers) counts.set(stream, (counts.get(stream) ?? 0) + 1);
  }
  const rows = new Map<number, NumberRow[]>();
  let cellsLeft = CELLS_MAX;
  for (const [stream, length] of counts) {
    const columns = body.varint(COLUMNS_MAX);
    cellsLeft -= columns * length;
    if (cellsLeft < 0) throw new DamagedBytes('more cells than a block has');
    rows.set(stream, readRows(body, length, columns));
  }
  const records = order.map((code): SpoolRecord => {
    const stream = Math.floor(code / KINDS);
    const kind = code % KINDS;
    if (kind === Kind.numbers) {
      return { kind: 'numbers', stream, row: rows.get(stream)!.shift()! };
    }
    if (kind !== Kind.schema && kind !== Kind.text) throw new DamagedBytes(`no record ${kind}`);
    const json = texts.shift()!;
    return kind === Kind.schema ? { kind: 'schema', stream, json } : { kind: 'text', json };
  });
  return { first, records };
}

function rowsByStream(records: readonly SpoolRecord[]): Map<number, NumberRow[]> {
  const byStream = new Map<number, NumberRow[]>();
  for (const record of records) {
    if (record.kind !== 'numbers') continue;
    const rows = byStream.get(record.stream);
    if (rows === undefined) byStream.set(record.stream, [record.row]);
    else rows.push(record.row);
  }
  return byStream;
}

function putRows(body: ByteWriter, rows: readonly NumberRow[]): void {
  const count = Math.max(...rows.map((row) => row.states.length));
  const tokens = new TokenEncoder(body);
  const columns = new NumberColumns(count);
  body.varint(count);
  for (let column = 0; column < count; column++) {
    for (const row of rows) {
      tokens.put(columns, column, stateAt(row, column), row.values[column] ?? 0);
    }
  }
  tokens.end();
}

function readRows(body: ByteReader, length: number, count: number): NumberRow[] {
  const tokens = new TokenDecoder(body);
  const columns = new NumberColumns(count);
  const rows = Array.from({ length }, () => ({
    values: new Float64Array(count),
    states: new Uint8Array(count),
  }));
  for (let column = 0; column < count; column++) {
    for (const row of rows) {
      tokens.next(columns, column);
      row.values[column] = columns.values[column]!;
      row.states[column] = columns.states[column]!;
    }
  }
  for (const row of rows) dropAbsent(row);
  return rows;
}

/** A row has no columns behind its last one that is there. */
function dropAbsent(row: NumberRow): void {
  let count = row.states.length;
  while (count > 0 && row.states[count - 1] === CellState.absent) count--;
  row.states = row.states.subarray(0, count);
  row.values = row.values.subarray(0, count);
}
