// The text of a receipt, the second check mark: '<uid of the receiver> <packet id that the sender used>', and what
// travels with it to the home of a sender of MQTT 5 that asked for it.

import {
  nextProperty,
  PROPERTY,
  PropertyCursor,
  readVariable,
  variableLength,
} from '#core/wire/mqtt/properties.ts';
import { CORRELATION_BYTES_MAX } from '#reference-server/home/receipt-batches.ts';
import { UID_BYTES_MAX, type UserTable } from '#reference-server/home/user-table.ts';

const SPACE = 0x20;
const LINE_FEED = 0x0a;
const RECEIPT_PREFIX = 0x72;
const SLASH = 0x2f;

/** Longest receipt with its response topic and Correlation Data, bytes. */
export const RECEIPT_BYTES_MAX = 2 * UID_BYTES_MAX + 24 + CORRELATION_BYTES_MAX;

/** Writes the receipt that the user in `row` accepted what its sender called `packetId`; returns its end. */
export function writeReceipt(
  out: Uint8Array,
  users: UserTable,
  row: number,
  packetId: number,
): number {
  let at = 0;
  for (let from = users.uidStart(row), end = users.uidEnd(row); from < end; from++) {
    out[at++] = users.uidBytes[from]!;
  }
  out[at++] = SPACE;
  return writeDecimal(out, at, packetId);
}

/** Writes a whole number below 100,000 in decimal digits; returns the new end. */
export function writeDecimal(out: Uint8Array, at: number, value: number): number {
  let divisor = 1;
  while (divisor * 10 <= value) divisor *= 10;
  for (; divisor >= 1; divisor = Math.floor(divisor / 10)) {
    out[at++] = 0x30 + (Math.floor(value / divisor) % 10);
  }
  return at;
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
