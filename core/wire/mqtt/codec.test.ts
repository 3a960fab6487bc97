// Our codec beside npm mqtt-packet, in both directions, and under damage.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { decodePacketId, decodeSuback, emptyBodyFlaw, SubackFields } from './decode-acknowledge.ts';
import { ConnackFields, ConnectFields, decodeConnack, decodeConnect } from './decode-connect.ts';
import { decodePublish, PublishFields } from './decode-publish.ts';
import { decodeSubscribe, nextFilter, SubscribeFields } from './decode-subscribe.ts';
import * as encode from './encode.ts';
import { frameLength, REMAINING_LENGTH_MAX } from './frame.ts';
import { FLAW, flawName, PACKET } from './packet.ts';
import { topicNameFlaw } from './text.ts';

const NO_LIMIT = REMAINING_LENGTH_MAX + 5;

/** A packet in plain words, the form in which the two codecs are compared. */
type Plain = Record<string, unknown>;

function plainOf(bytes: Uint8Array, start: number, end: number): Plain | number {
  const type = bytes[start]! >>> 4;
  if (type === PACKET.connect) return plainConnect(bytes, start, end);
  if (type === PACKET.connack) {
    const fields = new ConnackFields();
    const flaw = decodeConnack(bytes, start, end, fields);
    return flaw || { type, present: fields.sessionPresent, code: fields.returnCode };
  }
  if (type === PACKET.publish) return plainPublish(bytes, start, end);
  if (type === PACKET.subscribe || type === PACKET.unsubscribe) {
    const fields = new SubscribeFields();
    const flaw = decodeSubscribe(bytes, start, end, fields);
    if (flaw !== 0) return flaw;
    const filters: unknown[] = [];
    while (nextFilter(bytes, end, fields)) {
      filters.push([text(bytes, fields.filterStart, fields.filterEnd), fields.qos]);
    }
    assert.equal(filters.length, fields.filterCount);
    return { type, id: fields.packetId, filters };
  }
  if (type === PACKET.suback) {
    const fields = new SubackFields();
    const flaw = decodeSuback(bytes, start, end, fields);
    if (flaw !== 0) return flaw;
    return {
      type,
      id: fields.packetId,
      codes: [...bytes.slice(fields.codesStart, fields.codesEnd)],
    };
  }
  if (type === PACKET.pingreq || type === PACKET.pingresp || type === PACKET.disconnect) {
    return emptyBodyFlaw(bytes, start, end) || { type };
  }
  if (type === 15) return FLAW.firstByte;
  const id = decodePacketId(bytes, start, end);
  return id < 0 ? id : { type, id };
}

function plainConnect(bytes: Uint8Array, start: number, end: number): Plain | number {
  const fields = new ConnectFields();
  const flaw = decodeConnect(bytes, start, end, fields);
  if (flaw !== 0) return flaw;
  if (fields.level !== 4) return { type: PACKET.connect, level: fields.level };
  const part = (from: number, to: number): string | undefined =>
    from < 0 ? undefined : text(bytes, from, to);
  return {
    type: PACKET.connect,
    level: 4,
    clean: fields.cleanSession,
    keepAliveS: fields.keepAliveS,
    clientId: part(fields.clientIdStart, fields.clientIdEnd),
    username: part(fields.usernameStart, fields.usernameEnd),
    password:
      fields.passwordStart < 0 ? undefined : hex(bytes, fields.passwordStart, fields.passwordEnd),
    willTopic: part(fields.willTopicStart, fields.willTopicEnd),
    willPayload:
      fields.willPayloadStart < 0
        ? undefined
        : hex(bytes, fields.willPayloadStart, fields.willPayloadEnd),
    willQos: fields.willQos,
    willRetain: fields.willRetain,
  };
}

function plainPublish(bytes: Uint8Array, start: number, end: number): Plain | number {
  const fields = new PublishFields();
  const flaw =
    decodePublish(bytes, start, end, fields) ||
    topicNameFlaw(bytes, fields.topicStart, fields.topicEnd);
  return (
    flaw || {
      type: PACKET.publish,
      qos: fields.qos,
      dup: fields.dup,
      retain: fields.retain,
      id: fields.packetId,
      topic: text(bytes, fields.topicStart, fields.topicEnd),
      payload: hex(bytes, fields.payloadStart, fields.payloadEnd),
    }
  );
}

/** What mqtt-packet makes of the bytes: plain packets, or the error it raised. */
function oracle(bytes: Uint8Array): Plain[] | Error {
  const parser = mqttPacket.parser({ protocolVersion: 4 });
  const packets: Plain[] = [];
  let failure: Error | undefined;
  parser.on('packet', (packet: Packet) => packets.push(plainOfOracle(packet)));
  parser.on('error', (error: Error) => (failure ??= error));
  try {
    parser.parse(Buffer.from(bytes));
  } catch (error) {
    failure = error as Error;
  }
  return failure ?? packets;
}

function plainOfOracle(packet: Packet): Plain {
  const type = PACKET[packet.cmd as keyof typeof PACKET];
  if (packet.cmd === 'connect') {
    const { will, password } = packet;
    return {
      type,
      level: packet.protocolVersion,
      clean: packet.clean,
      keepAliveS: packet.keepalive,
      clientId: packet.clientId,
      username: packet.username,
      password: password === undefined ? undefined : Buffer.from(password).toString('hex'),
      willTopic: will?.topic,
      willPayload: will === undefined ? undefined : Buffer.from(will.payload).toString('hex'),
      willQos: will?.qos ?? 0,
      willRetain: will?.retain ?? false,
    };
  }
  if (packet.cmd === 'connack') {
    return { type, present: packet.sessionPresent, code: packet.returnCode };
  }
  if (packet.cmd === 'publish') {
    const payload = Buffer.from(packet.payload as Buffer).toString('hex');
    const { qos, dup, retain, topic } = packet;
    return { type, qos, dup, retain, id: packet.messageId ?? 0, topic, payload };
  }
  if (packet.cmd === 'subscribe') {
    const filters = packet.subscriptions.map(({ topic, qos }) => [topic, qos]);
    return { type, id: packet.messageId, filters };
  }
  if (packet.cmd === 'unsubscribe') {
    const filters = packet.unsubscriptions.map((topic) => [topic, 0]);
    return { type, id: packet.messageId, filters };
  }
  if (packet.cmd === 'suback') return { type, id: packet.messageId, codes: packet.granted };
  return packet.messageId === undefined ? { type } : { type, id: packet.messageId };
}

const text = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('utf8');
const hex = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('hex');

const NO_TEXT = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;
const bytesOf = (lengthMax: number) => fc.uint8Array({ maxLength: lengthMax });
const utf8 = (lengthMax: number) =>
  fc
    .string({ unit: 'binary', maxLength: lengthMax })
    .filter((value) => value.isWellFormed() && !NO_TEXT.test(value));
const topicName = utf8(40)
  .map((value) => value.replace(/[+#]/g, ''))
  .filter((value) => value !== '');
const filterLevel = fc.oneof(fc.constant('+'), topicName);
const filter = fc
  .tuple(fc.array(filterLevel, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, deep]) => levels.join('/') + (deep ? '/#' : ''));
const packetId = fc.integer({ min: 1, max: 65_535 });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);

const connectPacket = fc
  .record({
    clientId: utf8(30),
    keepAliveS: fc.integer({ min: 0, max: 65_535 }),
    cleanSession: fc.boolean(),
    username: fc.option(utf8(20), { nil: undefined }),
    password: fc.option(bytesOf(20), { nil: undefined }),
    will: fc.option(
      fc.record({ topic: topicName, payload: bytesOf(50), qos, retain: fc.boolean() }),
      { nil: undefined },
    ),
  })
  .map(
    ({ username, password, will, ...rest }): encode.ConnectPacket => ({
      ...rest,
      // Who has no name has no session to keep [MQTT-3.1.3-7]; mqtt-packet refuses to write it.
      cleanSession: rest.cleanSession || rest.clientId === '',
      ...(username === undefined ? {} : { username }),
      ...(username === undefined || password === undefined ? {} : { password }),
      ...(will === undefined ? {} : { will }),
    }),
  );

type Writer = (out: Uint8Array, at: number) => number;

/** Every kind of packet, written by our encoder at a random place of a buffer. */
const writer: fc.Arbitrary<Writer> = fc.oneof(
  connectPacket.map(
    (packet) => (out: Uint8Array, at: number) => encode.encodeConnect(out, at, packet),
  ),
  fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 5 })).map(
    ([present, code]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeConnack(out, at, present, code),
  ),
  fc
    .tuple(topicName, qos, packetId, fc.boolean(), fc.boolean(), bytesOf(400))
    .map(([topic, level, id, dup, retain, payload]) => (out: Uint8Array, at: number) => {
      const name = Buffer.from(topic);
      const { length } = payload;
      return encode.encodePublish(
        out,
        at,
        name,
        name.length,
        level,
        id,
        dup,
        retain,
        payload,
        0,
        length,
      );
    }),
  packetId.map((id) => (out: Uint8Array, at: number) => encode.encodePuback(out, at, id)),
  packetId.map((id) => (out: Uint8Array, at: number) => encode.encodeUnsuback(out, at, id)),
  fc.tuple(packetId, fc.array(filter, { minLength: 1, maxLength: 5 }), qos).map(
    ([id, filters, level]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeSubscribe(out, at, id, filters, level),
  ),
  fc.tuple(packetId, fc.array(filter, { minLength: 1, maxLength: 5 })).map(
    ([id, filters]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeUnsubscribe(out, at, id, filters),
  ),
  fc.tuple(packetId, fc.array(fc.constantFrom(0, 1, 2, 0x80), { minLength: 1, maxLength: 5 })).map(
    ([id, codes]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeSuback(out, at, id, codes, codes.length),
  ),
  fc.constant(encode.encodePingreq),
  fc.constant(encode.encodePingresp),
  fc.constant(encode.encodeDisconnect),
);

test('what we write, mqtt-packet reads as we do', () => {
  const out = new Uint8Array(8192);
  fc.assert(
    fc.property(writer, fc.integer({ min: 0, max: 300 }), (write, at) => {
      const end = write(out, at);
      assert.equal(frameLength(out, at, end, NO_LIMIT), end - at);
      assert.deepEqual([plainOf(out, at, end)], oracle(out.slice(at, end)));
    }),
    { numRuns: 3000 },
  );
});

test('what mqtt-packet writes, we read, byte for byte as we would write it', () => {
  const out = new Uint8Array(8192);
  fc.assert(
    fc.property(writer, (write) => {
      const end = write(out, 0);
      const parser = mqttPacket.parser({ protocolVersion: 4 });
      parser.on('packet', (packet: Packet) => {
        // A DUP without QoS cannot be written by us, so every packet here is regular.
        const theirs = mqttPacket.generate(packet, { protocolVersion: 4 });
        assert.equal(Buffer.from(theirs).toString('hex'), hex(out, 0, end));
      });
      parser.on('error', (error: Error) => {
        throw error;
      });
      parser.parse(Buffer.from(out.subarray(0, end)));
    }),
    { numRuns: 2000 },
  );
});

test('a frame cut at any byte asks for more, and never reads past its end', () => {
  const out = new Uint8Array(8192);
  fc.assert(
    fc.property(writer, writer, (first, second) => {
      const middle = first(out, 0);
      const end = second(out, middle);
      for (let cut = 0; cut < middle; cut++) assert.equal(frameLength(out, 0, cut, NO_LIMIT), 0);
      for (let cut = middle; cut <= end; cut++) {
        assert.equal(frameLength(out, 0, cut, NO_LIMIT), middle);
        if (cut < end) assert.equal(frameLength(out, middle, cut, NO_LIMIT), 0);
      }
    }),
    { numRuns: 300 },
  );
});

test('damaged packets: what we accept, mqtt-packet accepts with equal fields', () => {
  const stricter = new Set<string>();
  const out = new Uint8Array(8192);
  const hits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(writer, hits, (write, damage) => {
      const end = write(out, 0);
      for (const [where, value] of damage) out[where % end] = value;
      const length = frameLength(out, 0, end, NO_LIMIT);
      if (length === 0) return;
      const ours = length < 0 ? length : plainOf(out, 0, length);
      const theirs = oracle(out.slice(0, length < 0 ? end : length));
      if (typeof ours !== 'number') {
        if (ours['level'] !== undefined && ours['level'] !== 4) return;
        assert.deepEqual([ours], theirs);
      } else if (Array.isArray(theirs) && theirs.length > 0) stricter.add(flawName(ours));
    }),
    { numRuns: 20_000 },
  );
  // Where mqtt-packet is more lenient than the standard, and no other place.
  const known = [
    'text',
    'trailing',
    'packetId',
    'topic',
    'noFilter',
    'connectFlags',
    'returnCode',
    'qos',
    'truncated',
    'firstByte',
  ];
  assert.deepEqual(
    [...stricter].filter((name) => !known.includes(name)),
    [],
  );
});

test('random bytes never throw, and fields never leave their packet', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), (bytes) => {
      // A length that fits makes a frame of most inputs, so that the decoders are reached.
      bytes[1] = bytes.length - 2;
      const length = frameLength(bytes, 0, bytes.length, NO_LIMIT);
      if (length <= 0) return;
      // Behind the frame lies a trap: reading it would change the result.
      const trap = new Uint8Array(length + 64).fill(0x31);
      trap.set(bytes.subarray(0, length));
      assert.deepEqual(plainOf(bytes, 0, length), plainOf(trap, 0, length));
    }),
    { numRuns: 20_000 },
  );
});
