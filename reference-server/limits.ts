// Every bound of the server in one place. Totals are for the whole server and divided evenly among the
// workers, because users and connections are spread by hash. Nothing here is memory that is spent:
// tables are reserved and cost what is touched.

import {
  type BrokerLimits,
  DEFAULT_BROKER_LIMITS,
  workerBrokerLimits,
} from '#reference-server/broker/broker-limits.ts';
import type { MailboxLimits } from '#reference-server/mailbox/mailbox-limits.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export interface ServerLimits {
  /** Connections at a time. */
  connectionsMax: number;
  /** Connections that may be open; more are reset when they speak, where beyond `connectionsMax` they wait. */
  acceptedMax: number;
  /** Known users: logged in, away with a session, or with a mailbox that somebody wrote to. */
  usersMax: number;
  /** Of these, users that have only been written to and never logged in: they cannot crowd out the others. */
  strangersRatioMax: number;
  /** Stored messages in all mailboxes. */
  messagesMax: number;
  /** Their payload in all, in blocks of powers of two, bytes. */
  messageBytesMax: number;
  /** Stored messages of one user. */
  mailboxMessagesMax: number;
  mailboxBytesMax: number;
  /** Sent and not accepted, one receiver. */
  windowMessagesMax: number;
  windowBytesMax: number;
  /** How often a message may be the first that a connection left unaccepted; then it is parked. */
  redeliveriesMax: number;
  /** Largest packet of a client that has logged in; larger ones close its connection. */
  packetBytesMax: number;
  /** Largest payload of a message or will; larger ones are refused, and their sender stays. */
  payloadBytesMax: number;
  /** Largest packet before login: a CONNECT. */
  connectBytesMax: number;
  /** From accept to a complete CONNECT. */
  loginTimeoutMs: number;
  /** From a withheld PUBACK to the close that lets the sender try again. */
  withheldGraceMs: number;
  /** From our close to the reset of a peer that does not read what was still queued for it. */
  closeTimeoutMs: number;
  /** Parts of packets whose rest has not arrived, all connections. */
  partialBytesMax: number;
  /** Output waiting for one connection beyond which what may be dropped is, and reading stops beyond twice of it. */
  outputBytesSoftMax: number;
  /** Output waiting for one connection; see `outputBytesMax` for how it comes about. */
  outputBytesMax: number;
  /** Output waiting for all connections. */
  outputBytesTotalMax: number;
  /** Frames waiting for another worker, behind a full link, beyond which clients are no longer read. */
  linkBacklogBytesSoftMax: number;
  /** Frames waiting for another worker beyond which messages are refused. */
  linkBacklogBytesMax: number;
  /** Longest keep-alive; MQTT 5 clients that ask for more or for none are told so. 0 = as they like. */
  keepAliveMaxS: number;
  /** Groups with members at one worker, and memberships of all. */
  groupsMax: number;
  membershipsMax: number;
  /** Messages to groups that their senders still hear of. */
  groupMessagesMax: number;
  receipts: ReceiptLimits;
  /** Budget of messages, output and parts of packets, bytes; 0 = only the bounds of each. */
  memoryBytesMax: number;
  /** Messages that one connection may publish in a second, 0 = any number. */
  publishPerS: number;
  /** Logins in a second, 0 = any number. */
  loginsPerS: number;
  /** User properties of one message, and bytes of all its properties; more are refused. */
  userPropertiesMax: number;
  propertyBytesMax: number;
  /** How long a user is away before who watches hears of it, ms. */
  presenceDelayMs: number;
  /** Of the general lane. */
  broker: BrokerLimits;
}

/** Who makes receipts: the server, the clients (by publishing to r/<uid>), or nobody. */
export type ReceiptMode = 'server' | 'client' | 'none';

export interface ReceiptLimits {
  mode: ReceiptMode;
  /** How long they are gathered, ms; see home/receipt-desk.ts for which. */
  coalesceMs: number;
  /** How long they wait for a sender who is away, s. */
  expiryS: number;
  /** Senders whose receipts gather at a time, receipts of all, and their text, bytes. */
  batchesMax: number;
  receiptsMax: number;
  bytesMax: number;
}

/** An arena is one buffer. */
const MESSAGE_BYTES_MOST = 16 * 1024 * MIB;
const PACKET_BYTES_MAX = 64 * KIB;
const OUTPUT_BYTES_SOFT_MAX = 32 * KIB;
const WINDOW_BYTES_MAX = 32 * KIB;

/**
 * `outputBytesMax` for packets of so many bytes: one that found the queue empty or a soft limit full of droppable
 * ones, a window of deliveries or one large one, answers up to twice the soft limit and those to a last receive
 * buffer: what an honest peer can cause always fits, so a refused send is a peer beyond all of these.
 */
export function outputBytesFor(packetBytesMax: number): number {
  return packetBytesMax * 2 + OUTPUT_BYTES_SOFT_MAX * 2 + 16 * KIB;
}

export const DEFAULT_LIMITS: ServerLimits = {
  // An engine may spend something for each connection that could come (ring: lanes of 19,000).
  connectionsMax: 250_000,
  acceptedMax: Number.POSITIVE_INFINITY,
  usersMax: 500_000,
  strangersRatioMax: 0.5,
  messagesMax: 1_000_000,
  messageBytesMax: 256 * MIB,
  mailboxMessagesMax: 1000,
  mailboxBytesMax: MIB,
  windowMessagesMax: 20,
  windowBytesMax: WINDOW_BYTES_MAX,
  redeliveriesMax: 5,
  packetBytesMax: PACKET_BYTES_MAX,
  payloadBytesMax: PACKET_BYTES_MAX,
  connectBytesMax: 4 * KIB,
  loginTimeoutMs: 5000,
  withheldGraceMs: 10_000,
  closeTimeoutMs: 5000,
  partialBytesMax: 64 * MIB,
  outputBytesSoftMax: OUTPUT_BYTES_SOFT_MAX,
  outputBytesMax: outputBytesFor(PACKET_BYTES_MAX),
  outputBytesTotalMax: 512 * MIB,
  linkBacklogBytesSoftMax: MIB,
  linkBacklogBytesMax: 16 * MIB,
  keepAliveMaxS: 1200,
  groupsMax: 30_000,
  membershipsMax: 500_000,
  groupMessagesMax: 65_536,
  receipts: {
    mode: 'server',
    coalesceMs: 5,
    expiryS: 24 * 3600,
    batchesMax: 65_536,
    receiptsMax: 250_000,
    bytesMax: 16 * MIB,
  },
  memoryBytesMax: 0,
  publishPerS: 0,
  loginsPerS: 0,
  userPropertiesMax: 256,
  propertyBytesMax: PACKET_BYTES_MAX,
  presenceDelayMs: 10_000,
  broker: DEFAULT_BROKER_LIMITS,
};

/**
 * `limits` within a budget of `bytes` in all: payloads 62 % of it, of which new messages may take 60 % with what
 * they cost beside (the rest is for receipts and for what drains), other queues 10 %, output 20 %, parts of packets
 * 5 %, receipts that gather 2 %.
 */
export function memoryLimits(limits: ServerLimits, bytes: number): ServerLimits {
  const part = (ratio: number): number => Math.floor(bytes * ratio);
  return {
    ...limits,
    memoryBytesMax: bytes,
    messageBytesMax: Math.min(MESSAGE_BYTES_MOST, part(0.62)),
    outputBytesTotalMax: part(0.2),
    partialBytesMax: part(0.05),
    receipts: { ...limits.receipts, bytesMax: part(0.02) },
    broker: { ...limits.broker, queuedBytesMax: part(0.08), retainedBytesMax: part(0.02) },
  };
}

/** Six standard deviations of a share of 576, spread at random: of more they are less than a quarter. */
const CONNECTIONS_SPARE = 144;

/**
 * The share of one of `workers` workers: a quarter more than even where the hash decides. Of connections the total
 * holds to the one (transport/places.ts), and a worker has room for whatever share of few comes to it.
 */
export function workerLimits(limits: ServerLimits, workers: number): ServerLimits {
  const share = (total: number): number =>
    workers === 1 ? total : Math.ceil((total / workers) * 1.25);
  const { connectionsMax } = limits;
  return {
    ...limits,
    connectionsMax: Math.min(connectionsMax, share(connectionsMax) + CONNECTIONS_SPARE),
    usersMax: share(limits.usersMax),
    messagesMax: Math.ceil(limits.messagesMax / workers),
    messageBytesMax: Math.ceil(limits.messageBytesMax / workers),
    partialBytesMax: Math.ceil(limits.partialBytesMax / workers),
    broker: workerBrokerLimits(limits.broker, workers),
    memoryBytesMax: Math.floor(limits.memoryBytesMax / workers),
    membershipsMax: Math.ceil(limits.membershipsMax / workers),
    groupMessagesMax: Math.ceil(limits.groupMessagesMax / workers),
    receipts: {
      ...limits.receipts,
      batchesMax: Math.ceil(limits.receipts.batchesMax / workers),
      receiptsMax: Math.ceil(limits.receipts.receiptsMax / workers),
      bytesMax: Math.ceil(limits.receipts.bytesMax / workers),
    },
    outputBytesTotalMax: Math.max(
      limits.outputBytesMax,
      Math.floor(limits.outputBytesTotalMax / workers),
    ),
  };
}

export function mailboxLimits(limits: ServerLimits): MailboxLimits {
  return {
    users: limits.usersMax,
    messagesMax: limits.messagesMax,
    bytesMax: limits.messageBytesMax,
    mailboxMessagesMax: limits.mailboxMessagesMax,
    mailboxBytesMax: limits.mailboxBytesMax,
    windowMessagesMax: limits.windowMessagesMax,
    windowBytesMax: limits.windowBytesMax,
    redeliveriesMax: limits.redeliveriesMax,
  };
}
