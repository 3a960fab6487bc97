// Why a connection ended: one counter each, so that "it closed" always has a reason.

import { FLAW_NAMES, PACKET, REASON, reasonOfFlaw } from '#core/wire/mqtt/packet.ts';

/** What the standard does not allow, beside the flaws of the codec. */
const VIOLATIONS = [
  'connectExpected',
  'connectTwice',
  'unexpectedPacket',
  /** An acknowledgement that is not the one its delivery waits for (4.3). */
  'flow',
  /** A topic alias that was never given, or above our maximum [MQTT-3.3.2-9]. */
  'topicAlias',
  /** More QoS 2 messages unreleased than CONNACK allowed [MQTT-3.3.4-9]. */
  'receiveMaximum',
  /** A topic with too many levels, where that ends a connection; see dialect.ts. */
  'topicLevels',
  /** DISCONNECT wants a session to stay that CONNECT wanted to end [MQTT-3.14.2-2]. */
  'sessionExpiry',
] as const;

/** All other ways to end. */
const ORDINARY = [
  /** The client sent DISCONNECT. */
  'disconnect',
  /** The client closed its side without DISCONNECT. */
  'ended',
  /** The network or the peer reset the connection. */
  'reset',
  /** No packet for one and a half times the keep-alive [MQTT-3.1.2-24]. */
  'keepAlive',
  /** No complete CONNECT in time. */
  'loginTimeout',
  /** The same client id logged in again [MQTT-3.1.4-2]. */
  'takenOver',
  /** A protocol level other than 3, 4 and 5: CONNACK 0x01. */
  'protocolLevel',
  /** A client id that cannot be a user: CONNACK 0x02. */
  'clientId',
  /** The table of users is full: CONNACK 0x03. */
  'usersFull',
  /** A PUBACK was withheld and the time to read that as "no" is over. */
  'withheld',
  /** A PUBLISH with QoS 2 where only mailboxes are open, or above the highest QoS that CONNACK told. */
  'qos2',
  /** A PUBLISH with RETAIN, or a will with it, where nothing is retained. */
  'retain',
  /** CONNECT asks for extended authentication, which is not offered: CONNACK 0x8C. */
  'authentication',
  /** A will that is too large, or asks for what CONNACK would deny: refused with the reason. */
  'will',
  /** The client's Maximum Packet Size has no room for a CONNACK. */
  'clientLimit',
  /** The peer reads so slowly that an answer found no room. */
  'outputFull',
  /** No memory for a part of a packet. */
  'partialFull',
  /** More logins than a second may have: CONNACK 0x9F. */
  'loginRate',
  /** A login while the memory of the host is short: CONNACK 0x89. */
  'memoryShort',
  /** Logins are refused: CONNACK 0x9C says where to go. */
  'anotherServer',
  /** An operator moves users to another server. */
  'serverMoved',
  /** The same from a worker that gets no new connections to the others. */
  'spread',
  /** The server stopped. */
  'stopped',
] as const;

export type CloseCause =
  | (typeof FLAW_NAMES)[number]
  | (typeof VIOLATIONS)[number]
  | (typeof ORDINARY)[number];

/** Position of a cause = its number in tables and statistics. Malformed input comes first. */
export const CLOSE_CAUSES: readonly CloseCause[] = [...FLAW_NAMES, ...VIOLATIONS, ...ORDINARY];
/** Causes below this number are malformed input. */
export const MALFORMED_COUNT = FLAW_NAMES.length + VIOLATIONS.length;

export const CLOSE_CAUSE = Object.fromEntries(
  CLOSE_CAUSES.map((cause, index) => [cause, index]),
) as Record<CloseCause, number>;

/** The cause of a negative result of the codec. */
export function causeOfFlaw(flaw: number): number {
  return -flaw - 1;
}

/**
 * The reason code of the DISCONNECT that tells a client of MQTT 5 about it, 0 = nothing is sent.
 * `firstByte` is that of the packet which caused the end.
 */
export function reasonOfCause(cause: number, firstByte: number): number {
  const name = CLOSE_CAUSES[cause]!;
  const type = firstByte >>> 4;
  if (name === 'firstByte') return isForServer(type) ? REASON.malformed : REASON.protocolError;
  // A ping with a body is no ping; what is not one is not answered.
  const isPing = type === PACKET.pingreq || type === PACKET.pingresp;
  if (name === 'trailing' && isPing) return 0;
  // Mosquitto's choice, as no clause names one; its suites compare with it.
  const isList = type === PACKET.subscribe || type === PACKET.unsubscribe;
  if (name === 'packetId' && isList) return REASON.malformed;
  if (cause < FLAW_NAMES.length) return reasonOfFlaw(-1 - cause);
  return REASONS[name] ?? 0;
}

const REASONS: Partial<Record<CloseCause, number>> = {
  connectTwice: REASON.protocolError,
  unexpectedPacket: REASON.protocolError,
  flow: REASON.protocolError,
  topicAlias: REASON.topicAliasInvalid,
  receiveMaximum: REASON.receiveMaximumExceeded,
  topicLevels: REASON.malformed,
  sessionExpiry: REASON.protocolError,
  qos2: REASON.qosNotSupported,
  retain: REASON.retainNotSupported,
  takenOver: REASON.sessionTakenOver,
  keepAlive: REASON.keepAliveTimeout,
  partialFull: REASON.serverBusy,
  serverMoved: REASON.serverMoved,
  spread: REASON.administrativeAction,
  stopped: REASON.serverShuttingDown,
};

/** Packets that a client may send, and the answers to subscriptions: wrong flags make them malformed. */
function isForServer(type: number): boolean {
  return type !== 0 && type !== PACKET.connack && type !== PACKET.pingresp && type !== PACKET.auth;
}
