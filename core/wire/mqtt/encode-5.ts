// Writers of MQTT 5 packets, beside those of MQTT 3.1.1 in encode.ts: each takes its properties from a
// PropertyWriter (undefined = none). PINGREQ and PINGRESP are the same in both.

import { assert } from '#core/assert.ts';
import { type ConnectPacket, copyBytes } from '#core/wire/mqtt/encode.ts';
import { headerLength, writeHeader } from '#core/wire/mqtt/frame.ts';
import { PACKET, PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import {
  type PropertyWriter,
  variableBytes,
  writeVariable,
} from '#core/wire/mqtt/property-writer.ts';
import { textLength, writeText } from '#core/wire/mqtt/text.ts';

type Written = PropertyWriter | undefined;

/** One filter of a SUBSCRIBE (5: 3.8.3.1). */
export interface FilterOptions {
  filter: string;
  qos: number;
  noLocal?: boolean;
  retainAsPublished?: boolean;
  retainHandling?: number;
}

/** CONNECT (5: 3.1); `packet.cleanSession` is Clean Start. */
export function encodeConnect5(
  out: Uint8Array,
  at: number,
  packet: ConnectPacket,
  properties?: PropertyWriter,
  willProperties?: PropertyWriter,
): number {
  const { clientId, username, password, will } = packet;
  let remaining = 10 + blockBytes(properties) + 2 + textLength(clientId);
  let flags = packet.cleanSession ? 0x02 : 0;
  if (will !== undefined) {
    remaining += blockBytes(willProperties) + 2 + textLength(will.topic) + 2 + will.payload.length;
    flags |= 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0);
  }
  if (username !== undefined) {
    remaining += 2 + textLength(username);
    flags |= 0x80;
  }
  if (password !== undefined) {
    remaining += 2 + password.length;
    flags |= 0x40;
  }
  at = writeHeader(out, at, PACKET.connect << 4, remaining);
  at = writeText(out, at, 'MQTT');
  out[at] = PROTOCOL_LEVEL_5;
  out[at + 1] = flags;
  at = writeTwo(out, at + 2, packet.keepAliveS);
  at = writeBlock(out, at, properties);
  at = writeText(out, at, clientId);
  if (will !== undefined) {
    at = writeBlock(out, at, willProperties);
    at = writeText(out, at, will.topic);
    at = writeTwo(out, at, will.payload.length);
    at = copyBytes(out, at, will.payload, 0, will.payload.length);
  }
  if (username !== undefined) at = writeText(out, at, username);
  if (password === undefined) return at;
  return copyBytes(out, writeTwo(out, at, password.length), password, 0, password.length);
}

/** CONNACK (5: 3.2). Session present goes with reason 0 only [MQTT-3.2.2-6]. */
export function encodeConnack5(
  out: Uint8Array,
  at: number,
  sessionPresent: boolean,
  reason: number,
  properties?: PropertyWriter,
): number {
  at = writeHeader(out, at, PACKET.connack << 4, 2 + blockBytes(properties));
  out[at] = sessionPresent && reason === 0 ? 1 : 0;
  out[at + 1] = reason;
  return writeBlock(out, at + 2, properties);
}

/** Bytes of a whole PUBLISH with `propertyBytes` bytes of properties. */
export function publishLength5(
  topicLength: number,
  qos: number,
  propertyBytes: number,
  payloadLength: number,
): number {
  const properties = variableBytes(propertyBytes) + propertyBytes;
  const remaining = 2 + topicLength + (qos === 0 ? 0 : 2) + properties + payloadLength;
  return headerLength(remaining) + remaining;
}

/** PUBLISH (5: 3.3); see `encodePublish`. */
export function encodePublish5(
  out: Uint8Array,
  at: number,
  topicBytes: Uint8Array,
  topicLength: number,
  qos: number,
  packetId: number,
  dup: boolean,
  retain: boolean,
  properties: Written,
  payload: Uint8Array,
  payloadStart: number,
  payloadEnd: number,
): number {
  const first = (PACKET.publish << 4) | (dup && qos > 0 ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const rest = (qos === 0 ? 0 : 2) + blockBytes(properties) + payloadEnd - payloadStart;
  at = writeHeader(out, at, first, 2 + topicLength + rest);
  at = copyBytes(out, writeTwo(out, at, topicLength), topicBytes, 0, topicLength);
  if (qos > 0) {
    assert(packetId > 0, 'QoS 1 and 2 carry a packet id');
    at = writeTwo(out, at, packetId);
  }
  at = writeBlock(out, at, properties);
  return copyBytes(out, at, payload, payloadStart, payloadEnd);
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP, as PACKET `type` says (5: 3.4 to 3.7); the shortest form. */
export function encodeAcknowledge5(
  out: Uint8Array,
  at: number,
  type: number,
  packetId: number,
  reason: number,
  properties?: PropertyWriter,
): number {
  assert(packetId > 0, 'an acknowledgement carries a packet id');
  const hasProperties = properties !== undefined && properties.length > 0;
  const reasonBytes = hasProperties ? 1 + blockBytes(properties) : reason === 0 ? 0 : 1;
  const first = (type << 4) | (type === PACKET.pubrel ? 2 : 0);
  at = writeTwo(out, writeHeader(out, at, first, 2 + reasonBytes), packetId);
  if (reasonBytes === 0) return at;
  out[at++] = reason;
  return hasProperties ? writeBlock(out, at, properties) : at;
}

/** SUBSCRIBE (5: 3.8). */
export function encodeSubscribe5(
  out: Uint8Array,
  at: number,
  packetId: number,
  filters: readonly FilterOptions[],
  properties?: PropertyWriter,
): number {
  let remaining = 2 + blockBytes(properties);
  for (const { filter } of filters) remaining += 3 + textLength(filter);
  at = writeTwo(out, writeHeader(out, at, (PACKET.subscribe << 4) | 2, remaining), packetId);
  at = writeBlock(out, at, properties);
  for (const { filter, qos, noLocal, retainAsPublished, retainHandling } of filters) {
    at = writeText(out, at, filter);
    const bits = (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | ((retainHandling ?? 0) << 4);
    out[at++] = qos | bits;
  }
  return at;
}

/** UNSUBSCRIBE (5: 3.10). */
export function encodeUnsubscribe5(
  out: Uint8Array,
  at: number,
  packetId: number,
  filters: readonly string[],
  properties?: PropertyWriter,
): number {
  let remaining = 2 + blockBytes(properties);
  for (const filter of filters) remaining += 2 + textLength(filter);
  at = writeTwo(out, writeHeader(out, at, (PACKET.unsubscribe << 4) | 2, remaining), packetId);
  at = writeBlock(out, at, properties);
  for (const filter of filters) at = writeText(out, at, filter);
  return at;
}

/** SUBACK or UNSUBACK, as PACKET `type` says (5: 3.9, 3.11): the first `count` of `codes`. */
export function encodeCodes5(
  out: Uint8Array,
  at: number,
  type: number,
  packetId: number,
  codes: ArrayLike<number>,
  count: number,
  properties?: PropertyWriter,
): number {
  at = writeHeader(out, at, type << 4, 2 + blockBytes(properties) + count);
  at = writeBlock(out, writeTwo(out, at, packetId), properties);
  for (let i = 0; i < count; i++) out[at + i] = codes[i]!;
  return at + count;
}

/** DISCONNECT or AUTH, as PACKET `type` says (5: 3.14, 3.15); the shortest form. */
export function encodeReason5(
  out: Uint8Array,
  at: number,
  type: number,
  reason: number,
  properties?: PropertyWriter,
): number {
  const hasProperties = properties !== undefined && properties.length > 0;
  const remaining = hasProperties ? 1 + blockBytes(properties) : reason === 0 ? 0 : 1;
  at = writeHeader(out, at, type << 4, remaining);
  if (remaining === 0) return at;
  out[at++] = reason;
  return hasProperties ? writeBlock(out, at, properties) : at;
}

function blockBytes(properties: Written): number {
  return properties === undefined ? 1 : variableBytes(properties.length) + properties.length;
}

function writeBlock(out: Uint8Array, at: number, properties: Written): number {
  if (properties === undefined) {
    out[at] = 0;
    return at + 1;
  }
  at = writeVariable(out, at, properties.length);
  return copyBytes(out, at, properties.bytes, 0, properties.length);
}

function writeTwo(out: Uint8Array, at: number, value: number): number {
  assert(value >= 0 && value <= 0xffff, 'a two-byte field is at most 65535');
  out[at] = value >>> 8;
  out[at + 1] = value & 0xff;
  return at + 2;
}
