// SUBSCRIBE (3.8) and UNSUBSCRIBE (3.10).
//
//   SUBSCRIBE    0x82 len | packet id (2) | { filter: length (2), bytes | 000000 QoS (2 bits) } ...
//   UNSUBSCRIBE  0xa2 len | packet id (2) | { filter: length (2), bytes } ...
//
// `decodeSubscribe` checks the whole packet and counts its filters; `nextFilter` then walks them
// without further checks.

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW, PACKET } from '#core/wire/mqtt/packet.ts';
import { textFieldEnd, topicFilterFlaw } from '#core/wire/mqtt/text.ts';

/** What was found, and a cursor over the filters; used again for every packet. */
export class SubscribeFields {
  packetId = 0;
  filterCount = 0;
  /** The filter that `nextFilter` stands on. */
  filterStart = 0;
  filterEnd = 0;
  /** Requested QoS of that filter; 0 in UNSUBSCRIBE. */
  qos = 0;
  /** Where `nextFilter` goes on. */
  next = 0;
  /** Bytes after each filter: 1 in SUBSCRIBE, 0 in UNSUBSCRIBE. */
  optionBytes = 0;
}

/** Reads the SUBSCRIBE or UNSUBSCRIBE in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeSubscribe(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SubscribeFields,
): number {
  const body = bodyStart(bytes, start);
  if (body + 2 > end) return FLAW.truncated;
  fields.packetId = (bytes[body]! << 8) | bytes[body + 1]!;
  if (fields.packetId === 0) return FLAW.packetId;
  fields.optionBytes = bytes[start]! >>> 4 === PACKET.subscribe ? 1 : 0;
  fields.filterCount = 0;
  fields.next = body + 2;
  let at = body + 2;
  while (at < end) {
    const filterEnd = textFieldEnd(bytes, at, end);
    if (filterEnd < 0) return filterEnd;
    const flaw = topicFilterFlaw(bytes, at + 2, filterEnd);
    if (flaw !== 0) return flaw;
    at = filterEnd + fields.optionBytes;
    if (at > end) return FLAW.truncated;
    // The upper six bits of the requested QoS are reserved [MQTT-3-8.3-4].
    if (fields.optionBytes === 1 && bytes[filterEnd]! > 2) return FLAW.qos;
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
  fields.qos = fields.optionBytes === 1 ? bytes[fields.filterEnd]! : 0;
  fields.next = fields.filterEnd + fields.optionBytes;
  return true;
}
