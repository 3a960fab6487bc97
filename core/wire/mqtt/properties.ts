// Properties of MQTT 5 (5: 2.2.2): a variable byte integer with their length, then each as an identifier
// and a value of the type that the identifier has.
//
//   length (1..4) | { identifier (1) | byte, two or four bytes, variable integer, text, binary or pair } ...
//
// `readProperties` checks all of a packet's properties once and notes where each stands; values are
// offsets into the received bytes. One `Properties` object serves all packets of a thread: clearing is
// one addition. A packet without properties costs one comparison.

import { FLAW, PACKET } from '#core/wire/mqtt/packet.ts';
import { textFieldEnd, textFlaw, topicNameFlaw } from '#core/wire/mqtt/text.ts';

/** Identifiers (5: table 2.4). */
export const PROPERTY = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionId: 0x0b,
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  serverKeepAlive: 0x13,
  authenticationMethod: 0x15,
  authenticationData: 0x16,
  requestProblemInformation: 0x17,
  willDelay: 0x18,
  requestResponseInformation: 0x19,
  responseInformation: 0x1a,
  serverReference: 0x1c,
  reasonString: 0x1f,
  receiveMaximum: 0x21,
  topicAliasMaximum: 0x22,
  topicAlias: 0x23,
  maximumQos: 0x24,
  retainAvailable: 0x25,
  userProperty: 0x26,
  maximumPacketSize: 0x27,
  wildcardAvailable: 0x28,
  subscriptionIdsAvailable: 0x29,
  sharedAvailable: 0x2a,
} as const;

const ID_COUNT = 0x2b;

/** Types of values (5: 1.5). */
const TYPE = {
  none: 0,
  byte: 1,
  two: 2,
  four: 3,
  variable: 4,
  text: 5,
  binary: 6,
  pair: 7,
} as const;

/** The place of the properties of a will: no packet has type 0. */
export const WILL_PROPERTIES = 0;

const TYPE_OF = new Uint8Array(ID_COUNT);
/** Bit p: packets of type p may carry it. */
const PLACES_OF = new Uint16Array(ID_COUNT);
defineProperties();

/** The properties that `readProperties` found. Text and binary are the bytes [start(id), end(id)). */
export class Properties {
  /** The whole block, without its length, is [blockStart, blockEnd). */
  blockStart = 0;
  blockEnd = 0;
  /** User properties in the block; they are found by walking it with `nextProperty`. */
  userCount = 0;
  readonly #seen = new Uint32Array(ID_COUNT);
  #stamp = 1;
  readonly #number = new Float64Array(ID_COUNT);
  readonly #start = new Int32Array(ID_COUNT);
  readonly #end = new Int32Array(ID_COUNT);

  clear(): void {
    this.#stamp++;
    this.blockStart = this.blockEnd = this.userCount = 0;
  }

  has(id: number): boolean {
    return this.#seen[id] === this.#stamp;
  }

  /** The value of a number, or `otherwise` when the property is absent. */
  number(id: number, otherwise: number): number {
    return this.has(id) ? this.#number[id]! : otherwise;
  }

  start(id: number): number {
    return this.#start[id]!;
  }

  end(id: number): number {
    return this.#end[id]!;
  }

  /** Notes what `cursor` stands on; false when it stood there before. */
  note(cursor: PropertyCursor): boolean {
    const { id } = cursor;
    if (id === PROPERTY.userProperty) {
      this.userCount++;
      return true;
    }
    const isNew = !this.has(id);
    this.#seen[id] = this.#stamp;
    this.#number[id] = cursor.number;
    this.#start[id] = cursor.start;
    this.#end[id] = cursor.end;
    return isNew;
  }
}

/** One property of a block; moved by `nextProperty`. */
export class PropertyCursor {
  /** Where the next one begins. */
  next = 0;
  /** Where this one begins, its identifier included; it ends at `next`. */
  begin = 0;
  id = 0;
  /** Value of a number. */
  number = 0;
  /** Bytes of text and binary; of a pair the name. */
  start = 0;
  end = 0;
  /** Bytes of a pair's value. */
  valueStart = 0;
  valueEnd = 0;
}

const cursor = new PropertyCursor();

/**
 * Reads the properties at `at` of a packet of type `place` (or WILL_PROPERTIES), which end before `end`.
 * Returns the offset behind them, or a FLAW. `fromServer`: a PUBLISH to a client may carry several
 * subscription identifiers.
 */
export function readProperties(
  bytes: Uint8Array,
  at: number,
  end: number,
  place: number,
  into: Properties,
  fromServer = false,
): number {
  into.clear();
  const length = readVariable(bytes, at, end);
  if (length < 0) return length;
  at += variableLength(bytes, at);
  const blockEnd = at + length;
  if (blockEnd > end) return FLAW.truncated;
  into.blockStart = at;
  into.blockEnd = blockEnd;
  const isSubscription = place === PACKET.subscribe || place === PACKET.unsubscribe;
  cursor.next = at;
  // What cannot be read at all is said before what should not be there (5: 4.13.1).
  let misuse = 0;
  while (cursor.next < blockEnd) {
    const flaw = nextProperty(bytes, blockEnd, cursor);
    if (flaw < 0) return flaw;
    if (misuse !== 0) continue;
    if ((PLACES_OF[cursor.id]! & (1 << place)) === 0) {
      misuse = isSubscription ? FLAW.property : FLAW.propertyMisplaced;
      continue;
    }
    const mayRepeat = fromServer && cursor.id === PROPERTY.subscriptionId;
    misuse = into.note(cursor) || mayRepeat ? flawOfValue(bytes, cursor) : FLAW.propertyTwice;
  }
  return misuse === 0 ? blockEnd : misuse;
}

/**
 * Moves to the next property of a block that ends at `end`; 1, or 0 behind the last, or a FLAW. The
 * caller sets `cursor.next` to the start of the block.
 */
export function nextProperty(bytes: Uint8Array, end: number, at: PropertyCursor): number {
  if (at.next >= end) return 0;
  at.begin = at.next;
  // All identifiers are below 128, so a longer one is none (5: table 2.4).
  const id = bytes[at.next]!;
  const type = id < ID_COUNT ? TYPE_OF[id]! : TYPE.none;
  if (type === TYPE.none) return FLAW.property;
  at.id = id;
  at.start = at.next + 1;
  if (type >= TYPE.text) return nextBytes(bytes, end, at, type);
  if (type === TYPE.variable) {
    at.number = readVariable(bytes, at.start, end);
    if (at.number < 0) return at.number;
    at.end = at.start + variableLength(bytes, at.start);
  } else {
    at.end = at.start + (type === TYPE.byte ? 1 : type === TYPE.two ? 2 : 4);
    if (at.end > end) return FLAW.truncated;
    let number = 0;
    for (let i = at.start; i < at.end; i++) number = number * 256 + bytes[i]!;
    at.number = number;
  }
  at.next = at.end;
  return 1;
}

/** Value of the variable byte integer at `at` (5: 1.5.5), or a FLAW. */
export function readVariable(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) return FLAW.truncated;
    const byte = bytes[at++]!;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return FLAW.lengthOverlong;
}

/** Bytes of the variable byte integer at `at` that `readVariable` has accepted. */
export function variableLength(bytes: Uint8Array, at: number): number {
  let length = 1;
  while (bytes[at++]! >= 0x80) length++;
  return length;
}

function nextBytes(bytes: Uint8Array, end: number, at: PropertyCursor, type: number): number {
  const fieldEnd = textFieldEnd(bytes, at.start, end);
  if (fieldEnd < 0) return fieldEnd;
  at.start += 2;
  at.end = at.next = fieldEnd;
  if (type === TYPE.binary) return 1;
  const flaw = textFlaw(bytes, at.start, fieldEnd);
  if (flaw !== 0) return flaw;
  if (type === TYPE.text) return 1;
  at.valueEnd = textFieldEnd(bytes, fieldEnd, end);
  if (at.valueEnd < 0) return at.valueEnd;
  at.valueStart = fieldEnd + 2;
  at.next = at.valueEnd;
  return textFlaw(bytes, at.valueStart, at.valueEnd) || 1;
}

/** What a value must not be, beyond its type. */
function flawOfValue(bytes: Uint8Array, { id, number, start, end }: PropertyCursor): number {
  switch (id) {
    case PROPERTY.payloadFormat:
    case PROPERTY.requestProblemInformation:
    case PROPERTY.requestResponseInformation:
    case PROPERTY.maximumQos:
    case PROPERTY.retainAvailable:
    case PROPERTY.wildcardAvailable:
    case PROPERTY.subscriptionIdsAvailable:
    case PROPERTY.sharedAvailable:
      return number > 1 ? FLAW.propertyValue : 0;
    case PROPERTY.receiveMaximum:
    case PROPERTY.maximumPacketSize:
      return number === 0 ? FLAW.propertyValue : 0;
    case PROPERTY.subscriptionId:
      // Zero is a protocol error (5: 3.8.2.1.2); brokers agree on calling it malformed.
      return number === 0 ? FLAW.property : 0;
    case PROPERTY.responseTopic:
      return topicNameFlaw(bytes, start, end) === 0 ? 0 : FLAW.propertyValue;
    default:
      return 0;
  }
}

function defineProperties(): void {
  const { connect, connack, publish, subscribe, disconnect, auth } = PACKET;
  const will = WILL_PROPERTIES;
  const acknowledgements = [4, 5, 6, 7, PACKET.suback, PACKET.unsuback];
  const define = (id: number, type: number, ...places: number[]): void => {
    TYPE_OF[id] = type;
    for (const place of places) PLACES_OF[id]! |= 1 << place;
  };
  define(PROPERTY.payloadFormat, TYPE.byte, publish, will);
  define(PROPERTY.messageExpiry, TYPE.four, publish, will);
  define(PROPERTY.contentType, TYPE.text, publish, will);
  define(PROPERTY.responseTopic, TYPE.text, publish, will);
  define(PROPERTY.correlationData, TYPE.binary, publish, will);
  define(PROPERTY.subscriptionId, TYPE.variable, publish, subscribe);
  define(PROPERTY.sessionExpiry, TYPE.four, connect, connack, disconnect);
  define(PROPERTY.assignedClientId, TYPE.text, connack);
  define(PROPERTY.serverKeepAlive, TYPE.two, connack);
  define(PROPERTY.authenticationMethod, TYPE.text, connect, connack, auth);
  define(PROPERTY.authenticationData, TYPE.binary, connect, connack, auth);
  define(PROPERTY.requestProblemInformation, TYPE.byte, connect);
  define(PROPERTY.willDelay, TYPE.four, will);
  define(PROPERTY.requestResponseInformation, TYPE.byte, connect);
  define(PROPERTY.responseInformation, TYPE.text, connack);
  define(PROPERTY.serverReference, TYPE.text, connack, disconnect);
  define(PROPERTY.reasonString, TYPE.text, connack, ...acknowledgements, disconnect, auth);
  define(PROPERTY.receiveMaximum, TYPE.two, connect, connack);
  define(PROPERTY.topicAliasMaximum, TYPE.two, connect, connack);
  define(PROPERTY.topicAlias, TYPE.two, publish);
  define(PROPERTY.maximumQos, TYPE.byte, connack);
  define(PROPERTY.retainAvailable, TYPE.byte, connack);
  define(PROPERTY.userProperty, TYPE.pair, ...Array.from({ length: 16 }, (_, place) => place));
  // PINGREQ and PINGRESP have no properties.
  PLACES_OF[PROPERTY.userProperty]! &= ~((1 << PACKET.pingreq) | (1 << PACKET.pingresp));
  define(PROPERTY.maximumPacketSize, TYPE.four, connect, connack);
  define(PROPERTY.wildcardAvailable, TYPE.byte, connack);
  define(PROPERTY.subscriptionIdsAvailable, TYPE.byte, connack);
  define(PROPERTY.sharedAvailable, TYPE.byte, connack);
}
