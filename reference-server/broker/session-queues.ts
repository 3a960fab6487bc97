// The queues of the general lane: what matches is sent at once (QoS 0), or waits its turn and stays until it
// is acknowledged (QoS 1 and 2). One copy a session, however many of its subscriptions match, with the
// highest of their QoS and the identifiers of all (5: 3.3.4).

import { encodeAcknowledge5 } from '#core/wire/mqtt/encode-5.ts';
import { PACKET, REASON } from '#core/wire/mqtt/packet.ts';
import type { BrokerOptions } from '#reference-server/broker/broker.ts';
import { DeliveryWriter, IDS_MAX } from '#reference-server/broker/delivery-writer.ts';
import type { Message } from '#reference-server/broker/message.ts';
import {
  DELIVERY,
  type Delivery,
  type Session,
  type Subscription,
} from '#reference-server/broker/session.ts';
import { SharedGroup } from '#reference-server/broker/shared-group.ts';
import type { Subscriptions } from '#reference-server/broker/subscriptions.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

const NO_IDS: readonly number[] = [];

/** What the matching subscriptions of one session come to. */
interface Copy {
  qos: number;
  retain: boolean;
  ids: number[];
}

export class SessionQueues {
  readonly #options: BrokerOptions;
  readonly #mayRead: (session: Session, topic: string) => boolean;
  readonly #writer: DeliveryWriter;
  readonly #out = new Uint8Array(8);
  /** Bytes that wait in all queues. */
  bytes = 0;
  /** Deliveries that wait or are in flight. */
  length = 0;

  constructor(
    options: BrokerOptions,
    mayRead: (session: Session, topic: string) => boolean = () => true,
  ) {
    this.#options = options;
    this.#mayRead = mayRead;
    const { aliasesMax, dialect } = options.limits;
    this.#writer = new DeliveryWriter(options.packetBytesMax, aliasesMax, dialect.packetSlackBytes);
  }

  /**
   * Gives a message to whom it matches here; returns how many that were. `isRoutedHere`: this worker also
   * chooses who of each group gets it, here or elsewhere.
   */
  offer(
    subscriptions: Subscriptions,
    message: Message,
    from: Session | undefined,
    isRoutedHere: boolean,
    nowMs: number,
  ): number {
    const copies = new Map<Session, Copy>();
    const groups: SharedGroup[] = [];
    // Who wants no copy of its own messages is a matching subscriber all the same.
    let silent = 0;
    subscriptions.tree.match(message.topicText, (target) => {
      if (target instanceof SharedGroup) groups.push(target);
      else if (target.noLocal && target.session === from) silent = 1;
      else addCopy(copies, target, this.#qosOf(target, message), message.retain);
    });
    for (const [session, { qos, retain, ids }] of copies) {
      this.#give(session, message, qos, retain, ids, undefined, nowMs);
    }
    if (!isRoutedHere) return copies.size;
    let count = copies.size + silent;
    for (const group of groups) if (this.offerShared(subscriptions, group, message, nowMs)) count++;
    return count;
  }

  /** Gives a message to one member of a group, of whichever worker; false when there is none. */
  offerShared(
    subscriptions: Subscriptions,
    group: SharedGroup,
    message: Message,
    nowMs: number,
  ): boolean {
    const { peers } = this.#options;
    const worker = group.chooseWorker(peers.self, subscriptions.onlineOf(group));
    if (worker === peers.self) return this.offerGroup(group, message, nowMs);
    peers.forwardShared(worker, group.key, message);
    return true;
  }

  /** Gives a message to one member here of a group; false when none can have it. */
  offerGroup(group: SharedGroup, message: Message, nowMs: number): boolean {
    const chosen = group.choose((member) => {
      const { session } = member;
      if (this.#options.host.isOnline(session.row))
        return session.length < this.#windowOf(session) ? 2 : 1;
      return this.#qosOf(member, message) > 0 ? 0 : -1;
    });
    if (chosen === undefined) return false;
    const { session, id } = chosen;
    const qos = this.#qosOf(chosen, message);
    const retain = chosen.retainAsPublished && message.retain;
    this.#give(session, message, qos, retain, id > 0 ? [id] : NO_IDS, group, nowMs);
    return true;
  }

  /** A retained message for a new subscription [MQTT-3.3.1-8]. */
  offerRetained(subscription: Subscription, message: Message, nowMs: number): void {
    const { session, id } = subscription;
    const qos = this.#qosOf(subscription, message);
    this.#give(session, message, qos, true, id > 0 ? [id] : NO_IDS, undefined, nowMs);
  }

  /** An acknowledgement of the client; false when that is not what its delivery waits for. */
  acknowledge(
    session: Session,
    type: number,
    packetId: number,
    reason: number,
    nowMs: number,
  ): boolean {
    const delivery = session.inflight.get(packetId);
    const isRefusal = reason >= REASON.unspecified;
    if (delivery === undefined) {
      this.#options.stats[STAT.acksUnknown]!++;
      if (type === PACKET.pubrec && !isRefusal) this.#release(session, packetId);
      return true;
    }
    const { state } = delivery;
    if (type === PACKET.pubrec) {
      if (state === DELIVERY.sent) return false;
      if (isRefusal) this.#finish(session, delivery, nowMs);
      else {
        delivery.state = DELIVERY.released;
        this.#release(session, packetId);
      }
      return true;
    }
    if (state !== (type === PACKET.puback ? DELIVERY.sent : DELIVERY.released)) return false;
    this.#finish(session, delivery, nowMs);
    return true;
  }

  /** A new connection of a kept session: what was in flight goes again, in its order, then what waits. */
  resume(session: Session, nowMs: number): void {
    for (const delivery of [...session.inflight.values()]) {
      if (delivery.state === DELIVERY.released) this.#release(session, delivery.packetId);
      else this.#send(session, delivery, true, nowMs);
    }
    this.pump(session, nowMs);
  }

  /** The connection is gone: aliases mean nothing any more. */
  rewind(session: Session): void {
    session.aliases.clear();
  }

  /** Empties a session that ends; returns what others of its groups may still have. */
  clear(session: Session): Delivery[] {
    const all = [...session.inflight.values(), ...session.queue];
    this.#options.stats[STAT.discarded]! += all.length;
    for (const delivery of all) this.#uncount(session, delivery);
    for (const { message } of session.incoming.values()) this.dropReceived(session, message);
    session.incoming.clear();
    session.inflight.clear();
    session.inflightBytes = 0;
    session.queue.length = 0;
    // A QoS 2 message that was sent once is nobody else's [MQTT-4.8.2-5].
    return all.filter(({ qos, state }) => qos === 1 || state === DELIVERY.queued);
  }

  /** Counts a QoS 2 message that waits for its release; false when there is no room for it. */
  keepReceived(session: Session, message: Message): boolean {
    if (!this.#hasBytes(session, message)) return false;
    session.queuedBytes += message.bytes;
    this.bytes += message.bytes;
    return true;
  }

  /** Puts back what a session had before a restart, oldest first; false when there is no room for it. */
  restore(session: Session, delivery: Delivery): boolean {
    const { message, packetId, state } = delivery;
    const { queueMessagesMax } = this.#options.limits;
    if (session.length >= queueMessagesMax || !this.#hasBytes(session, message)) return false;
    if (state === DELIVERY.queued) session.queue.push(delivery);
    else {
      session.inflight.set(packetId, delivery);
      session.inflightBytes += message.payload.length;
    }
    session.queuedBytes += message.bytes;
    this.bytes += message.bytes;
    this.length++;
    return true;
  }

  dropReceived(session: Session, message: Message): void {
    session.queuedBytes -= message.bytes;
    this.bytes -= message.bytes;
  }

  #hasBytes(session: Session, message: Message): boolean {
    const { limits } = this.#options;
    return (
      session.queuedBytes + message.bytes <= limits.queueBytesMax &&
      this.bytes + message.bytes <= limits.queuedBytesMax
    );
  }

  /** Sends what the window allows. */
  pump(session: Session, nowMs: number): void {
    const { host } = this.#options;
    while (session.queue.length > 0 && host.isOnline(session.row)) {
      if (!this.#hasWindow(session)) return;
      const delivery = session.queue.shift()!;
      // One that has expired has had its id all the same, as in other brokers.
      delivery.packetId = session.nextPacketId();
      if (delivery.message.expiresMs < nowMs || !this.#isReadable(session, delivery)) {
        this.#options.stats[STAT.expired]!++;
        this.#uncount(session, delivery);
        continue;
      }
      delivery.state = delivery.qos === 1 ? DELIVERY.sent : DELIVERY.received;
      session.inflight.set(delivery.packetId, delivery);
      session.inflightBytes += delivery.message.payload.length;
      this.#send(session, delivery, false, nowMs);
    }
  }

  #give(
    session: Session,
    message: Message,
    qos: number,
    retain: boolean,
    ids: readonly number[],
    group: SharedGroup | undefined,
    nowMs: number,
  ): void {
    const { stats, host, limits } = this.#options;
    if (!this.#mayRead(session, message.topicText)) return;
    if (qos === 0) {
      if (!host.isOnline(session.row)) stats[STAT.dropped]!++;
      else this.#write(session, message, 0, 0, false, retain, ids, nowMs);
      return;
    }
    const hasRoom = session.length < limits.queueMessagesMax && this.#hasBytes(session, message);
    if (!hasRoom) {
      stats[STAT.queueRefused]!++;
      return;
    }
    session.queue.push({ message, qos, retain, ids, group, packetId: 0, state: DELIVERY.queued });
    session.queuedBytes += message.bytes;
    this.bytes += message.bytes;
    this.length++;
    this.pump(session, nowMs);
  }

  #send(session: Session, delivery: Delivery, isDup: boolean, nowMs: number): void {
    const { message, qos, packetId, retain, ids } = delivery;
    if (this.#write(session, message, qos, packetId, isDup, retain, ids, nowMs)) return;
    // As if it had been acknowledged (5: 3.1.2.11.4).
    this.#land(session, delivery);
    this.#uncount(session, delivery);
  }

  /** False, and counted, when the packet is larger than the client takes. */
  #write(
    session: Session,
    message: Message,
    qos: number,
    packetId: number,
    isDup: boolean,
    retain: boolean,
    ids: readonly number[],
    nowMs: number,
  ): boolean {
    const { host, stats } = this.#options;
    const end = this.#writer.write(session, message, qos, packetId, isDup, retain, ids, nowMs);
    if (end === 0) {
      stats[STAT.dropped]!++;
      return false;
    }
    if (isDup) stats[STAT.redelivered]!++;
    host.send(session.row, qos === 0 ? OUTPUT.message : OUTPUT.delivery, this.#writer.bytes, end);
    return true;
  }

  #release(session: Session, packetId: number): void {
    const end = encodeAcknowledge5(this.#out, 0, PACKET.pubrel, packetId, REASON.success);
    this.#options.host.send(session.row, OUTPUT.delivery, this.#out, end);
  }

  #finish(session: Session, delivery: Delivery, nowMs: number): void {
    this.#land(session, delivery);
    this.#uncount(session, delivery);
    this.#options.stats[STAT.delivered]!++;
    this.pump(session, nowMs);
  }

  /** The rules may have changed while the message waited. */
  #isReadable(session: Session, { message }: Delivery): boolean {
    return this.#mayRead(session, message.topicText);
  }

  /** It is not in flight any more. */
  #land(session: Session, { packetId, message }: Delivery): void {
    session.inflight.delete(packetId);
    session.inflightBytes -= message.payload.length;
  }

  /** Whether the next message may be sent now. */
  #hasWindow(session: Session): boolean {
    const { inflight, inflightBytes, queue } = session;
    if (inflight.size >= this.#windowOf(session)) return false;
    const bytes = inflightBytes + queue[0]!.message.payload.length;
    return inflight.size === 0 || bytes <= this.#options.limits.inflightBytesMax;
  }

  #uncount(session: Session, { message }: Delivery): void {
    session.queuedBytes -= message.bytes;
    this.bytes -= message.bytes;
    this.length--;
  }

  #qosOf(subscription: Subscription, message: Message): number {
    const { upgradesQos } = this.#options.limits;
    return upgradesQos ? subscription.qos : Math.min(subscription.qos, message.qos);
  }

  /** Deliveries in flight that this client allows beside those of its mailbox. */
  #windowOf(session: Session): number {
    const { limits, host } = this.#options;
    const left = session.receiveMaximum - host.mailboxWindow(session.row);
    return Math.min(limits.inflightMax, left);
  }
}

function addCopy(
  copies: Map<Session, Copy>,
  subscription: Subscription,
  qos: number,
  isRetained: boolean,
): void {
  const { session, id, retainAsPublished } = subscription;
  const retain = retainAsPublished && isRetained;
  const copy = copies.get(session);
  if (copy === undefined) copies.set(session, { qos, retain, ids: id > 0 ? [id] : [] });
  else {
    copy.qos = Math.max(copy.qos, qos);
    copy.retain ||= retain;
    if (id > 0 && copy.ids.length < IDS_MAX) copy.ids.push(id);
  }
}
