// Writers of MQTT 3.1.1 packets. Each writes at `at` and returns the new end, so that several packets
// follow each other in one buffer; each asserts that its packet fits. No allocation, except one view
// for a payload above COPY_LOOP_BYTES_MAX.

import { assert } from '#core/assert.ts';
import { ByteCopier } from '#core/byte-copier.ts';
import { headerLength, writeHeader } from '#core/wire/mqtt/frame.ts';
import { PACKET, PROTOCOL_LEVEL_3_1_1 } from '#core/wire/mqtt/packet.ts';
import { textLength, writeText } from '#core/wire/mqtt/text.ts';

/** A sender's payloads come from one array mostly, and go to one. */
const payloads = new ByteCopier();

/** What a CONNECT says. One object may be used again for many packets. */
export interface ConnectPacket {
  clientId: string;
  /** Seconds; 0 = never. */
  keepAliveS: number;
  cleanSession: boolean;
  username?: string;
  /** Needs a user name [MQTT-3.1.2-22]. */
  password?: Uint8Array;
  will?: { topic: string; payload: Uint8Array; qos: 0 | 1 | 2; retain: boolean };
}

/** CONNECT (3.1). */
export function encodeConnect(out: Uint8Array, at: number, packet: ConnectPacket): number {
  const { clientId, username, password, will } = packet;
  assert(password === undefined || username !== undefined, 'a password needs a user name');
  let remaining = 10 + 2 + textLength(clientId);
  let flags = packet.cleanSession ? 0x02 : 0;
  if (will !== undefined) {
    remaining += 2 + textLength(will.topic) + 2 + will.payload.length;
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
  out[at] = PROTOCOL_LEVEL_3_1_1;
  out[at + 1] = flags;
  at = writeUint16(out, at + 2, packet.keepAliveS);
  at = writeText(out, at, clientId);
  if (will !== undefined) {
    at = writeText(out, at, will.topic);
    at = writeBinary(out, at, will.payload);
  }
  if (username !== undefined) at = writeText(out, at, username);
  return password === undefined ? at : writeBinary(out, at, password);
}

/** CONNACK (3.2); `returnCode` is one of CONNACK. Session present goes with 0 only [MQTT-3.2.2-4]. */
export function encodeConnack(
  out: Uint8Array,
  at: number,
  sessionPresent: boolean,
  returnCode: number,
): number {
  at = writeHeader(out, at, PACKET.connack << 4, 2);
  out[at] = sessionPresent && returnCode === 0 ? 1 : 0;
  out[at + 1] = returnCode;
  return at + 2;
}

/** Bytes of a whole PUBLISH. */
export function publishLength(topicLength: number, qos: number, payloadLength: number): number {
  const remaining = 2 + topicLength + (qos === 0 ? 0 : 2) + payloadLength;
  return headerLength(remaining) + remaining;
}

/**
 * PUBLISH (3.3): the topic is the first `topicLength` bytes of `topicBytes`, the payload
 * [payloadStart, payloadEnd) of `payload`. With QoS 0, `packetId` and `dup` are ignored
 * [MQTT-2.3.1-5, MQTT-3.3.1-2].
 */
export function encodePublish(
  out: Uint8Array,
  at: number,
  topicBytes: Uint8Array,
  topicLength: number,
  qos: number,
  packetId: number,
  dup: boolean,
  retain: boolean,
  payload: Uint8Array,
  payloadStart: number,
  payloadEnd: number,
): number {
  const payloadLength = payloadEnd - payloadStart;
  const first = (PACKET.publish << 4) | (dup && qos > 0 ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const idBytes = qos === 0 ? 0 : 2;
  at = writeHeader(out, at, first, 2 + topicLength + idBytes + payloadLength);
  at = writeUint16(out, at, topicLength);
  for (let i = 0; i < topicLength; i++) out[at + i] = topicBytes[i]!;
  at += topicLength;
  if (qos > 0) {
    assert(packetId > 0, 'QoS 1 and 2 carry a packet id');
    at = writeUint16(out, at, packetId);
  }
  return payloads.copy(out, at, payload, payloadStart, payloadEnd);
}

/** PUBACK (3.4). */
export function encodePuback(out: Uint8Array, at: number, packetId: number): number {
  return writePacketId(out, at, PACKET.puback << 4, packetId);
}

/** UNSUBACK (3.11). */
export function encodeUnsuback(out: Uint8Array, at: number, packetId: number): number {
  return writePacketId(out, at, PACKET.unsuback << 4, packetId);
}

/** SUBSCRIBE (3.8) to `filters`, all with the QoS `qos`. */
export function encodeSubscribe(
  out: Uint8Array,
  at: number,
  packetId: number,
  filters: readonly string[],
  qos: number,
): number {
  at = writeFilterHeader(out, at, PACKET.subscribe, packetId, filters, 1);
  for (const filter of filters) {
    at = writeText(out, at, filter);
    out[at++] = qos;
  }
  return at;
}

/** SUBACK (3.9): `codes` has one return code for each filter, the first `count` of them are sent. */
export function encodeSuback(
  out: Uint8Array,
  at: number,
  packetId: number,
  codes: ArrayLike<number>,
  count: number,
): number {
  at = writeHeader(out, at, PACKET.suback << 4, 2 + count);
  at = writeUint16(out, at, packetId);
  for (let i = 0; i < count; i++) out[at + i] = codes[i]!;
  return at + count;
}

/** UNSUBSCRIBE (3.10). */
export function encodeUnsubscribe(
  out: Uint8Array,
  at: number,
  packetId: number,
  filters: readonly string[],
): number {
  at = writeFilterHeader(out, at, PACKET.unsubscribe, packetId, filters, 0);
  for (const filter of filters) at = writeText(out, at, filter);
  return at;
}

/** PINGREQ (3.12). */
export function encodePingreq(out: Uint8Array, at: number): number {
  return writeHeader(out, at, PACKET.pingreq << 4, 0);
}

/** PINGRESP (3.13). */
export function encodePingresp(out: Uint8Array, at: number): number {
  return writeHeader(out, at, PACKET.pingresp << 4, 0);
}

/** DISCONNECT (3.14). */
export function encodeDisconnect(out: Uint8Array, at: number): number {
  return writeHeader(out, at, PACKET.disconnect << 4, 0);
}

/**
 * Up to here a loop is as fast as TypedArray.set with a view, which costs about 100 ns and an object
 * before the first byte moves.
 */
const COPY_LOOP_BYTES_MAX = 192;

/** Copies [start, end) of `from` to `at`; returns the new end. */
export function copyBytes(
  out: Uint8Array,
  at: number,
  from: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start;
  assert(length >= 0 && at + length <= out.length, 'the copy fits its buffer');
  if (length > COPY_LOOP_BYTES_MAX) out.set(from.subarray(start, end), at);
  else for (let i = 0; i < length; i++) out[at + i] = from[start + i]!;
  return at + length;
}

function writeUint16(out: Uint8Array, at: number, value: number): number {
  assert(value >= 0 && value <= 0xffff, 'a two-byte field is at most 65535');
  out[at] = value >>> 8;
  out[at + 1] = value & 0xff;
  return at + 2;
}

function writeBinary(out: Uint8Array, at: number, bytes: Uint8Array): number {
  at = writeUint16(out, at, bytes.length);
  return copyBytes(out, at, bytes, 0, bytes.length);
}

function writePacketId(out: Uint8Array, at: number, first: number, packetId: number): number {
  assert(packetId > 0, 'an acknowledgement carries a packet id');
  return writeUint16(out, writeHeader(out, at, first, 2), packetId);
}

function writeFilterHeader(
  out: Uint8Array,
  at: number,
  type: number,
  packetId: number,
  filters: readonly string[],
  optionBytes: number,
): number {
  assert(packetId > 0 && filters.length > 0, 'a subscription has a packet id and a filter');
  let remaining = 2;
  for (const filter of filters) remaining += 2 + textLength(filter) + optionBytes;
  return writeUint16(out, writeHeader(out, at, (type << 4) | 2, remaining), packetId);
}
