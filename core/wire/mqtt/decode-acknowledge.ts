// Packets that only acknowledge: a packet identifier, in SUBACK followed by return codes.
//
//   PUBACK 0x40, PUBREC 0x50, PUBREL 0x62, PUBCOMP 0x70, UNSUBACK 0xb0    02 | packet id (2)
//   SUBACK 0x90 len | packet id (2) | one return code (0, 1, 2, 0x80) for each filter

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';

/** Packet identifier of a PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK in [start, end), or a FLAW. */
export function decodePacketId(bytes: Uint8Array, start: number, end: number): number {
  const body = bodyStart(bytes, start);
  if (end - body < 2) return FLAW.truncated;
  if (end - body > 2) return FLAW.trailing;
  return (bytes[body]! << 8) | bytes[body + 1]! || FLAW.packetId;
}

/** What `decodeSuback` found; the return codes are the bytes [codesStart, codesEnd). */
export class SubackFields {
  packetId = 0;
  codesStart = 0;
  codesEnd = 0;
}

/** Reads the SUBACK in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeSuback(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubackFields,
): number {
  const body = bodyStart(bytes, start);
  if (end - body < 3) return FLAW.truncated;
  fields.packetId = (bytes[body]! << 8) | bytes[body + 1]!;
  if (fields.packetId === 0) return FLAW.packetId;
  fields.codesStart = body + 2;
  fields.codesEnd = end;
  for (let at = body + 2; at < end; at++) {
    if (bytes[at]! > 2 && bytes[at] !== SUBACK_FAILURE) return FLAW.returnCode;
  }
  return 0;
}

/** 0, or FLAW.trailing when a PINGREQ, PINGRESP or DISCONNECT in [start, end) has a body. */
export function emptyBodyFlaw(bytes: Uint8Array, start: number, end: number): number {
  return bodyStart(bytes, start) === end ? 0 : FLAW.trailing;
}
