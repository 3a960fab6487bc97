// Names and numbers of MQTT 3.1, 3.1.1 (OASIS Standard, 29 October 2014) and 5.0 (7 March 2019) that the
// codec and its users share. Clauses are quoted as [MQTT-x.y.z-n]; "5:" before one means MQTT 5.0 where
// the two standards number differently.

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
  /** MQTT 5 only (5: 3.15). */
  auth: 15,
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

/** Protocol levels of CONNECT (3.1.2.2): MQTT 3.1 (named MQIsdp), 3.1.1 and 5.0. */
export const PROTOCOL_LEVEL_3_1 = 3;
export const PROTOCOL_LEVEL_3_1_1 = 4;
export const PROTOCOL_LEVEL_5 = 5;

/** Reason codes of MQTT 5 (5: table 2.6). 0 is success, normal disconnection and granted QoS 0. */
export const REASON = {
  success: 0x00,
  grantedQos1: 0x01,
  grantedQos2: 0x02,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  continueAuthentication: 0x18,
  reAuthenticate: 0x19,
  unspecified: 0x80,
  malformed: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedVersion: 0x84,
  clientIdInvalid: 0x85,
  badLogin: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdInUse: 0x91,
  packetIdNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  serverMoved: 0x9d,
  sharedNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  maximumConnectTime: 0xa0,
  subscriptionIdsNotSupported: 0xa1,
  wildcardsNotSupported: 0xa2,
} as const;

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
  /** A return code, reason code or acknowledge flag that the type does not know [MQTT-3.9.3-2]. */
  returnCode: -13,
  /** A property identifier that no packet has, or none that SUBSCRIBE and UNSUBSCRIBE may carry (5: 2.2.2.2). */
  property: -14,
  /** A property that exists but not in this packet (5: table 2.4). */
  propertyMisplaced: -15,
  /** A property that may stand once and stands twice (5: 2.2.2.2). */
  propertyTwice: -16,
  /** A property's value outside its range (5: 3.1.2.11, 3.3.2.3). */
  propertyValue: -17,
  /** Reserved bits of subscription options, or retain handling 3 [MQTT-3.8.3-5]. */
  subscriptionOptions: -18,
  /** A shared subscription without name or filter, or with No Local [MQTT-4.8.2-1, -2, MQTT-3.8.3-4]. */
  sharedFilter: -19,
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

/** The reason code that tells a peer of MQTT 5 about a flaw: Malformed Packet or Protocol Error (5: 4.13). */
export function reasonOfFlaw(flaw: number): number {
  switch (flaw) {
    case FLAW.tooLarge:
      return REASON.packetTooLarge;
    case FLAW.packetId:
    case FLAW.returnCode:
    case FLAW.propertyMisplaced:
    case FLAW.propertyTwice:
    case FLAW.propertyValue:
    case FLAW.sharedFilter:
      return REASON.protocolError;
    default:
      return REASON.malformed;
  }
}
