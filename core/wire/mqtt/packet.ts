// Names and numbers of MQTT 3.1.1 (OASIS Standard, 29 October 2014) that the codec and its users share.
// Clauses are quoted as [MQTT-x.y.z-n]. MQTT 5 shares the types and the frame; its bodies come beside.

/** Control packet types: the upper four bits of a packet's first byte (table 2.1). */
export const PACKET = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

/** Return codes of CONNACK (table 3.1). */
export const CONNACK = {
  accepted: 0,
  protocolRefused: 1,
  clientIdRefused: 2,
  unavailable: 3,
  badLogin: 4,
  notAuthorized: 5,
} as const;

/** Return code of SUBACK for a refused filter; others are the granted QoS [MQTT-3.9.3-2]. */
export const SUBACK_FAILURE = 0x80;

/** Protocol level of CONNECT for MQTT 3.1.1 (3.1.2.2). */
export const PROTOCOL_LEVEL_3_1_1 = 4;

/**
 * Why bytes are no valid packet. Decoders return 0 or one of these; all are below zero, so that
 * `frameLength` can return a length or a flaw.
 */
export const FLAW = {
  /** Type 0, or flag bits that the type does not allow [MQTT-2.2.2-2]. */
  firstByte: -1,
  /** The remaining length runs over four bytes (2.2.3). */
  lengthOverlong: -2,
  /** The packet is larger than the receiver allows. */
  tooLarge: -3,
  /** A field runs past the end of its packet. */
  truncated: -4,
  /** Bytes follow the last field. */
  trailing: -5,
  /** Text is not well-formed UTF-8, or holds U+0000 [MQTT-1.5.3-1, MQTT-1.5.3-2]. */
  text: -6,
  /** CONNECT names another protocol [MQTT-3.1.2-1]. */
  protocolName: -7,
  /** CONNECT flags contradict each other or use the reserved bit [MQTT-3.1.2-3, -13, -14, -15, -22]. */
  connectFlags: -8,
  /** A packet identifier of zero [MQTT-2.3.1-1]. */
  packetId: -9,
  /** A topic name or filter is empty or misuses wildcards [MQTT-3.3.2-2, MQTT-4.7.1-2, -3, MQTT-4.7.3-1]. */
  topic: -10,
  /** A QoS of 3, or DUP on QoS 0 [MQTT-3.3.1-2, MQTT-3.3.1-4, MQTT-3-8.3-4]. */
  qos: -11,
  /** SUBSCRIBE or UNSUBSCRIBE without a filter [MQTT-3.8.3-3, MQTT-3.10.3-2]. */
  noFilter: -12,
  /** A return code or acknowledge flag that the type does not know [MQTT-3.9.3-2]. */
  returnCode: -13,
} as const;

export type FlawName = keyof typeof FLAW;

/** Names by position: `FLAW_NAMES[-code - 1]`. */
export const FLAW_NAMES = Object.keys(FLAW) as FlawName[];

/** The name of a negative result of the codec. */
export function flawName(flaw: number): FlawName {
  const name = FLAW_NAMES[-flaw - 1];
  if (name === undefined) throw new RangeError(`no flaw has the code ${flaw}`);
  return name;
}
