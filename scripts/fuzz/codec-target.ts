// The decoders under hostile packets. Of each packet is asked that nothing throws, that a refusal has a name,
// that what was read lies inside the packet, and that bytes behind the packet change nothing; of each
// sixteenth accepted one that npm mqtt-packet accepts it too, with the same topic, id and payload.

import assert from 'node:assert/strict';
import mqttPacket, { type Packet } from 'mqtt-packet';
import {
  AcknowledgeFields,
  decodeAcknowledge,
  decodePacketId,
  decodeSuback,
  decodeUnsuback,
  emptyBodyFlaw,
  SubackFields,
} from '#core/wire/mqtt/decode-acknowledge.ts';
import {
  ConnackFields,
  ConnectFields,
  decodeConnack,
  decodeConnect,
} from '#core/wire/mqtt/decode-connect.ts';
import { DisconnectFields, decodeDisconnect } from '#core/wire/mqtt/decode-disconnect.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { decodeSubscribe, nextFilter, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { FLAW, flawName, PACKET } from '#core/wire/mqtt/packet.ts';
import { nextProperty, type Properties, PropertyCursor } from '#core/wire/mqtt/properties.ts';
import { topicNameFlaw } from '#core/wire/mqtt/text.ts';
import { Mutator, PACKET_BYTES_MAX, Random, soundPackets } from '#scripts/fuzz/mutator.ts';

/** What follows a packet in the buffer, in turn: reading it would change a result. */
const BEHIND = [0x00, 0x31, 0xff];
const COMPARED_EVERY = 16;
/** What mqtt-packet refuses and the standard allows: AUTH without reason means success (5: 3.15.2.1). */
const TOO_STRICT = ['Invalid auth reason code'];

export class CodecTarget {
  readonly mutator: Mutator;
  readonly accepted = new Float64Array(16);
  compared = 0;
  readonly #room = new Uint8Array(PACKET_BYTES_MAX + 64);
  readonly #connect = new ConnectFields();
  readonly #connack = new ConnackFields();
  readonly #publish = new PublishFields();
  readonly #subscribe = new SubscribeFields();
  readonly #suback = new SubackFields();
  readonly #acknowledge = new AcknowledgeFields();
  readonly #disconnect = new DisconnectFields();
  readonly #cursor = new PropertyCursor();
  #count = 0;

  constructor(seed: number) {
    this.mutator = new Mutator(new Random(seed), soundPackets());
  }

  /** One execution; throws what it found. */
  execute(): void {
    const { mutator } = this;
    mutator.next();
    const { level, length } = mutator;
    const room = this.#room;
    room.set(mutator.bytes.subarray(0, length));
    room.fill(BEHIND[this.#count % BEHIND.length]!, length, length + 32);
    const frame = frameLength(room, 0, length, PACKET_BYTES_MAX);
    if (frame <= 0) {
      if (frame < 0) assertFlaw(frame);
      return;
    }
    assert.ok(frame <= length, 'a frame that is whole lies inside what came');
    const flaw = this.#decode(room, frame, level);
    if (flaw !== 0) {
      assertFlaw(flaw);
      return;
    }
    this.accepted[room[0]! >>> 4]!++;
    room.fill(BEHIND[(this.#count + 1) % BEHIND.length]!, frame, length + 32);
    assert.equal(this.#decode(room, frame, level), 0, 'bytes behind a packet change nothing');
    if (this.#count++ % COMPARED_EVERY === 0) this.#compare(room.slice(0, frame), level);
  }

  #decode(bytes: Uint8Array, end: number, level: number): number {
    const type = bytes[0]! >>> 4;
    if (type === PACKET.connect) return this.#decodeConnect(bytes, end);
    if (type === PACKET.connack) {
      return decodeConnack(bytes, 0, end, this.#connack, level);
    }
    if (type === PACKET.publish) return this.#decodePublish(bytes, end, level);
    if (type === PACKET.subscribe || type === PACKET.unsubscribe) {
      return this.#decodeSubscribe(bytes, end, level);
    }
    if (type === PACKET.suback) return decodeSuback(bytes, 0, end, this.#suback, level);
    if (type === PACKET.unsuback) {
      return level < 5
        ? Math.min(0, decodePacketId(bytes, 0, end))
        : decodeUnsuback(bytes, 0, end, this.#suback);
    }
    if (type === PACKET.pingreq || type === PACKET.pingresp) return emptyBodyFlaw(bytes, 0, end);
    // AUTH came with MQTT 5; the server ends who sends it before that.
    if (type === PACKET.auth && level < 5) return FLAW.firstByte;
    if (type === PACKET.disconnect || type === PACKET.auth) {
      const flaw = decodeDisconnect(bytes, 0, end, this.#disconnect, level);
      if (flaw === 0) this.#walk(bytes, end, this.#disconnect.properties);
      return flaw;
    }
    const flaw = decodeAcknowledge(bytes, 0, end, this.#acknowledge, level);
    if (flaw === 0) this.#walk(bytes, end, this.#acknowledge.properties);
    return flaw;
  }

  #decodeConnect(bytes: Uint8Array, end: number): number {
    const fields = this.#connect;
    const flaw = decodeConnect(bytes, 0, end, fields);
    if (flaw !== 0 || fields.level < 3 || fields.level > 5) return flaw;
    assertInside(fields.clientIdStart, fields.clientIdEnd, end);
    if (fields.willTopicStart >= 0) {
      assertInside(fields.willTopicStart, fields.willTopicEnd, end);
      assertInside(fields.willPayloadStart, fields.willPayloadEnd, end);
    }
    if (fields.usernameStart >= 0) assertInside(fields.usernameStart, fields.usernameEnd, end);
    if (fields.passwordStart >= 0) assertInside(fields.passwordStart, fields.passwordEnd, end);
    if (fields.level === 5) {
      this.#walk(bytes, end, fields.properties);
      if (fields.willTopicStart >= 0) this.#walk(bytes, end, fields.willProperties);
    }
    return 0;
  }

  #decodePublish(bytes: Uint8Array, end: number, level: number): number {
    const fields = this.#publish;
    const flaw = decodePublish(bytes, 0, end, fields, level);
    if (flaw !== 0) return flaw;
    assertInside(fields.topicStart, fields.topicEnd, end);
    assertInside(fields.payloadStart, fields.payloadEnd, end);
    assert.ok(fields.qos === 0 || fields.packetId > 0, 'QoS 1 and 2 have a packet id');
    if (level === 5) this.#walk(bytes, end, fields.properties);
    if (fields.topicEnd === fields.topicStart && level === 5) return 0;
    return topicNameFlaw(bytes, fields.topicStart, fields.topicEnd);
  }

  #decodeSubscribe(bytes: Uint8Array, end: number, level: number): number {
    const fields = this.#subscribe;
    const flaw = decodeSubscribe(bytes, 0, end, fields, level);
    if (flaw !== 0) return flaw;
    let count = 0;
    while (nextFilter(bytes, end, fields)) {
      assertInside(fields.filterStart, fields.filterEnd, end);
      count++;
    }
    assert.ok(count > 0, 'a sound SUBSCRIBE has a filter');
    return 0;
  }

  #walk(bytes: Uint8Array, end: number, { blockStart, blockEnd }: Properties): void {
    assertInside(blockStart, blockEnd, end);
    const cursor = this.#cursor;
    cursor.next = blockStart;
    let last = blockStart;
    while (nextProperty(bytes, blockEnd, cursor) > 0) {
      assert.ok(cursor.next > last && cursor.next <= blockEnd, 'properties move on, inside');
      last = cursor.next;
    }
    assert.equal(last, blockEnd, 'a sound block is read to its end');
  }

  #compare(bytes: Uint8Array, level: number): void {
    const type = bytes[0]! >>> 4;
    const own = this.#connect.level;
    if (type === PACKET.connect && own !== 4 && own !== 5) return;
    this.compared++;
    const parser = mqttPacket.parser({ protocolVersion: level });
    const seen: (Packet & Record<string, unknown>)[] = [];
    let error: Error | undefined;
    parser.on('packet', (packet) => seen.push(packet as (typeof seen)[0]));
    parser.on('error', (one) => (error = one));
    parser.parse(Buffer.from(bytes));
    if (error !== undefined) {
      assert.ok(TOO_STRICT.includes(error.message), `mqtt-packet: ${error.message}`);
      return;
    }
    assert.equal(seen.length, 1, 'mqtt-packet reads one packet');
    const [packet] = seen;
    if (type !== PACKET.publish) return;
    const fields = this.#publish;
    const text = (start: number, end: number): string =>
      Buffer.from(bytes.subarray(start, end)).toString('utf8');
    assert.equal(packet!['topic'], text(fields.topicStart, fields.topicEnd));
    assert.equal(String(packet!['payload']), text(fields.payloadStart, fields.payloadEnd));
    if (fields.qos > 0) assert.equal(packet!['messageId'], fields.packetId);
  }
}

function assertInside(start: number, end: number, packetEnd: number): void {
  if (start < 0 || end < start || end > packetEnd) {
    assert.fail(`a field [${start}, ${end}) leaves its packet of ${packetEnd} bytes`);
  }
}

function assertFlaw(flaw: number): void {
  if (typeof flawName(flaw) !== 'string') assert.fail(`flaw ${flaw} has no name`);
}
