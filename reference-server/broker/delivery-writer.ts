// Makes the PUBLISH packets of the general lane: the properties that travelled with the message, what is
// left of its expiry, subscription identifiers, and topic aliases where the client takes them.

import { encodePublish, publishLength } from '#core/wire/mqtt/encode.ts';
import { encodePublish5, publishLength5 } from '#core/wire/mqtt/encode-5.ts';
import { PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import type { Message } from '#reference-server/broker/message.ts';
import type { Session } from '#reference-server/broker/session.ts';

/** Properties that we add: expiry, alias, and identifiers up to this many. */
export const IDS_MAX = 32;
const ADDED_BYTES_MAX = 5 + 3 + IDS_MAX * 5;
/** Fixed header, topic length, packet id, length of the properties. */
const OVERHEAD_BYTES_MAX = 5 + 2 + 2 + 4;
/** Longer topics get no alias: they would have to be remembered. */
const ALIAS_TOPIC_BYTES_MAX = 256;
/** A topic that came from behind a mount point is longer than it came. */
export const MOUNT_POINT_BYTES_MAX = 256;
const NO_TOPIC = new Uint8Array(0);

export class DeliveryWriter {
  /** The packet is [0, what `write` returned) of it. */
  readonly bytes: Uint8Array;
  readonly #properties: PropertyWriter;
  readonly #aliasesMax: number;
  readonly #slackBytes: number;

  /** `slackBytes`: see Dialect. */
  constructor(packetBytesMax: number, aliasesMax: number, slackBytes: number) {
    this.bytes = new Uint8Array(
      packetBytesMax + OVERHEAD_BYTES_MAX + ADDED_BYTES_MAX + MOUNT_POINT_BYTES_MAX,
    );
    this.#properties = new PropertyWriter(packetBytesMax + ADDED_BYTES_MAX);
    this.#aliasesMax = aliasesMax;
    this.#slackBytes = slackBytes;
  }

  /** Writes the delivery; returns its length, or 0 when it is larger than the client takes [MQTT-3.1.2-24]. */
  write(
    session: Session,
    message: Message,
    qos: number,
    packetId: number,
    isDup: boolean,
    retain: boolean,
    ids: readonly number[],
    nowMs: number,
  ): number {
    const { payload } = message;
    const topic = topicFor(session, message);
    const { length } = payload;
    if (session.level < PROTOCOL_LEVEL_5) {
      if (publishLength(topic.length, qos, length) > session.packetBytesMax) return 0;
      const out = this.bytes;
      return encodePublish(
        out,
        0,
        topic,
        topic.length,
        qos,
        packetId,
        isDup,
        retain,
        payload,
        0,
        length,
      );
    }
    const properties = this.#properties
      .clear()
      .raw(message.properties, 0, message.properties.length);
    const seconds = message.secondsLeft(nowMs);
    if (seconds !== undefined) properties.four(PROPERTY.messageExpiry, seconds);
    for (const id of ids) properties.variable(PROPERTY.subscriptionId, id);
    const known = session.aliases.get(message.topicText);
    const alias = known ?? (topic.length > ALIAS_TOPIC_BYTES_MAX ? 0 : this.#newAlias(session));
    if (alias > 0) properties.two(PROPERTY.topicAlias, alias);
    const name = known === undefined ? topic : NO_TOPIC;
    const bytes = publishLength5(name.length, qos, properties.length, length);
    if (bytes > session.packetBytesMax + this.#slackBytes) return 0;
    // Only now: the client has to see the topic that the alias stands for.
    if (known === undefined && alias > 0) session.aliases.set(message.topicText, alias);
    return encodePublish5(
      this.bytes,
      0,
      name,
      name.length,
      qos,
      packetId,
      isDup,
      retain,
      properties,
      payload,
      0,
      length,
    );
  }

  /** The next alias of this connection, or 0 when there is none left (5: 3.3.2.3.4). */
  #newAlias({ aliases, aliasesMax }: Session): number {
    const most = Math.min(aliasesMax, this.#aliasesMax);
    return aliases.size < most ? aliases.size + 1 : 0;
  }
}

/** The topic as this client knows it. */
function topicFor({ mountPoint }: Session, { topic, topicText }: Message): Uint8Array {
  if (mountPoint === '' || !topicText.startsWith(mountPoint)) return topic;
  return topic.subarray(Buffer.byteLength(mountPoint));
}
