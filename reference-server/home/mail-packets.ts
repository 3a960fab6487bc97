// Mail with properties of MQTT 5: how the body of a stored message looks, and the PUBLISH made of it.
//
//   body     [properties: length, then each as it came] payload        only mail that has some begins so
//
// A receiver of MQTT 5 gets the properties as they came; of its message expiry it gets what is left.

import { encodePublish } from '#core/wire/mqtt/encode.ts';
import { encodePublish5 } from '#core/wire/mqtt/encode-5.ts';
import {
  nextProperty,
  PROPERTY,
  PropertyCursor,
  readVariable,
  variableLength,
} from '#core/wire/mqtt/properties.ts';
import { PropertyWriter, variableBytes, writeVariable } from '#core/wire/mqtt/property-writer.ts';
import type { Message } from '#reference-server/broker/message.ts';

/** 'm/' before the uid. */
const PREFIX_BYTES = 2;
/** A message expiry and a subscription identifier. */
const ADDED_BYTES_MAX = 16;

/** A message of the broker as it is handed to a mailbox: uid, then body. */
export interface PackedMail {
  readonly bytes: Uint8Array;
  uidEnd: number;
  bodyEnd: number;
  hasProperties: boolean;
}

export class MailPackets {
  readonly #cursor = new PropertyCursor();
  readonly #properties: PropertyWriter;
  readonly #packed: PackedMail;

  constructor(packetBytesMax: number) {
    this.#properties = new PropertyWriter(packetBytesMax + ADDED_BYTES_MAX);
    const bytes = new Uint8Array(packetBytesMax + 2 * ADDED_BYTES_MAX);
    this.#packed = { bytes, uidEnd: 0, bodyEnd: 0, hasProperties: false };
  }

  /** Second of the caller's clock at which the mail in [start, end) expires; 0 = never. */
  expiresS(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
    const seconds = this.#find(bytes, start, end, PROPERTY.messageExpiry)
      ? this.#cursor.number
      : -1;
    if (seconds < 0) return 0;
    return Math.min(0xffff_ffff, Math.max(1, Math.ceil(nowMs / 1000 + seconds)));
  }

  /** Writes a PUBLISH of MQTT 5 to `out`; `leftS` of the expiry, -1 = none; `id` of the subscription, 0 = none. */
  write(
    out: Uint8Array,
    topic: Uint8Array,
    topicLength: number,
    qos: number,
    packetId: number,
    isDup: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    hasProperties: boolean,
    leftS: number,
    id: number,
  ): number {
    // As it came: the body is what follows the packet id.
    if (hasProperties && leftS < 0 && id === 0) {
      return encodePublish(
        out,
        0,
        topic,
        topicLength,
        qos,
        packetId,
        isDup,
        false,
        bytes,
        start,
        end,
      );
    }
    const properties = this.#properties.clear();
    if (hasProperties) start = this.#copyBlock(bytes, start, end);
    if (leftS >= 0) properties.four(PROPERTY.messageExpiry, leftS);
    if (id > 0) properties.variable(PROPERTY.subscriptionId, id);
    return encodePublish5(
      out,
      0,
      topic,
      topicLength,
      qos,
      packetId,
      isDup,
      false,
      properties,
      bytes,
      start,
      end,
    );
  }

  /** Uid and body of a message that the broker has for m/<uid>; `uidEnd` 0 when it is too long. */
  pack(message: Message, nowMs: number): PackedMail {
    const packed = this.#packed;
    const { bytes } = packed;
    const { topic, payload, properties } = message;
    const leftS = message.secondsLeft(nowMs);
    const propertyBytes = properties.length + (leftS === undefined ? 0 : 5);
    packed.hasProperties = propertyBytes > 0;
    packed.uidEnd = 0;
    const size = topic.length + variableBytes(propertyBytes) + propertyBytes + payload.length;
    if (size > bytes.length) return packed;
    bytes.set(topic.subarray(PREFIX_BYTES), 0);
    packed.uidEnd = topic.length - PREFIX_BYTES;
    let at = packed.uidEnd;
    if (packed.hasProperties) {
      const writer = this.#properties.clear().raw(properties, 0, properties.length);
      if (leftS !== undefined) writer.four(PROPERTY.messageExpiry, leftS);
      at = writeVariable(bytes, at, propertyBytes);
      bytes.set(writer.bytes.subarray(0, propertyBytes), at);
      at += propertyBytes;
    }
    bytes.set(payload, at);
    packed.bodyEnd = at + payload.length;
    return packed;
  }

  /** Copies all but the expiry to `#properties`; returns where the payload begins. */
  #copyBlock(bytes: Uint8Array, start: number, end: number): number {
    const cursor = this.#cursor;
    cursor.next = start + variableLength(bytes, start);
    const blockEnd = cursor.next + readVariable(bytes, start, end);
    while (nextProperty(bytes, blockEnd, cursor) > 0) {
      if (cursor.id === PROPERTY.messageExpiry || cursor.id === PROPERTY.subscriptionId) continue;
      this.#properties.raw(bytes, cursor.begin, cursor.next);
    }
    return blockEnd;
  }

  /** Moves the cursor to a property of the body; false when it has none. */
  #find(bytes: Uint8Array, start: number, end: number, id: number): boolean {
    const cursor = this.#cursor;
    cursor.next = start + variableLength(bytes, start);
    const blockEnd = cursor.next + readVariable(bytes, start, end);
    while (nextProperty(bytes, blockEnd, cursor) > 0) if (cursor.id === id) return true;
    return false;
  }
}
