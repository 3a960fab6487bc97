// PUBLISH (3.3), the packet that everything is about.
//
//   0x3f len | topic: length (2), bytes | packet id (2), only with QoS above 0 | payload to the end
//   flags f: 3 DUP, 2..1 QoS, 0 RETAIN

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import { FLAW } from '#core/wire/mqtt/packet.ts';
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
  payloadStart = 0;
  payloadEnd = 0;
}

/**
 * Reads the PUBLISH in [start, end), a whole frame. Returns 0 or a FLAW. The text of the topic is not
 * looked at: who does not compare it with known topics calls `topicNameFlaw`.
 */
export function decodePublish(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: PublishFields,
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
  if (qos === 0) {
    fields.packetId = 0;
    fields.payloadStart = topicEnd;
    return 0;
  }
  if (topicEnd + 2 > end) return FLAW.truncated;
  fields.packetId = (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
  fields.payloadStart = topicEnd + 2;
  return fields.packetId === 0 ? FLAW.packetId : 0;
}
