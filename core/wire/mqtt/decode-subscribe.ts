// SUBSCRIBE (3.8) and UNSUBSCRIBE (3.10).
//
//   SUBSCRIBE    0x82 len | packet id (2) | [5: properties] | { filter: length (2), bytes | options } ...
//   UNSUBSCRIBE  0xa2 len | packet id (2) | [5: properties] | { filter: length (2), bytes } ...
//   options      1..0 QoS; 5: 2 no local, 3 retain as published, 5..4 retain handling; the others 0
//
// `decodeSubscribe` checks the whole packet and counts its filters; `nextFilter` then walks them
// without further checks.

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW, PACKET, PROTOCOL_LEVEL_3_1_1, PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import { Properties, readProperties } from '#core/wire/mqtt/properties.ts';
import { sharedNameEnd, textFieldEnd, topicFilterFlaw } from '#core/wire/mqtt/text.ts';

/** What was found, and a cursor over the filters; used again for every packet. */
export class SubscribeFields {
  packetId = 0;
  filterCount = 0;
  /** The filter that `nextFilter` stands on. */
  filterStart = 0;
  filterEnd = 0;
  /** Requested QoS of that filter; 0 in UNSUBSCRIBE. */
  qos = 0;
  /** MQTT 5: do not send what the subscriber itself publishes. */
  noLocal = false;
  /** MQTT 5: forward the RETAIN flag of live messages. */
  retainAsPublished = false;
  /** MQTT 5: send retained messages always (0), if the subscription is new (1), never (2). */
  retainHandling = 0;
  /** Where `nextFilter` goes on. */
  next = 0;
  /** Bytes after each filter: 1 in SUBSCRIBE, 0 in UNSUBSCRIBE. */
  optionBytes = 0;
  /** Empty below MQTT 5. */
  readonly properties = new Properties();
}

/** Reads the SUBSCRIBE or UNSUBSCRIBE of protocol `level` in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeSubscribe(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubscribeFields,
  level = PROTOCOL_LEVEL_3_1_1,
): number {
  const body = bodyStart(bytes, start);
  if (body + 2 > end) return FLAW.truncated;
  fields.packetId = (bytes[body]! << 8) | bytes[body + 1]!;
  if (fields.packetId === 0) return FLAW.packetId;
  const type = bytes[start]! >>> 4;
  fields.optionBytes = type === PACKET.subscribe ? 1 : 0;
  fields.filterCount = 0;
  let at = body + 2;
  if (level < PROTOCOL_LEVEL_5) fields.properties.clear();
  else {
    at = readProperties(bytes, at, end, type, fields.properties);
    if (at < 0) return at;
  }
  fields.next = at;
  while (at < end) {
    const filterEnd = textFieldEnd(bytes, at, end);
    if (filterEnd < 0) return filterEnd;
    const nextAt = filterEnd + fields.optionBytes;
    if (nextAt > end) return FLAW.truncated;
    const options = fields.optionBytes === 1 ? bytes[filterEnd]! : 0;
    const flaw =
      topicFilterFlaw(bytes, at + 2, filterEnd) ||
      optionsFlaw(options, level) ||
      sharedFlaw(bytes, at + 2, filterEnd, options);
    if (flaw !== 0) return flaw;
    at = nextAt;
    fields.filterCount++;
  }
  return fields.filterCount === 0 ? FLAW.noFilter : 0;
}

/** Moves to the next filter of a packet that `decodeSubscribe` has checked; false after the last. */
export function nextFilter(bytes: Uint8Array, end: number, fields: SubscribeFields): boolean {
  const at = fields.next;
  if (at >= end) return false;
  fields.filterStart = at + 2;
  fields.filterEnd = textFieldEnd(bytes, at, end);
  const options = fields.optionBytes === 1 ? bytes[fields.filterEnd]! : 0;
  fields.qos = options & 3;
  fields.noLocal = (options & 4) !== 0;
  fields.retainAsPublished = (options & 8) !== 0;
  fields.retainHandling = options >>> 4;
  fields.next = fields.filterEnd + fields.optionBytes;
  return true;
}

/** Below MQTT 5 the upper six bits are reserved, in MQTT 5 the upper two [MQTT-3-8.3-4, 5: MQTT-3.8.3-5]. */
function optionsFlaw(options: number, level: number): number {
  if ((options & 3) === 3) return FLAW.qos;
  if (level < PROTOCOL_LEVEL_5) return options > 2 ? FLAW.qos : 0;
  return options >= 0x30 ? FLAW.subscriptionOptions : 0;
}

/** `$share/<name>/<filter>`: both parts there, no wildcard in the name, no No Local (5: 4.8.2). */
function sharedFlaw(bytes: Uint8Array, start: number, end: number, options: number): number {
  const nameEnd = sharedNameEnd(bytes, start, end);
  if (nameEnd === 0) return 0;
  return nameEnd < 0 || (options & 4) !== 0 ? FLAW.sharedFilter : 0;
}
