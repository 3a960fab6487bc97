// Why a connection ended: one counter each, so that "it closed" always has a reason.

import { FLAW_NAMES } from '#core/wire/mqtt/packet.ts';

/** What the standard does not allow, beside the flaws of the codec. */
const VIOLATIONS = ['connectExpected', 'connectTwice', 'unexpectedPacket'] as const;

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
  /** A protocol level other than 4: CONNACK 0x01. */
  'protocolLevel',
  /** A client id that cannot be a user: CONNACK 0x02. */
  'clientId',
  /** The table of users is full: CONNACK 0x03. */
  'usersFull',
  /** A PUBACK was withheld and the time to read that as "no" is over. */
  'withheld',
  /** A PUBLISH with QoS 2, which is not offered. */
  'qos2',
  /** The peer reads so slowly that an answer found no room. */
  'outputFull',
  /** No memory for a part of a packet. */
  'partialFull',
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
