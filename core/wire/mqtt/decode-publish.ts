// PUBLISH (3.3), the packet that everything is about.
//
//   0x3f len | topic: length (2), bytes | packet id (2), only with QoS above 0 | [5: properties] | payload
//   flags f: 3 DUP, 2..1 QoS, 0 RETAIN
//
// Express lane: with no properties or a level below 5 the cost is a few comparisons; no string, no object.

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW, PACKET, PROTOCOL_LEVEL_3_1_1, PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import { Properties, readProperties } from '#core/wire/mqtt/properties.ts';
import { textFieldEnd } from '#core/wire/mqtt/text.ts';

/** What `decodePublish` found, as offsets into the received bytes; used again for every packet. */
export class PublishFields {
  qos = 0;
  dup = false;
  retain = false;
  /** 0 with QoS 0. */
  packetId = 0;
  topicStart = 0;
  topicEnd = 0;
  /** MQTT 5: where the length of the properties stands; else `payloadStart`. */
  propertiesStart = 0;
  payloadStart = 0;
  payloadEnd = 0;
  /** Empty below MQTT 5. */
  readonly properties = new Properties();
}

/**
 * Reads the PUBLISH of protocol `level` in [start, end), a whole frame. Returns 0 or a FLAW. The text of
 * the topic is not looked at: who does not compare it with known topics calls `topicNameFlaw`. With
 * MQTT 5 the topic may be empty: an alias then stands for it. `fromServer`: see `readProperties`.
 */
export function decodePublish(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: PublishFields,
  level = PROTOCOL_LEVEL_3_1_1,
  fromServer = false,
): number {
  const first = bytes[start]!;
  const qos = (first >>> 1) & 3;
  const dup = (first & 8) !== 0;
  if (qos === 3 || (dup && qos === 0)) return FLAW.qos;
  const topic = bodyStart(bytes, start);
  const topicEnd = textFieldEnd(bytes, topic, end);
  if (topicEnd < 0) return topicEnd;
  fields.qos = qos;
  fields.dup = dup;
  fields.retain = (first & 1) !== 0;
  fields.topicStart = topic + 2;
  fields.topicEnd = topicEnd;
  fields.payloadEnd = end;
  fields.packetId = 0;
  let at = topicEnd;
  if (qos > 0) {
    if (topicEnd + 2 > end) return FLAW.truncated;
    fields.packetId = (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
    if (fields.packetId === 0) return FLAW.packetId;
    at += 2;
  }
  fields.propertiesStart = at;
  if (level < PROTOCOL_LEVEL_5) fields.properties.clear();
  else {
    at = readProperties(bytes, at, end, PACKET.publish, fields.properties, fromServer);
    if (at < 0) return at;
  }
  fields.payloadStart = at;
  return 0;
}
