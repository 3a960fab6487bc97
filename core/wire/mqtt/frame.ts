// The frame of every MQTT packet (2.2), the same in 3.1.1 and 5:
//
//   byte 0      type (4 bits), flags (4 bits)
//   byte 1..4   remaining length: 7 bits a byte, least significant first, bit 7 = another follows
//   then        as many bytes as the remaining length says
//
// Cost: one table look-up and at most four steps; no allocation.

import { assert } from '#core/assert.ts';
import { FLAW } from '#core/wire/mqtt/packet.ts';

/** Largest remaining length that four bytes can say (2.2.3). */
export const REMAINING_LENGTH_MAX = 268_435_455;

/** 1 for each first byte that some packet may start with [MQTT-2.2.2-1]. */
const FIRST_BYTE_ALLOWED = firstBytesAllowed();

/**
 * Length of the packet that starts at `start`, header included, when [start, end) holds all of it;
 * 0 when more bytes are needed; a FLAW below zero when no further byte can make it a packet that is
 * at most `bytesMax` long. A claim of too great a length is refused from the header alone.
 */
export function frameLength(
  bytes: Uint8Array,
  start: number,
  end: number,
  bytesMax: number,
): number {
  const length = announcedLength(bytes, start, end, bytesMax);
  return length > end - start ? 0 : length;
}

/**
 * The same from the header alone: the length even while the body has not arrived, 0 while the header
 * itself is incomplete. For readers that do not gather whole packets.
 */
export function announcedLength(
  bytes: Uint8Array,
  start: number,
  end: number,
  bytesMax: number,
): number {
  if (start >= end) return 0;
  if (FIRST_BYTE_ALLOWED[bytes[start]!] === 0) return FLAW.firstByte;
  let remaining = 0;
  let shift = 0;
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at]!;
    remaining |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      const length = at + 1 - start + remaining;
      return length > bytesMax ? FLAW.tooLarge : length;
    }
    shift += 7;
    if (shift === 28) return FLAW.lengthOverlong;
  }
  return 0;
}

/** Offset of the first byte after the header of a packet that `frameLength` has measured. */
export function bodyStart(bytes: Uint8Array, start: number): number {
  let at = start + 1;
  while (bytes[at]! >= 0x80) at++;
  return at + 1;
}

/** Bytes of the header in front of `remaining` bytes: 2 to 5. */
export function headerLength(remaining: number): number {
  if (remaining < 0x80) return 2;
  if (remaining < 0x4000) return 3;
  return remaining < 0x200000 ? 4 : 5;
}

/**
 * Writes the header of a packet and checks that all of the packet has room in `out`. Returns the
 * offset of the body.
 */
export function writeHeader(
  out: Uint8Array,
  at: number,
  firstByte: number,
  remaining: number,
): number {
  assert(remaining <= REMAINING_LENGTH_MAX, 'an MQTT packet is at most 256 MiB');
  assert(at + headerLength(remaining) + remaining <= out.length, 'the packet fits its buffer');
  out[at++] = firstByte;
  while (remaining >= 0x80) {
    out[at++] = (remaining & 0x7f) | 0x80;
    remaining >>>= 7;
  }
  out[at++] = remaining;
  return at;
}

function firstBytesAllowed(): Uint8Array {
  const allowed = new Uint8Array(256);
  for (let type = 1; type <= 15; type++) {
    // PUBREL, SUBSCRIBE and UNSUBSCRIBE carry the flags 0010, PUBLISH its own, all others 0000
    // (table 2.2). Type 15 is a packet (AUTH) in MQTT 5 only: who speaks 3.1.1 refuses it by type.
    const flags = type === 6 || type === 8 || type === 10 ? 2 : 0;
    allowed[(type << 4) | flags] = 1;
  }
  // CONNECT of MQTT 3.1 may carry any: `decodeConnect` refuses flags of a later version.
  for (let flags = 0; flags < 16; flags++)
    allowed[(1 << 4) | flags] = allowed[(3 << 4) | flags] = 1;
  return allowed;
}
