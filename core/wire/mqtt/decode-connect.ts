// CONNECT (3.1) and CONNACK (3.2). Fields are offsets into the received bytes: nothing is copied.
//
//   CONNECT   0x10 len | 00 04 'M' 'Q' 'T' 'T' | level | flags | keep-alive (2) | [5: properties] | client id
//             [ [5: will properties] will topic | will message ] [ user name ] [ password ]
//             each text and binary: length (2), bytes
//             flags: 7 user name, 6 password, 5 will retain, 4..3 will QoS, 2 will, 1 clean, 0 reserved
//             level: 4 = MQTT 3.1.1, 5 = MQTT 5.0; MQTT 3.1 has the name 'MQIsdp' and level 3
//   CONNACK   0x20 len | 0000000 session present | code [5: | properties]

import { bodyStart } from '#core/wire/mqtt/frame.ts';
import {
  FLAW,
  PACKET,
  PROTOCOL_LEVEL_3_1,
  PROTOCOL_LEVEL_3_1_1,
  PROTOCOL_LEVEL_5,
} from '#core/wire/mqtt/packet.ts';
import { Properties, readProperties, WILL_PROPERTIES } from '#core/wire/mqtt/properties.ts';
import { textFieldEnd, textFlaw, topicNameFlaw } from '#core/wire/mqtt/text.ts';

/** What `decodeConnect` found; one object is used again for every packet. Absent fields start at -1. */
export class ConnectFields {
  /** Protocol level: 3, 4 or 5. With another level nothing below it was read. */
  level = 0;
  /** Clean Session; in MQTT 5 Clean Start. */
  cleanSession = false;
  keepAliveS = 0;
  clientIdStart = -1;
  clientIdEnd = -1;
  willQos = 0;
  willRetain = false;
  willTopicStart = -1;
  willTopicEnd = -1;
  willPayloadStart = -1;
  willPayloadEnd = -1;
  usernameStart = -1;
  usernameEnd = -1;
  passwordStart = -1;
  passwordEnd = -1;
  /** Empty below MQTT 5. */
  readonly properties = new Properties();
  /** Empty below MQTT 5 and without a will. */
  readonly willProperties = new Properties();
}

/**
 * Reads the CONNECT in [start, end), a whole frame. Returns 0 or a FLAW. A level other than 3, 4 and 5 is
 * no flaw: the answer to it is a CONNACK [MQTT-3.1.2-2], so the caller looks at `fields.level` first.
 */
export function decodeConnect(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: ConnectFields,
): number {
  const name = bodyStart(bytes, start);
  const nameEnd = textFieldEnd(bytes, name, end);
  if (nameEnd < 0) return nameEnd;
  if (nameEnd >= end) return FLAW.truncated;
  const level = bytes[nameEnd]!;
  fields.level = level;
  const isOld = isName(bytes, name + 2, nameEnd, OLD_NAME);
  if (!isOld && !isName(bytes, name + 2, nameEnd, NAME)) return FLAW.protocolName;
  // The flags of the first byte had no meaning in MQTT 3.1 and are reserved since [MQTT-2.2.2-1].
  if (!isOld && (bytes[start]! & 0x0f) !== 0) return FLAW.firstByte;
  if (isOld ? level !== PROTOCOL_LEVEL_3_1 : level !== PROTOCOL_LEVEL_3_1_1 && level !== 5) {
    // A name that this level does not have: no known version.
    if (level === PROTOCOL_LEVEL_3_1 || isOld) fields.level = isKnown(level) ? 0 : level;
    return 0;
  }
  if (nameEnd + 4 > end) return FLAW.truncated;
  const flags = bytes[nameEnd + 1]!;
  if (!areFlagsSound(flags, level)) return FLAW.connectFlags;
  fields.cleanSession = (flags & 0x02) !== 0;
  fields.willQos = (flags >>> 3) & 3;
  fields.willRetain = (flags & 0x20) !== 0;
  fields.keepAliveS = (bytes[nameEnd + 2]! << 8) | bytes[nameEnd + 3]!;
  let at = nameEnd + 4;
  fields.properties.clear();
  fields.willProperties.clear();
  if (level >= PROTOCOL_LEVEL_5) {
    at = readProperties(bytes, at, end, PACKET.connect, fields.properties);
    if (at < 0) return at;
  }
  return decodePayload(bytes, at, end, flags, fields);
}

/** What `decodeConnack` found. */
export class ConnackFields {
  sessionPresent = false;
  /** Return code of MQTT 3, reason code of MQTT 5. */
  returnCode = 0;
  readonly properties = new Properties();
}

/** Reads the CONNACK of protocol `level` in [start, end), a whole frame. Returns 0 or a FLAW. */
export function decodeConnack(
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: ConnackFields,
  level = PROTOCOL_LEVEL_3_1_1,
): number {
  const body = bodyStart(bytes, start);
  if (end - body < 2) return FLAW.truncated;
  const flags = bytes[body]!;
  const code = bytes[body + 1]!;
  if (flags > 1) return FLAW.returnCode;
  fields.sessionPresent = flags === 1;
  fields.returnCode = code;
  fields.properties.clear();
  if (level < PROTOCOL_LEVEL_5) {
    if (code > 5) return FLAW.returnCode;
    return end - body > 2 ? FLAW.trailing : 0;
  }
  if (code !== 0 && (code < 0x80 || code > 0xa2)) return FLAW.returnCode;
  const after = readProperties(bytes, body + 2, end, PACKET.connack, fields.properties);
  return after < 0 ? after : after === end ? 0 : FLAW.trailing;
}

function decodePayload(
  bytes: Uint8Array,
  at: number,
  end: number,
  flags: number,
  fields: ConnectFields,
): number {
  let next = textFieldEnd(bytes, at, end);
  if (next < 0) return next;
  fields.clientIdStart = at + 2;
  fields.clientIdEnd = next;
  let flaw = textFlaw(bytes, at + 2, next);
  if (flaw !== 0) return flaw;
  next = decodeWill(bytes, next, end, (flags & 0x04) !== 0, fields);
  if (next < 0) return next;
  fields.usernameStart = fields.usernameEnd = -1;
  if ((flags & 0x80) !== 0) {
    fields.usernameStart = next + 2;
    next = textFieldEnd(bytes, next, end);
    if (next < 0) return next;
    fields.usernameEnd = next;
    flaw = textFlaw(bytes, fields.usernameStart, next);
    if (flaw !== 0) return flaw;
  }
  fields.passwordStart = fields.passwordEnd = -1;
  if ((flags & 0x40) !== 0) {
    fields.passwordStart = next + 2;
    next = textFieldEnd(bytes, next, end);
    if (next < 0) return next;
    fields.passwordEnd = next;
  }
  return next === end ? 0 : FLAW.trailing;
}

/** Returns the offset behind the will, or a FLAW. */
function decodeWill(
  bytes: Uint8Array,
  at: number,
  end: number,
  present: boolean,
  fields: ConnectFields,
): number {
  fields.willTopicStart = fields.willTopicEnd = -1;
  fields.willPayloadStart = fields.willPayloadEnd = -1;
  if (!present) return at;
  if (fields.level >= PROTOCOL_LEVEL_5) {
    at = readProperties(bytes, at, end, WILL_PROPERTIES, fields.willProperties);
    if (at < 0) return at;
  }
  const topicEnd = textFieldEnd(bytes, at, end);
  if (topicEnd < 0) return topicEnd;
  const flaw = topicNameFlaw(bytes, at + 2, topicEnd);
  if (flaw !== 0) return flaw;
  const payloadEnd = textFieldEnd(bytes, topicEnd, end);
  if (payloadEnd < 0) return payloadEnd;
  fields.willTopicStart = at + 2;
  fields.willTopicEnd = topicEnd;
  fields.willPayloadStart = topicEnd + 2;
  fields.willPayloadEnd = payloadEnd;
  return payloadEnd;
}

function isKnown(level: number): boolean {
  return level >= PROTOCOL_LEVEL_3_1 && level <= PROTOCOL_LEVEL_5;
}

/**
 * The reserved bit is 0 (since 3.1.1); no will means no will flags, QoS 3 is none; before MQTT 5 a password
 * needs a user name.
 */
function areFlagsSound(flags: number, level: number): boolean {
  if ((flags & 0x01) !== 0 && level > PROTOCOL_LEVEL_3_1) return false;
  if ((flags & 0x04) === 0 && (flags & 0x38) !== 0) return false;
  if ((flags & 0x18) === 0x18) return false;
  return level >= PROTOCOL_LEVEL_5 || (flags & 0xc0) !== 0x40;
}

const NAME = Uint8Array.from('MQTT', (letter) => letter.charCodeAt(0));
const OLD_NAME = Uint8Array.from('MQIsdp', (letter) => letter.charCodeAt(0));

function isName(bytes: Uint8Array, start: number, end: number, name: Uint8Array): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
