// A message of the general lane: what a PUBLISH said, copied out of the receive buffer once and shared by
// every queue that it stands in. Properties are kept as they came, less those that belong to a hop: topic
// alias, message expiry (counted down and written anew) and subscription identifiers.

import { copied } from '#core/byte-copier.ts';
import { decodePublish, type PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { nextProperty, PROPERTY, PropertyCursor } from '#core/wire/mqtt/properties.ts';
import type { MessageSource } from '#reference-server/broker/message-source.ts';
import { type TopicName, TopicNames } from '#reference-server/broker/topic-names.ts';

/** What a message costs beside its bytes: object, views, queue place. */
const OVERHEAD_BYTES = 200;

export class Message {
  /** Topic name as it came, shared with other messages, and as text. */
  readonly topic: Uint8Array;
  readonly topicText: string;
  /** The properties that travel on, without their length. */
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly retain: boolean;
  /** When it is worth nothing any more, ms of the broker's clock; Infinity = never. */
  readonly expiresMs: number;
  /** Of a retained one, where it is asked for. */
  source: MessageSource | undefined;

  constructor(
    topic: Uint8Array,
    properties: Uint8Array,
    payload: Uint8Array,
    qos: number,
    retain: boolean,
    expiresMs: number,
    topicText = Buffer.from(topic.buffer, topic.byteOffset, topic.length).toString('utf8'),
  ) {
    this.topic = topic;
    this.topicText = topicText;
    this.properties = properties;
    this.payload = payload;
    this.qos = qos;
    this.retain = retain;
    this.expiresMs = expiresMs;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    return OVERHEAD_BYTES + this.topic.length + this.properties.length + this.payload.length;
  }

  /** Whole seconds left, at least 0; undefined without expiry (5: 3.3.2.3.3). */
  secondsLeft(nowMs: number): number | undefined {
    if (this.expiresMs === Number.POSITIVE_INFINITY) return undefined;
    return Math.max(0, Math.ceil((this.expiresMs - nowMs) / 1000));
  }
}

const names = new TopicNames();

/** The message in a PUBLISH that `decodePublish` has read into `fields`; its topic stands behind the mount point. */
export function messageOf(
  bytes: Uint8Array,
  fields: PublishFields,
  nowMs: number,
  mountPoint = '',
): Message {
  const { properties } = fields;
  const expiryS = properties.number(PROPERTY.messageExpiry, -1);
  const name = nameOf(mountPoint, bytes, fields.topicStart, fields.topicEnd);
  return new Message(
    name.bytes,
    travelling(bytes, properties.blockStart, properties.blockEnd),
    copied(bytes, fields.payloadStart, fields.payloadEnd),
    fields.qos,
    fields.retain,
    expiryS < 0 ? Number.POSITIVE_INFINITY : nowMs + expiryS * 1000,
    name.text,
  );
}

function nameOf(mountPoint: string, bytes: Uint8Array, start: number, end: number): TopicName {
  if (mountPoint === '') return names.of(bytes, start, end);
  const whole = mounted(mountPoint, bytes, start, end);
  return names.of(whole, 0, whole.length);
}

/** The same from a packet of MQTT 5 that is known to be sound. */
export function messageOfPacket(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: PublishFields,
  nowMs: number,
): Message {
  decodePublish(bytes, start, end, fields, 5);
  return messageOf(bytes, fields, nowMs);
}

/** A copy of the topic in [start, end), behind the mount point. */
export function mounted(
  mountPoint: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  if (mountPoint === '') return copied(bytes, start, end);
  return Buffer.concat([Buffer.from(mountPoint), bytes.subarray(start, end)]);
}

const NOTHING = new Uint8Array(0);
const cursor = new PropertyCursor();

/** A copy of the properties in [start, end) that go on to subscribers, in their order [MQTT-3.3.2-18]. */
export function travelling(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (start >= end) return NOTHING;
  const out = new Uint8Array(end - start);
  let length = 0;
  cursor.next = start;
  while (nextProperty(bytes, end, cursor) > 0) {
    if (staysHere(cursor.id)) continue;
    out.set(bytes.subarray(cursor.begin, cursor.next), length);
    length += cursor.next - cursor.begin;
  }
  return out.slice(0, length);
}

function staysHere(id: number): boolean {
  return (
    id === PROPERTY.topicAlias ||
    id === PROPERTY.messageExpiry ||
    id === PROPERTY.subscriptionId ||
    id === PROPERTY.willDelay
  );
}
