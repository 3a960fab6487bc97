// The text of a receipt, the second check mark: '<uid of the receiver> <packet id that the sender used>'.

import { CORRELATION_BYTES_MAX } from '#reference-server/home/receipt-batches.ts';
import { UID_BYTES_MAX, type UserTable } from '#reference-server/home/user-table.ts';

const SPACE = 0x20;

/** Longest receipt with its response topic and Correlation Data, bytes. */
export const RECEIPT_BYTES_MAX = 2 * UID_BYTES_MAX + 16 + CORRELATION_BYTES_MAX;

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
function writeDecimal(out: Uint8Array, at: number, value: number): number {
  let divisor = 1;
  while (divisor * 10 <= value) divisor *= 10;
  for (; divisor >= 1; divisor = Math.floor(divisor / 10)) {
    out[at++] = 0x30 + (Math.floor(value / divisor) % 10);
  }
  return at;
}
