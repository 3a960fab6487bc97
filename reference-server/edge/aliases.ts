// Topic aliases of incoming PUBLISH packets (5: 3.3.2.3.4): a number in place of a topic, for one connection.
// Only connections that use them cost anything; a packet with an alias is written anew with its topic.

import { copied } from '#core/byte-copier.ts';
import type { PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodePublish5, publishLength5 } from '#core/wire/mqtt/encode-5.ts';
import { FLAW } from '#core/wire/mqtt/packet.ts';
import { nextProperty, PROPERTY, PropertyCursor } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import { topicNameFlaw } from '#core/wire/mqtt/text.ts';
import type { ServerLimits } from '#reference-server/limits.ts';

/** A topic that an alias stands for may make the packet longer than what was received, by this much. */
const TOPIC_BYTES_MAX = 0xffff;

export class Aliases {
  /** The packet that `resolve` wrote. */
  readonly bytes: Uint8Array;
  readonly #properties: PropertyWriter;
  readonly #aliasesMax: number;
  readonly #bytesMax: number;
  #usedBytes = 0;
  readonly #topics = new Map<number, Map<number, Uint8Array>>();
  readonly #cursor = new PropertyCursor();

  constructor({ packetBytesMax, broker }: ServerLimits) {
    this.bytes = new Uint8Array(packetBytesMax + TOPIC_BYTES_MAX);
    this.#properties = new PropertyWriter(packetBytesMax);
    this.#aliasesMax = broker.aliasesMax;
    this.#bytesMax = broker.aliasBytesMax;
  }

  /**
   * Learns or looks up the alias in `fields` and writes the packet without it; returns its length, or a
   * flaw: FLAW.propertyValue is an alias that is none [MQTT-3.3.2-8, -9].
   */
  resolve(conn: number, bytes: Uint8Array, fields: PublishFields): number {
    const { properties, topicStart, topicEnd } = fields;
    const alias = properties.number(PROPERTY.topicAlias, 0);
    if (alias === 0 || alias > this.#aliasesMax) return FLAW.propertyValue;
    let topic = this.#topics.get(conn)?.get(alias);
    if (topicEnd > topicStart) {
      const flaw = topicNameFlaw(bytes, topicStart, topicEnd);
      if (flaw !== 0) return flaw;
      topic = copied(bytes, topicStart, topicEnd);
      if (!this.#learn(conn, alias, topic)) return FLAW.propertyValue;
    }
    if (topic === undefined) return FLAW.propertyTwice;
    return this.#write(bytes, fields, topic);
  }

  /** The connection is gone. */
  forget(conn: number): void {
    const topics = this.#topics.get(conn);
    if (topics === undefined) return;
    for (const topic of topics.values()) this.#usedBytes -= topic.length;
    this.#topics.delete(conn);
  }

  /** False when all aliases together take too much memory. */
  #learn(conn: number, alias: number, topic: Uint8Array): boolean {
    let topics = this.#topics.get(conn);
    const oldBytes = topics?.get(alias)?.length ?? 0;
    if (this.#usedBytes - oldBytes + topic.length > this.#bytesMax) return false;
    if (topics === undefined) {
      topics = new Map();
      this.#topics.set(conn, topics);
    }
    topics.set(alias, topic);
    this.#usedBytes += topic.length - oldBytes;
    return true;
  }

  #write(bytes: Uint8Array, fields: PublishFields, topic: Uint8Array): number {
    const writer = this.#properties.clear();
    const cursor = this.#cursor;
    const { blockStart, blockEnd } = fields.properties;
    cursor.next = blockStart;
    while (nextProperty(bytes, blockEnd, cursor) > 0) {
      if (cursor.id !== PROPERTY.topicAlias) writer.raw(bytes, cursor.begin, cursor.next);
    }
    const { qos, packetId, dup, retain, payloadStart, payloadEnd } = fields;
    const size = publishLength5(topic.length, qos, writer.length, payloadEnd - payloadStart);
    if (size > this.bytes.length) return FLAW.tooLarge;
    return encodePublish5(
      this.bytes,
      0,
      topic,
      topic.length,
      qos,
      packetId,
      dup,
      retain,
      writer,
      bytes,
      payloadStart,
      payloadEnd,
    );
  }
}
