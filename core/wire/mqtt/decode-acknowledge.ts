// Packets that only acknowledge: a packet identifier, in MQTT 5 a reason code and properties, in SUBACK
// and UNSUBACK codes of each filter.
//
//   PUBACK 0x40, PUBREC 0x50, PUBREL 0x62, PUBCOMP 0x70   len | packet id (2) [5: | reason [| properties]]
//   SUBACK 0x90      len | packet id (2) [5: | properties] | one code for each filter
//   UNSUBACK 0xb0    len | packet id (2) [5: | properties | one code for each filter]

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import {
  FLAW,
  PACKET,
  PROTOCOL_LEVEL_3_1_1,
  PROTOCOL_LEVEL_5,
  REASON,
  SUBACK_FAILURE,
} from '#core/wire/mqtt/packet.ts';
import { Properties, readProperties } from '#core/wire/mqtt/properties.ts';

/** Reason codes of PUBACK and PUBREC (5: tables 3-4, 3-5). */
const PUBLISH_REASONS: readonly number[] = [
  REASON.success,
  REASON.noMatchingSubscribers,
  REASON.unspecified,
  REASON.implementationSpecific,
  REASON.notAuthorized,
  REASON.topicNameInvalid,
  REASON.packetIdInUse,
  REASON.quotaExceeded,
  REASON.payloadFormatInvalid,
];
/** Reason codes of PUBREL and PUBCOMP (5: tables 3-6, 3-7). */
const RELEASE_REASONS: readonly number[] = [REASON.success, REASON.packetIdNotFound];
/** Reason codes of SUBACK (5: table 3-8). */
const SUBACK_REASONS: readonly number[] = [
  REASON.success,
  REASON.grantedQos1,
  REASON.grantedQos2,
  REASON.unspecified,
  REASON.implementationSpecific,
  REASON.notAuthorized,
  REASON.topicFilterInvalid,
  REASON.packetIdInUse,
  REASON.quotaExceeded,
  REASON.sharedNotSupported,
  REASON.subscriptionIdsNotSupported,
  REASON.wildcardsNotSupported,
];
/** Reason codes of UNSUBACK (5: table 3-9). */
const UNSUBACK_REASONS: readonly number[] = [
  REASON.success,
  REASON.noSubscriptionExisted,
  REASON.unspecified,
  REASON.implementationSpecific,
  REASON.notAuthorized,
  REASON.topicFilterInvalid,
  REASON.packetIdInUse,
];

/** Packet identifier of a PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK of MQTT 3 in [start, end), or a FLAW. */
export function decodePacketId(bytes: Uint8Array, start: number, end: number): number {
  const body = bodyStart(bytes, start);
  if (end - body < 2) return FLAW.truncated;
  if (end - body > 2) return FLAW.trailing;
  return (bytes[body]! << 8) | bytes[body + 1]! || FLAW.packetId;
}

/** What `decodeAcknowledge` found. */
export class AcknowledgeFields {
  packetId = 0;
  reason = 0;
  readonly properties = new Properties();
}

/** Reads the PUBACK, PUBREC, PUBREL or PUBCOMP of protocol `level` in [start, end). Returns 0 or a FLAW. */
export function decodeAcknowledge(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: AcknowledgeFields,
  level: number,
): number {
  fields.reason = REASON.success;
  fields.properties.clear();
  if (level < PROTOCOL_LEVEL_5) {
    fields.packetId = decodePacketId(bytes, start, end);
    return Math.min(0, fields.packetId);
  }
  const body = bodyStart(bytes, start);
  if (end - body < 2) return FLAW.truncated;
  fields.packetId = (bytes[body]! << 8) | bytes[body + 1]!;
  if (fields.packetId === 0) return FLAW.packetId;
  // Success without properties may be left out (5: 3.4.2.1).
  if (end - body === 2) return 0;
  fields.reason = bytes[body + 2]!;
  const type = bytes[start]! >>> 4;
  const isRelease = type === PACKET.pubrel || type === PACKET.pubcomp;
  if (!(isRelease ? RELEASE_REASONS : PUBLISH_REASONS).includes(fields.reason)) {
    return FLAW.returnCode;
  }
  if (end - body === 3) return 0;
  const after = readProperties(bytes, body + 3, end, type, fields.properties);
  return after < 0 ? after : after === end ? 0 : FLAW.trailing;
}

/** What `decodeSuback` and `decodeUnsuback` found; the codes are the bytes [codesStart, codesEnd). */
export class SubackFields {
  packetId = 0;
  codesStart = 0;
  codesEnd = 0;
  readonly properties = new Properties();
}

/** Reads the SUBACK of protocol `level` in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeSuback(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubackFields,
  level = PROTOCOL_LEVEL_3_1_1,
): number {
  const flaw = decodeCodes(bytes, start, end, fields, level);
  if (flaw !== 0) return flaw;
  for (let at = fields.codesStart; at < end; at++) {
    const code = bytes[at]!;
    const isKnown =
      level < PROTOCOL_LEVEL_5
        ? code <= 2 || code === SUBACK_FAILURE
        : SUBACK_REASONS.includes(code);
    if (!isKnown) return FLAW.returnCode;
  }
  return 0;
}

/** Reads the UNSUBACK of MQTT 5 in [start, end), a whole frame; for MQTT 3 there is `decodePacketId`. */
export function decodeUnsuback(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubackFields,
): number {
  const flaw = decodeCodes(bytes, start, end, fields, PROTOCOL_LEVEL_5);
  if (flaw !== 0) return flaw;
  for (let at = fields.codesStart; at < end; at++) {
    if (!UNSUBACK_REASONS.includes(bytes[at]!)) return FLAW.returnCode;
  }
  return 0;
}

/** 0, or FLAW.trailing when a PINGREQ or PINGRESP, or a DISCONNECT of MQTT 3, in [start, end) has a body. */
export function emptyBodyFlaw(bytes: Uint8Array, start: number, end: number): number {
  return bodyStart(bytes, start) === end ? 0 : FLAW.trailing;
}

function decodeCodes(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubackFields,
  level: number,
): number {
  const body = bodyStart(bytes, start);
  if (end - body < 3) return FLAW.truncated;
  fields.packetId = (bytes[body]! << 8) | bytes[body + 1]!;
  if (fields.packetId === 0) return FLAW.packetId;
  let at = body + 2;
  fields.properties.clear();
  if (level >= PROTOCOL_LEVEL_5) {
    at = readProperties(bytes, at, end, bytes[start]! >>> 4, fields.properties);
    if (at < 0) return at;
    if (at === end) return FLAW.truncated;
  }
  fields.codesStart = at;
  fields.codesEnd = end;
  return 0;
}
