// Bounds of the general lane, for the whole server; `workerLimits` divides the totals. Each refusal is
// answered in the protocol where that has an answer, and counted.

import { type Dialect, STANDARD } from '#reference-server/dialect.ts';

const MIB = 1024 * 1024;

export interface BrokerLimits {
  /** Sessions that use more than their own mailbox. */
  sessionsMax: number;
  /** Subscriptions of one session, and of all. */
  sessionSubscriptionsMax: number;
  subscriptionsMax: number;
  /** Members of a group, g/<gid>. */
  groupMembersMax: number;
  /** Levels of a topic or filter; deeper ones are refused. */
  levelsMax: number;
  /** Length of a topic or filter; longer ones are refused. */
  topicLengthMax: number;
  /** Messages that wait for one session, in flight included, and their bytes. */
  queueMessagesMax: number;
  queueBytesMax: number;
  /** Bytes that wait for all sessions. */
  queuedBytesMax: number;
  /** Sent and not acknowledged, one session. */
  inflightMax: number;
  /** Their payload, bytes; one message may be larger when it is alone. */
  inflightBytesMax: number;
  /** Received with QoS 2 and not released, one session: the Receive Maximum that CONNACK tells. */
  receiveMaximum: number;
  /** Highest QoS that clients may publish with; CONNACK tells when it is not 2. */
  qosMax: number;
  /** Whether messages may be retained; CONNACK tells when not. */
  retains: boolean;
  /** A message goes out with the QoS of the subscription, also when it came with a lower one. */
  upgradesQos: boolean;
  /** Topic aliases of one connection, either way: the Topic Alias Maximum that CONNACK tells. */
  aliasesMax: number;
  /** Topics that aliases of clients stand for, one worker, bytes. */
  aliasBytesMax: number;
  retainedMax: number;
  retainedBytesMax: number;
  /** Longest time that a session outlives its connection, and longest delay of a will, s. */
  sessionExpiryMaxS: number;
  /** Whether retained messages stay hidden while their publisher may not write them any more. */
  checksRetainSource: boolean;
  /** Whose departures from the standard are followed. */
  dialect: Dialect;
}

export const DEFAULT_BROKER_LIMITS: BrokerLimits = {
  sessionsMax: 100_000,
  sessionSubscriptionsMax: 1000,
  subscriptionsMax: 200_000,
  groupMembersMax: 256,
  levelsMax: 128,
  topicLengthMax: 1024,
  queueMessagesMax: 1000,
  queueBytesMax: MIB,
  queuedBytesMax: 64 * MIB,
  inflightMax: 20,
  inflightBytesMax: Number.POSITIVE_INFINITY,
  receiveMaximum: 20,
  qosMax: 2,
  retains: true,
  upgradesQos: false,
  aliasesMax: 10,
  aliasBytesMax: 16 * MIB,
  retainedMax: 10_000,
  retainedBytesMax: 16 * MIB,
  sessionExpiryMaxS: 30 * 24 * 3600,
  checksRetainSource: false,
  dialect: STANDARD,
};

/** The share of one of `workers` workers; retained messages are in all of them. */
export function workerBrokerLimits(limits: BrokerLimits, workers: number): BrokerLimits {
  return {
    ...limits,
    sessionsMax: Math.ceil(limits.sessionsMax / workers),
    subscriptionsMax: Math.ceil(limits.subscriptionsMax / workers),
    queuedBytesMax: Math.ceil(limits.queuedBytesMax / workers),
  };
}
