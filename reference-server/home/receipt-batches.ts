// Receipts of senders that asked for them in MQTT 5, by a Response Topic that is their own r/<uid>: gathered for
// a few milliseconds and sent as one PUBLISH, so that a burst of deliveries is not doubled by its receipts.
//
//   payload   one line each: '<uid of the receiver> <packet id> <Correlation Data, base64url>'
//   a single receipt carries its Correlation Data as that property too, as a plain response has it
//
// Senders of MQTT 3, or without a Response Topic, get '<uid> <packet id>' at once, one message each.

import {
  nextProperty,
  PROPERTY,
  PropertyCursor,
  readVariable,
  variableLength,
} from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';

const LINE_FEED = 0x0a;
const RECEIPT_PREFIX = 0x72;
const SLASH = 0x2f;
/** Longer Correlation Data comes back as none. */
export const CORRELATION_BYTES_MAX = 256;
/** Receipts in one message. */
const BATCH_MAX = 100;

interface Batch {
  generation: number;
  sinceMs: number;
  lines: string[];
  correlation: Uint8Array;
}

/** Sends a batch: payload and, of a single receipt, properties. */
export type SendReceipts = (
  row: number,
  generation: number,
  payload: Uint8Array,
  properties: PropertyWriter,
) => void;

export class ReceiptBatches {
  readonly #batches = new Map<number, Batch>();
  readonly #coalesceMs: number;
  readonly #send: SendReceipts;
  readonly #properties = new PropertyWriter(CORRELATION_BYTES_MAX + 8);

  constructor(coalesceMs: number, send: SendReceipts) {
    this.#coalesceMs = coalesceMs;
    this.#send = send;
  }

  /** Batches that wait. */
  get size(): number {
    return this.#batches.size;
  }

  /** Adds a receipt for the user in `row`: [start, end) is its text, the rest its Correlation Data. */
  add(
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    textEnd: number,
    correlationStart: number,
    end: number,
    nowMs: number,
  ): void {
    let batch = this.#batches.get(row);
    if (batch === undefined || batch.generation !== generation) {
      batch = { generation, sinceMs: nowMs, lines: [], correlation: new Uint8Array(0) };
      this.#batches.set(row, batch);
    }
    const correlation = Buffer.from(bytes.subarray(correlationStart, end));
    const text = Buffer.from(bytes.subarray(start, textEnd)).toString('utf8');
    batch.lines.push(`${text} ${correlation.toString('base64url')}`);
    batch.correlation = correlation;
    if (batch.lines.length >= BATCH_MAX || this.#coalesceMs === 0) this.#flush(row, batch);
  }

  /** Sends what has waited long enough. */
  flush(nowMs: number): void {
    for (const [row, batch] of this.#batches) {
      if (nowMs - batch.sinceMs >= this.#coalesceMs) this.#flush(row, batch);
    }
  }

  #flush(row: number, { generation, lines, correlation }: Batch): void {
    this.#batches.delete(row);
    const properties = this.#properties.clear();
    const isSingle = lines.length === 1 && correlation.length > 0;
    if (isSingle) properties.binary(PROPERTY.correlationData, correlation);
    this.#send(row, generation, Buffer.from(lines.join('\n')), properties);
  }
}

const cursor = new PropertyCursor();

/**
 * Appends '\n<uid>\n<Correlation Data>' to a receipt in [0, at) of `out` when the properties of the message
 * in [0, length) of `body` name a Response Topic r/<uid>; returns the new end, or -1 when they name another
 * topic: then its receiver answers, and not the server.
 */
export function appendResponse(
  out: Uint8Array,
  at: number,
  body: Uint8Array,
  length: number,
): number {
  let topicStart = -1;
  let topicEnd = -1;
  let correlationStart = 0;
  let correlationEnd = 0;
  cursor.next = variableLength(body, 0);
  const blockEnd = cursor.next + readVariable(body, 0, length);
  while (nextProperty(body, blockEnd, cursor) > 0) {
    if (cursor.id === PROPERTY.responseTopic) {
      topicStart = cursor.start;
      topicEnd = cursor.end;
    } else if (cursor.id === PROPERTY.correlationData) {
      correlationStart = cursor.start;
      correlationEnd = cursor.end;
    }
  }
  if (topicStart < 0) return at;
  if (body[topicStart] !== RECEIPT_PREFIX || body[topicStart + 1] !== SLASH) return -1;
  if (correlationEnd - correlationStart > CORRELATION_BYTES_MAX) correlationEnd = correlationStart;
  const size = topicEnd - topicStart + correlationEnd - correlationStart;
  if (at + size > out.length) return -1;
  out[at++] = LINE_FEED;
  for (let from = topicStart + 2; from < topicEnd; from++) out[at++] = body[from]!;
  out[at++] = LINE_FEED;
  for (let from = correlationStart; from < correlationEnd; from++) out[at++] = body[from]!;
  return at;
}
