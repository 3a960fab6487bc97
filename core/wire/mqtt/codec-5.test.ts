// Our codec of MQTT 5 beside npm mqtt-packet: random packets of every type with random properties, both
// ways, and under damage. fast-check prints the seed of a failure.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import mqttPacket, { type Packet } from 'mqtt-packet';
import {
  AcknowledgeFields,
  decodeAcknowledge,
  decodeSuback,
  decodeUnsuback,
  SubackFields,
} from './decode-acknowledge.ts';
import { ConnackFields, ConnectFields, decodeConnack, decodeConnect } from './decode-connect.ts';
import { DisconnectFields, decodeDisconnect } from './decode-disconnect.ts';
import { decodePublish, PublishFields } from './decode-publish.ts';
import { decodeSubscribe, nextFilter, SubscribeFields } from './decode-subscribe.ts';
import * as encode from './encode-5.ts';
import { frameLength, REMAINING_LENGTH_MAX } from './frame.ts';
import { FLAW, flawName, PACKET } from './packet.ts';
import { nextProperty, PROPERTY, type Properties, PropertyCursor } from './properties.ts';
import { PropertyWriter } from './property-writer.ts';
import { topicNameFlaw } from './text.ts';

const NO_LIMIT = REMAINING_LENGTH_MAX + 5;

/** Our names and mqtt-packet's. */
const THEIR_NAME: Record<keyof typeof PROPERTY, string> = {
  payloadFormat: 'payloadFormatIndicator',
  messageExpiry: 'messageExpiryInterval',
  contentType: 'contentType',
  responseTopic: 'responseTopic',
  correlationData: 'correlationData',
  subscriptionId: 'subscriptionIdentifier',
  sessionExpiry: 'sessionExpiryInterval',
  assignedClientId: 'assignedClientIdentifier',
  serverKeepAlive: 'serverKeepAlive',
  authenticationMethod: 'authenticationMethod',
  authenticationData: 'authenticationData',
  requestProblemInformation: 'requestProblemInformation',
  willDelay: 'willDelayInterval',
  requestResponseInformation: 'requestResponseInformation',
  responseInformation: 'responseInformation',
  serverReference: 'serverReference',
  reasonString: 'reasonString',
  receiveMaximum: 'receiveMaximum',
  topicAliasMaximum: 'topicAliasMaximum',
  topicAlias: 'topicAlias',
  maximumQos: 'maximumQoS',
  retainAvailable: 'retainAvailable',
  userProperty: 'userProperties',
  maximumPacketSize: 'maximumPacketSize',
  wildcardAvailable: 'wildcardSubscriptionAvailable',
  subscriptionIdsAvailable: 'subscriptionIdentifiersAvailable',
  sharedAvailable: 'sharedSubscriptionAvailable',
};
type Name = keyof typeof PROPERTY;
const NAME_OF = new Map(Object.entries(PROPERTY).map(([name, id]) => [id as number, name as Name]));
const FLAGS: Name[] = [
  'payloadFormat',
  'requestProblemInformation',
  'requestResponseInformation',
  'retainAvailable',
  'wildcardAvailable',
  'subscriptionIdsAvailable',
  'sharedAvailable',
];

type Plain = Record<string, unknown>;
/** [name, value] of each property, in order; user properties as `name=value`. */
type Given = [Name, string | number][];

const hex = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('hex');
const text = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.subarray(start, end)).toString('utf8');

const PLACES: Record<string, Name[]> = {
  connect: [
    'sessionExpiry',
    'receiveMaximum',
    'maximumPacketSize',
    'topicAliasMaximum',
    'requestResponseInformation',
    'requestProblemInformation',
    'authenticationMethod',
    'authenticationData',
  ],
  will: [
    'willDelay',
    'payloadFormat',
    'messageExpiry',
    'contentType',
    'responseTopic',
    'correlationData',
  ],
  connack: [
    'sessionExpiry',
    'receiveMaximum',
    'retainAvailable',
    'maximumPacketSize',
    'assignedClientId',
    'topicAliasMaximum',
    'reasonString',
    'wildcardAvailable',
    'subscriptionIdsAvailable',
    'sharedAvailable',
    'serverKeepAlive',
    'responseInformation',
    'serverReference',
  ],
  publish: [
    'payloadFormat',
    'messageExpiry',
    'topicAlias',
    'responseTopic',
    'correlationData',
    'subscriptionId',
    'contentType',
  ],
  subscribe: ['subscriptionId'],
  unsubscribe: [],
  acknowledge: ['reasonString'],
  disconnect: ['sessionExpiry', 'reasonString', 'serverReference'],
  auth: ['authenticationMethod', 'authenticationData', 'reasonString'],
};

const NO_TEXT = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;
const word = fc
  .string({ unit: 'binary', maxLength: 12 })
  .filter((value) => value.isWellFormed() && !NO_TEXT.test(value));
const topicName = word.map((value) => value.replace(/[+#$]/g, '')).filter((value) => value !== '');
const packetId = fc.integer({ min: 1, max: 65_535 });
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const bytesOf = (lengthMax: number) => fc.uint8Array({ maxLength: lengthMax });

function arbitraryOf(name: Name): fc.Arbitrary<string | number> {
  if (FLAGS.includes(name)) return fc.integer({ min: 0, max: 1 });
  if (name === 'subscriptionId') return fc.integer({ min: 1, max: REMAINING_LENGTH_MAX });
  if (['receiveMaximum', 'topicAlias', 'topicAliasMaximum', 'serverKeepAlive'].includes(name)) {
    return packetId;
  }
  const isFour = /Expiry|willDelay|maximumPacketSize/.test(name);
  if (isFour) return fc.integer({ min: 1, max: 0xffff_ffff });
  if (name === 'correlationData' || name === 'authenticationData') {
    return bytesOf(9).map((bytes) => hex(bytes, 0, bytes.length));
  }
  return name === 'responseTopic' ? topicName : word;
}

function propertiesOf(place: string): fc.Arbitrary<Given> {
  const names = PLACES[place]!;
  const user = fc.tuple(
    fc.constant('userProperty' as Name),
    fc.tuple(word, word).map(([name, value]) => `n${name.replaceAll('=', '')}=v${value}`),
  );
  const own = fc
    .subarray(names)
    .chain((chosen) =>
      fc.tuple(...chosen.map((name) => fc.tuple(fc.constant(name), arbitraryOf(name)))),
    );
  return fc.tuple(own, fc.array(user, { maxLength: 2 })).map(([a, b]) => [...a, ...b] as Given);
}

function write(given: Given): PropertyWriter {
  const writer = new PropertyWriter(2000);
  for (const [name, value] of given) {
    const id = PROPERTY[name];
    if (name === 'userProperty') {
      const cut = String(value).indexOf('=');
      writer.pair(id, String(value).slice(0, cut), String(value).slice(cut + 1));
    } else if (name.endsWith('Data')) writer.binary(id, Buffer.from(String(value), 'hex'));
    else if (typeof value === 'string') writer.text(id, value);
    else if (FLAGS.includes(name)) writer.byte(id, value);
    else if (name === 'subscriptionId') writer.variable(id, value);
    else if (/Expiry|willDelay|maximumPacketSize/.test(name)) writer.four(id, value);
    else writer.two(id, value);
  }
  return writer;
}

/** What stands in a block, compared as an object: repeated ones are lists. */
function plainProperties(bytes: Uint8Array, properties: Properties): Plain {
  const cursor = new PropertyCursor();
  cursor.next = properties.blockStart;
  const plain: Record<string, unknown[]> = {};
  while (nextProperty(bytes, properties.blockEnd, cursor) > 0) {
    const name = NAME_OF.get(cursor.id)!;
    let value: unknown = cursor.number;
    if (name === 'userProperty') {
      value = `${text(bytes, cursor.start, cursor.end)}=${text(bytes, cursor.valueStart, cursor.valueEnd)}`;
    } else if (name.endsWith('Data')) value = hex(bytes, cursor.start, cursor.end);
    else if (typeof theirKind(name) === 'string') value = text(bytes, cursor.start, cursor.end);
    (plain[THEIR_NAME[name]] ??= []).push(value);
  }
  for (const list of Object.values(plain)) list.sort();
  return plain;
}

function theirKind(name: Name): string | undefined {
  const texts: Name[] = [
    'contentType',
    'responseTopic',
    'assignedClientId',
    'authenticationMethod',
    'responseInformation',
    'serverReference',
    'reasonString',
  ];
  return texts.includes(name) ? 'text' : undefined;
}

function theirProperties(given: object | undefined): Plain {
  const plain: Record<string, unknown[]> = {};
  for (const [name, value] of Object.entries(given ?? {})) {
    const list: unknown[] = [];
    if (name === 'userProperties') {
      for (const [key, one] of Object.entries(value as Record<string, string | string[]>)) {
        for (const each of [one].flat()) list.push(`${key}=${each}`);
      }
    } else if (Buffer.isBuffer(value)) list.push(value.toString('hex'));
    else for (const each of [value].flat()) list.push(typeof each === 'boolean' ? +each : each);
    plain[name] = list.sort();
  }
  return plain;
}

/** A packet in plain words as we read it, or the flaw. */
function ours(bytes: Uint8Array, start: number, end: number): Plain | number {
  const type = bytes[start]! >>> 4;
  if (type === PACKET.connect) return ourConnect(bytes, start, end);
  if (type === PACKET.connack) {
    const fields = new ConnackFields();
    const flaw = decodeConnack(bytes, start, end, fields, 5);
    const { sessionPresent: present, returnCode: reason, properties } = fields;
    return flaw || { type, present, reason, properties: plainProperties(bytes, properties) };
  }
  if (type === PACKET.publish) {
    const fields = new PublishFields();
    const flaw = decodePublish(bytes, start, end, fields, 5, true);
    if (flaw !== 0) return flaw;
    const { qos: level, dup, retain, packetId: id, topicStart, topicEnd } = fields;
    if (topicEnd > topicStart && topicNameFlaw(bytes, topicStart, topicEnd) !== 0)
      return FLAW.topic;
    const payload = hex(bytes, fields.payloadStart, fields.payloadEnd);
    const topic = text(bytes, topicStart, topicEnd);
    const properties = plainProperties(bytes, fields.properties);
    return { type, level, dup, retain, id, topic, payload, properties };
  }
  if (type === PACKET.subscribe || type === PACKET.unsubscribe) {
    return ourSubscribe(bytes, start, end, type);
  }
  if (type === PACKET.suback || type === PACKET.unsuback) {
    const fields = new SubackFields();
    const decode = type === PACKET.suback ? decodeSuback : decodeUnsuback;
    const flaw = decode(bytes, start, end, fields, 5);
    const codes = [...bytes.subarray(fields.codesStart, fields.codesEnd)];
    const properties = plainProperties(bytes, fields.properties);
    return flaw || { type, id: fields.packetId, codes, properties };
  }
  if (type === PACKET.disconnect || type === PACKET.auth) {
    const fields = new DisconnectFields();
    const flaw = decodeDisconnect(bytes, start, end, fields, 5);
    const properties = plainProperties(bytes, fields.properties);
    return flaw || { type, reason: fields.reason, properties };
  }
  if (type === PACKET.pingreq || type === PACKET.pingresp) return { type };
  const fields = new AcknowledgeFields();
  const flaw = decodeAcknowledge(bytes, start, end, fields, 5);
  const properties = plainProperties(bytes, fields.properties);
  return flaw || { type, id: fields.packetId, reason: fields.reason, properties };
}

function ourConnect(bytes: Uint8Array, start: number, end: number): Plain | number {
  const fields = new ConnectFields();
  const flaw = decodeConnect(bytes, start, end, fields);
  if (flaw !== 0) return flaw;
  if (fields.level !== 5) return { type: PACKET.connect, level: fields.level };
  const hasWill = fields.willTopicStart >= 0;
  return {
    type: PACKET.connect,
    level: 5,
    clean: fields.cleanSession,
    keepAliveS: fields.keepAliveS,
    clientId: text(bytes, fields.clientIdStart, fields.clientIdEnd),
    username:
      fields.usernameStart < 0 ? undefined : text(bytes, fields.usernameStart, fields.usernameEnd),
    password:
      fields.passwordStart < 0 ? undefined : hex(bytes, fields.passwordStart, fields.passwordEnd),
    properties: plainProperties(bytes, fields.properties),
    will: hasWill && {
      topic: text(bytes, fields.willTopicStart, fields.willTopicEnd),
      payload: hex(bytes, fields.willPayloadStart, fields.willPayloadEnd),
      qos: fields.willQos,
      retain: fields.willRetain,
      properties: plainProperties(bytes, fields.willProperties),
    },
  };
}

function ourSubscribe(bytes: Uint8Array, start: number, end: number, type: number): Plain | number {
  const fields = new SubscribeFields();
  const flaw = decodeSubscribe(bytes, start, end, fields, 5);
  if (flaw !== 0) return flaw;
  const filters: unknown[] = [];
  while (nextFilter(bytes, end, fields)) {
    const { filterStart, filterEnd, qos: level, noLocal, retainAsPublished } = fields;
    const options = [level, noLocal, retainAsPublished, fields.retainHandling];
    const isSubscribe = type === PACKET.subscribe;
    filters.push([text(bytes, filterStart, filterEnd), ...(isSubscribe ? options : [])]);
  }
  const properties = plainProperties(bytes, fields.properties);
  return { type, id: fields.packetId, filters, properties };
}

/** The same as mqtt-packet reads it, or its error. */
function oracle(bytes: Uint8Array): Plain[] | Error {
  const parser = mqttPacket.parser({ protocolVersion: 5 });
  const packets: Plain[] = [];
  let failure: Error | undefined;
  parser.on('packet', (packet: Packet) => packets.push(theirs(packet)));
  parser.on('error', (error: Error) => (failure ??= error));
  try {
    parser.parse(Buffer.from(bytes));
  } catch (error) {
    failure = error as Error;
  }
  return failure ?? packets;
}

function theirs(packet: Packet): Plain {
  const type = PACKET[packet.cmd as keyof typeof PACKET];
  const properties = theirProperties('properties' in packet ? packet.properties : undefined);
  const id = packet.messageId;
  if (packet.cmd === 'connect') {
    const { will, password, clean, keepalive, clientId, username } = packet;
    return {
      type,
      level: packet.protocolVersion,
      clean,
      keepAliveS: keepalive,
      clientId,
      username,
      password: password === undefined ? undefined : Buffer.from(password).toString('hex'),
      properties,
      will: will !== undefined && {
        topic: will.topic,
        payload: Buffer.from(will.payload).toString('hex'),
        qos: will.qos,
        retain: will.retain,
        properties: theirProperties(will.properties),
      },
    };
  }
  if (packet.cmd === 'connack') {
    return { type, present: packet.sessionPresent, reason: packet.reasonCode, properties };
  }
  if (packet.cmd === 'publish') {
    const { qos: level, dup, retain, topic } = packet;
    const payload = Buffer.from(packet.payload as Buffer).toString('hex');
    return { type, level, dup, retain, id: id ?? 0, topic, payload, properties };
  }
  if (packet.cmd === 'subscribe') {
    const filters = packet.subscriptions.map(({ topic, qos: level, nl, rap, rh }) => [
      topic,
      level,
      nl,
      rap,
      rh,
    ]);
    return { type, id, filters, properties };
  }
  if (packet.cmd === 'unsubscribe') {
    return { type, id, filters: packet.unsubscriptions.map((topic) => [topic]), properties };
  }
  if (packet.cmd === 'suback' || packet.cmd === 'unsuback') {
    return { type, id, codes: packet.granted, properties };
  }
  if (packet.cmd === 'disconnect' || packet.cmd === 'auth') {
    return { type, reason: packet.reasonCode ?? 0, properties };
  }
  if (packet.cmd === 'pingreq' || packet.cmd === 'pingresp') return { type };
  return { type, id, reason: packet.reasonCode ?? 0, properties };
}

type Writer = (out: Uint8Array, at: number) => number;

const connectWriter: fc.Arbitrary<Writer> = fc
  .record({
    clientId: word,
    keepAliveS: fc.integer({ min: 0, max: 65_535 }),
    cleanSession: fc.boolean(),
    username: fc.option(word, { nil: undefined }),
    password: fc.option(bytesOf(10), { nil: undefined }),
    will: fc.option(
      fc.record({ topic: topicName, payload: bytesOf(20), qos, retain: fc.boolean() }),
      { nil: undefined },
    ),
    properties: propertiesOf('connect'),
    willProperties: propertiesOf('will'),
  })
  .map(({ username, password, will, properties, willProperties, ...rest }) => (out, at) => {
    const packet = {
      ...rest,
      // Who has no name has no session to keep; mqtt-packet refuses to write it.
      cleanSession: rest.cleanSession || rest.clientId === '',
      ...(username === undefined ? {} : { username }),
      // MQTT 5 allows a password alone; mqtt-packet reads that and refuses to write it.
      ...(password === undefined || username === undefined ? {} : { password }),
      ...(will === undefined ? {} : { will }),
    };
    return encode.encodeConnect5(out, at, packet, write(properties), write(willProperties));
  });

const publishWriter: fc.Arbitrary<Writer> = fc
  .tuple(topicName, qos, packetId, fc.boolean(), fc.boolean(), bytesOf(60), propertiesOf('publish'))
  .map(([topic, level, id, dup, retain, payload, given]) => (out, at) => {
    const name = Buffer.from(topic);
    const properties = write(given);
    const { length } = payload;
    const end = encode.encodePublish5(
      out,
      at,
      name,
      name.length,
      level,
      id,
      dup,
      retain,
      properties,
      payload,
      0,
      length,
    );
    assert.equal(end - at, encode.publishLength5(name.length, level, properties.length, length));
    return end;
  });

const filterOptions = fc.record({
  filter: fc
    .array(fc.oneof(fc.constant('+'), topicName), { minLength: 1, maxLength: 3 })
    .map((levels) => levels.join('/')),
  qos,
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.integer({ min: 0, max: 2 }),
});

/** Every packet of MQTT 5 with random properties, written by our encoder. */
const writer: fc.Arbitrary<Writer> = fc.oneof(
  connectWriter,
  publishWriter,
  fc.tuple(fc.boolean(), fc.constantFrom(0, 0x80, 0x87, 0x9f), propertiesOf('connack')).map(
    ([present, reason, given]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeConnack5(out, at, present, reason, write(given)),
  ),
  fc
    .tuple(
      fc.constantFrom(4, 5),
      packetId,
      fc.constantFrom(0, 0x10, 0x97),
      propertiesOf('acknowledge'),
    )
    .map(
      ([type, id, reason, given]) =>
        (out: Uint8Array, at: number) =>
          encode.encodeAcknowledge5(out, at, type, id, reason, write(given)),
    ),
  fc
    .tuple(fc.constantFrom(6, 7), packetId, fc.constantFrom(0, 0x92), propertiesOf('acknowledge'))
    .map(
      ([type, id, reason, given]) =>
        (out: Uint8Array, at: number) =>
          encode.encodeAcknowledge5(out, at, type, id, reason, write(given)),
    ),
  fc
    .tuple(
      packetId,
      fc.array(filterOptions, { minLength: 1, maxLength: 3 }),
      propertiesOf('subscribe'),
    )
    .map(
      ([id, filters, given]) =>
        (out: Uint8Array, at: number) =>
          encode.encodeSubscribe5(out, at, id, filters, write(given)),
    ),
  fc
    .tuple(
      packetId,
      fc.array(topicName, { minLength: 1, maxLength: 3 }),
      propertiesOf('unsubscribe'),
    )
    .map(
      ([id, filters, given]) =>
        (out: Uint8Array, at: number) =>
          encode.encodeUnsubscribe5(out, at, id, filters, write(given)),
    ),
  fc
    .tuple(
      fc.constantFrom(PACKET.suback, PACKET.unsuback),
      packetId,
      fc.array(fc.constantFrom(0, 0x80, 0x87), { minLength: 1, maxLength: 4 }),
      propertiesOf('acknowledge'),
    )
    .map(
      ([type, id, codes, given]) =>
        (out: Uint8Array, at: number) =>
          encode.encodeCodes5(out, at, type, id, codes, codes.length, write(given)),
    ),
  fc.tuple(fc.constantFrom(0, 0x04, 0x81, 0x8e), propertiesOf('disconnect')).map(
    ([reason, given]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeReason5(out, at, PACKET.disconnect, reason, write(given)),
  ),
  fc.tuple(fc.constantFrom(0x18, 0x19), propertiesOf('auth')).map(
    ([reason, given]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeReason5(out, at, PACKET.auth, reason, write(given)),
  ),
);

test('what we write, mqtt-packet reads as we do', () => {
  const out = new Uint8Array(16_384);
  fc.assert(
    fc.property(writer, fc.integer({ min: 0, max: 300 }), (writePacket, at) => {
      const end = writePacket(out, at);
      assert.equal(frameLength(out, at, end, NO_LIMIT), end - at);
      assert.deepEqual([ours(out, at, end)], oracle(out.slice(at, end)));
    }),
    { numRuns: 3000 },
  );
});

test('what mqtt-packet writes, we read as it does', () => {
  const out = new Uint8Array(16_384);
  fc.assert(
    fc.property(writer, (writePacket) => {
      const end = writePacket(out, 0);
      const parser = mqttPacket.parser({ protocolVersion: 5 });
      parser.on('packet', (packet: Packet) => {
        const again = mqttPacket.generate(packet, { protocolVersion: 5 });
        assert.deepEqual(ours(again, 0, again.length), theirs(packet));
      });
      parser.parse(Buffer.from(out.subarray(0, end)));
    }),
    { numRuns: 2000 },
  );
});

/** What mqtt-packet refuses and the standard allows: AUTH without reason means success (5: 3.15.2.1). */
const TOO_STRICT = ['Invalid auth reason code'];

test('damaged packets: what we accept, mqtt-packet accepts with equal fields', () => {
  const out = new Uint8Array(16_384);
  const stricter = new Set<string>();
  const hits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(writer, hits, (writePacket, damage) => {
      const end = writePacket(out, 0);
      for (const [where, value] of damage) out[where % end] = value;
      const length = frameLength(out, 0, end, NO_LIMIT);
      if (length === 0) return;
      const read = length < 0 ? length : ours(out, 0, length);
      const expected = oracle(out.slice(0, length < 0 ? end : length));
      if (typeof read === 'number') {
        if (Array.isArray(expected) && expected.length > 0) stricter.add(flawName(read));
        return;
      }
      if (read['level'] !== undefined && read['type'] === PACKET.connect && read['level'] !== 5)
        return;
      if (expected instanceof Error) {
        assert.ok(TOO_STRICT.includes(expected.message), expected.message);
        return;
      }
      // mqtt-packet drops the first of several user properties with one name when its value is empty.
      if (JSON.stringify(read).includes('="')) return;
      assert.deepEqual([read], expected);
    }),
    { numRuns: 10_000 },
  );
  // Where mqtt-packet is more lenient than the standard; it never announces a length too great for us.
  assert.ok(!stricter.has('tooLarge'));
});

test('random bytes never throw, and nothing behind a packet is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), (bytes) => {
      bytes[1] = bytes.length - 2;
      const length = frameLength(bytes, 0, bytes.length, NO_LIMIT);
      if (length <= 0) return;
      const trap = new Uint8Array(length + 64).fill(0x31);
      trap.set(bytes.subarray(0, length));
      assert.deepEqual(ours(bytes, 0, length), ours(trap, 0, length));
    }),
    { numRuns: 20_000 },
  );
});
