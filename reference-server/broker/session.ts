// What the general lane keeps of one client: subscriptions, the messages that wait or are in flight, the
// QoS 2 messages it is sending, its will, and what its CONNECT allowed us. Only clients that use more than
// their own mailbox have one; it is an object on purpose, made when it is needed.
//
// Packet ids of deliveries are 1 to 32767 here; the mailboxes use those above, so that an acknowledgement
// says by itself which lane it belongs to.

import type { Message } from '#reference-server/broker/message.ts';
import type { SharedGroup } from '#reference-server/broker/shared-group.ts';

/** Highest packet id of the general lane. */
export const GENERAL_PACKET_ID_MAX = 0x7fff;
export const NEVER = Number.POSITIVE_INFINITY;

/** A filter that a session has subscribed to. */
export interface Subscription {
  readonly session: Session;
  /** As the client wrote it, `$share/...` included. */
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** Subscription Identifier; 0 = none. */
  readonly id: number;
  /** The group, when it is shared. */
  readonly group: SharedGroup | undefined;
}

/** How far a delivery is. */
export const DELIVERY = {
  queued: 0,
  /** QoS 1: PUBACK is awaited. */
  sent: 1,
  /** QoS 2: PUBREC is awaited. */
  received: 2,
  /** QoS 2: PUBREL was sent, PUBCOMP is awaited. */
  released: 3,
} as const;

/** One message on its way to one session, QoS 1 or 2. */
export interface Delivery {
  readonly message: Message;
  readonly qos: number;
  readonly retain: boolean;
  /** Identifiers of the subscriptions that it matched. */
  readonly ids: readonly number[];
  readonly group: SharedGroup | undefined;
  packetId: number;
  state: number;
}

/** A QoS 2 message that waits for its PUBREL; then it is routed. */
export interface Received {
  readonly message: Message;
  /** Copies that this connection has sent of it. */
  copies: number;
}

/** What is to be published when the connection ends without DISCONNECT (3.1.2.5). */
export interface Will {
  readonly message: Message;
  /** Its expiry counts from when it is published, ms; Infinity = none. */
  readonly expiryMs: number;
  readonly delayMs: number;
}

export class Session {
  readonly row: number;
  readonly generation: number;
  level: number;
  /** ms that the session outlives its connection; NEVER = it does not end. */
  expiryMs: number;
  receiveMaximum = 0xffff;
  packetBytesMax = NEVER;
  /** Aliases that the client takes from us, and those given so far on this connection. */
  aliasesMax = 0;
  readonly aliases = new Map<string, number>();
  will: Will | undefined;
  /** Number of the listener that the client came by, where listeners have rules of their own. */
  listener = 0;
  /** What stands before its topics inside; see ListenerRules. */
  mountPoint = '';
  /** Name that the client logged in with; kept only where something hangs on it. */
  userName: string | undefined;
  /** When the will is due and when the session ends, while nobody is connected, ms; NEVER otherwise. */
  willDueMs = NEVER;
  endsMs = NEVER;
  /** Earliest time that the broker's heap has for it: one entry a session, however often it comes and goes. */
  timerMs = NEVER;
  readonly subscriptions = new Map<string, Subscription>();
  /** Waiting, oldest first; in flight, in the order they were sent. */
  readonly queue: Delivery[] = [];
  readonly inflight = new Map<number, Delivery>();
  /** Bytes of both. */
  queuedBytes = 0;
  /** Payload of what is in flight. */
  inflightBytes = 0;
  /** QoS 2 messages that were received and not released, by packet id. */
  readonly incoming = new Map<number, Received>();
  /** Subscription Identifier of m/<own uid>. */
  mailboxId = 0;
  /** Subscription Identifier of r/<own uid>. */
  receiptsId = 0;
  /** The id that was given last. */
  lastPacketId = 0;

  constructor(row: number, generation: number, level: number, isPersistent: boolean) {
    this.row = row;
    this.generation = generation;
    this.level = level;
    this.expiryMs = isPersistent ? NEVER : 0;
  }

  /** Messages that wait or are in flight. */
  get length(): number {
    return this.queue.length + this.inflight.size;
  }

  /** A packet id that is not in flight; there is one, because fewer may be in flight than ids exist. */
  nextPacketId(): number {
    do this.lastPacketId = (this.lastPacketId % GENERAL_PACKET_ID_MAX) + 1;
    while (this.inflight.has(this.lastPacketId));
    return this.lastPacketId;
  }

  /** Back to what a CONNECT without properties means. */
  resetConnection(level: number): void {
    this.level = level;
    this.willDueMs = this.endsMs = NEVER;
    this.receiveMaximum = 0xffff;
    this.packetBytesMax = NEVER;
    this.aliasesMax = 0;
    this.aliases.clear();
    for (const received of this.incoming.values()) received.copies = 0;
    this.will = undefined;
    this.userName = undefined;
  }
}
