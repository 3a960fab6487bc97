// The figures of one worker, in shared memory: written by the worker alone, read once a second by the
// main thread. A write is one store into a Float64Array, exact for integers up to 2^53.

import { CLOSE_CAUSES } from '#reference-server/statistics/close-cause.ts';

/** Indices into a worker's figures. All are counters, except the four gauges marked so. */
export const STAT = {
  /** Gauge: users that are logged in and owned by this worker. */
  sessions: 0,
  /** Gauge: messages in this worker's mailboxes. */
  queued: 1,
  /** Gauge: boxes of mailboxes that were ever in use: how far a sweep has to go. */
  boxesTouched: 2,
  /** Gauge: bytes of message payload, in blocks. */
  queuedBytes: 3,
  logins: 4,
  loginsRefused: 5,
  /** PUBLISH packets taken from senders. */
  received: 6,
  /** Accepted by a receiver: PUBACK for QoS 1, written for QoS 0. */
  delivered: 7,
  receipts: 8,
  enqueued: 9,
  dequeued: 10,
  /** QoS 0 messages for users who are away or read too slowly, and receipts likewise. */
  dropped: 11,
  /** Stored messages that a clean session threw away. */
  discarded: 12,
  /** QoS 1 messages that were not stored: mailbox or memory full; their PUBACK was withheld. */
  withheld: 13,
  /** Messages to topics that nobody can subscribe to: acknowledged and forgotten, as the standard says. */
  foreign: 14,
  subscriptionsRefused: 15,
  /** Messages sent again with DUP. */
  redelivered: 16,
  /** Frames sent to other workers. */
  linkFrames: 17,
  /** Messages refused because too many frames waited for another worker. */
  linkRefused: 18,
  /** Times that reading from a connection was put off: its output or a link was behind. */
  throttled: 19,
  /** PUBACKs for nothing that waited for one. */
  acksUnknown: 20,
  /** Connections ended for a wrong or endless PROXY header or WebSocket handshake. */
  preludesRefused: 21,
  /** Connections ended for a wrong WebSocket frame. */
  webSocketFlaws: 22,
  /** Messages of the general lane that were published by users of this worker. */
  routed: 23,
  /** Of it, copies that found the queue of their session full. */
  queueRefused: 24,
  /** Messages that expired before they were sent. */
  expired: 25,
  /** Wills that were published. */
  wills: 26,
  /** Messages put aside after they were sent and not accepted too often. */
  parked: 27,
  /** Messages that their receiver refused with a reason. */
  rejected: 28,
  /** Gauges of the general lane: sessions, subscriptions, retained messages and bytes that wait. */
  brokerSessions: 29,
  subscriptions: 30,
  retained: 31,
  brokerQueuedBytes: 32,
  /** Retained messages that found no room. */
  retainedRefused: 33,
  /** Pieces of news that were read; see worker/worker-news.ts. */
  newsRead: 34,
  /** Messages whose payload is larger than allowed. */
  tooLarge: 35,
  /** Receipts that found no room, or gave it to a message. */
  receiptsDropped: 46,
  /** Messages to groups whose remaining receipts were given up, because others needed their place. */
  groupReceiptsLost: 41,
  /** Collections of the worker's JavaScript heap, and their pauses in all. */
  collections: 36,
  collectionUs: 37,
  /** Gauge: the longest since a reader set it back. */
  collectionUsMax: 38,
  /** Gauge: used JavaScript heap. */
  heapBytes: 39,
  /** Of these collections, those that the worker made while it had nothing to do. */
  collectionsIdle: 48,
  /** Connections beyond `acceptedMax`, reset as they came. */
  acceptsRefused: 40,
  /** Connections that were taken when no place was left, and waited for one. */
  acceptsHeld: 50,
  /** Gauge: memberships of users of this worker in groups. */
  memberships: 47,
  /** Messages beyond what their connection may publish in a second. */
  rateRefused: 42,
  /** Messages with more properties than allowed. */
  propertiesRefused: 49,
  /** Messages refused because the memory for messages was nearly used up. */
  memoryRefused: 43,
  /** Gauge: memory that messages take, bytes. */
  memoryBytes: 44,
  /** News of who is there that was not told for want of memory. */
  presenceShed: 45,
} as const;

/** Counters of closed connections start here, in the order of CLOSE_CAUSES. */
export const STAT_CLOSED = 64;
export const STAT_COUNT = STAT_CLOSED + CLOSE_CAUSES.length;

export type WorkerStats = Float64Array<SharedArrayBuffer>;

export function createWorkerStats(): WorkerStats {
  return new Float64Array(new SharedArrayBuffer(STAT_COUNT * Float64Array.BYTES_PER_ELEMENT));
}
