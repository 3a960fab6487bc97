// The general lane of one worker: sessions of its users that use more than their own mailbox, and what they
// publish and subscribe. Beside the mailboxes (m/, the express lane), which it never touches: `m/` and `r/`
// are not seen by wildcards.
//
// A message is routed where its publisher's home is: to the sessions here that match, and by `BrokerPeers`
// to workers where others may. So one publisher's messages to one subscriber keep their order.
//
//   PUBLISH -> messageOf -> route -> subscriptions that match -> SessionQueues -> DeliveryWriter -> edge
//
// Everything that grows is bounded by BrokerLimits; what is refused is answered in MQTT 5 and counted.

import { copied } from '#core/byte-copier.ts';
import type { Clock } from '#core/clock/clock.ts';
import {
  type AcknowledgeFields,
  decodeAcknowledge,
  AcknowledgeFields as Fields,
} from '#core/wire/mqtt/decode-acknowledge.ts';
import { ConnectFields, decodeConnect } from '#core/wire/mqtt/decode-connect.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodeAcknowledge5 } from '#core/wire/mqtt/encode-5.ts';
import { PACKET, PROTOCOL_LEVEL_5, REASON } from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { type AccessRules, aclOf, needsUserName } from '#reference-server/access/access-rules.ts';
import { isAllowed } from '#reference-server/access/acl.ts';
import type { BrokerLimits } from '#reference-server/broker/broker-limits.ts';
import { DueHeap } from '#reference-server/broker/due-heap.ts';
import { Message, messageOf, mounted, travelling } from '#reference-server/broker/message.ts';
import { type MessageSource, readSource } from '#reference-server/broker/message-source.ts';
import { RetainedStore } from '#reference-server/broker/retained-store.ts';
import { NEVER, Session, type Will } from '#reference-server/broker/session.ts';
import { SessionQueues } from '#reference-server/broker/session-queues.ts';
import { Subscriptions } from '#reference-server/broker/subscriptions.ts';
import { SystemTopics } from '#reference-server/broker/system-topics.ts';
import { levelsOf } from '#reference-server/broker/topic-tree.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

/** What the broker needs of the home that it belongs to. */
export interface SessionHost {
  isOnline(row: number): boolean;
  /** Whether new messages are refused for want of memory. */
  isPressed(): boolean;
  /** Sends a packet to the user's connection; `kind` is one of OUTPUT. */
  send(row: number, kind: number, bytes: Uint8Array, end: number): void;
  /** Ends the user's connection for a CLOSE_CAUSE. */
  expel(row: number, cause: number): void;
  /** Deliveries of the mailbox that are not acknowledged. */
  mailboxWindow(row: number): number;
  /** The session of a user who is away has ended. */
  forget(row: number, generation: number): void;
  /** Stores a message for m/<uid>, from a user here. */
  sendToMailbox(row: number, message: Message): void;
}

/** The other workers. */
export interface BrokerPeers {
  /** A number above all that were given before, in all workers. */
  nextVersion(): number;
  /** Hands a message to the workers that may have subscribers; false when there are none. */
  forward(message: Message, version: number): boolean;
  /** Number of this worker. */
  readonly self: number;
  /** Tells the others what members a group has here. */
  share(key: string, online: number, all: number): void;
  /** Hands a message to a group's members of one worker. */
  forwardShared(worker: number, key: string, message: Message): void;
  /** The message in a frame of another worker. */
  read(bytes: Uint8Array, start: number, end: number, nowMs: number): Message;
  /** Subscriptions to a filter without wildcards, of all workers; seldom a few too many. */
  subscribersOf(filter: string): number;
  /** A filter has its first subscription here (+1), or lost its last (-1). */
  interest(filter: string, change: 1 | -1): void;
}

export interface BrokerOptions {
  limits: BrokerLimits;
  /** Of topics here only groups are open, and to their members only. */
  isOwnOnly: boolean;
  /** Its `acl` changes when its file is read again. */
  access: AccessRules;
  packetBytesMax: number;
  host: SessionHost;
  /** Client id of a user. */
  uidOf: (row: number) => string;
  peers: BrokerPeers;
  stats: WorkerStats;
  clock: Clock;
}

/** QoS 2 messages that a client of MQTT 3, which has no Receive Maximum, may leave unreleased. */
const UNRELEASED_MAX = 1000;
/** A name can be no longer on the wire; one behind a mount point may be, inside. */
const TOPIC_BYTES_MAX = 0xffff;
const BRIDGE_STATE = /^\$SYS\/broker\/connection\/[^/]+\/state$/;

export class Broker {
  readonly retained: RetainedStore;
  readonly subscriptions: Subscriptions;
  readonly queues: SessionQueues;
  readonly #system = new SystemTopics();
  readonly #sessions = new Map<number, Session>();
  readonly #options: BrokerOptions;
  readonly #timers = new DueHeap<Session>();
  readonly #connect = new ConnectFields();
  readonly #publish = new PublishFields();
  readonly #acknowledge: AcknowledgeFields = new Fields();
  readonly #out = new Uint8Array(16);

  constructor(options: BrokerOptions) {
    const { limits } = options;
    this.#options = options;
    this.retained = new RetainedStore(limits);
    this.subscriptions = new Subscriptions(limits, options.peers, (row) =>
      options.host.isOnline(row),
    );
    this.queues = new SessionQueues(options, (session, topic) =>
      this.mayUse(session, 'read', topic),
    );
  }

  /** `queueMessagesMax` may be turned while it runs. */
  get limits(): BrokerLimits {
    return this.#options.limits;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  session(row: number): Session | undefined {
    return this.#sessions.get(row);
  }

  /** The user's session, made when there is none; undefined when there are too many. */
  obtain(
    row: number,
    generation: number,
    level: number,
    isPersistent: boolean,
  ): Session | undefined {
    const known = this.#sessions.get(row);
    const isFull = this.#sessions.size >= this.#options.limits.sessionsMax;
    if (known !== undefined || isFull) return known;
    return this.restoreSession(row, generation, level, isPersistent);
  }

  /** One that was here before the server: beyond this worker's share too, as the hash spreads users anew. */
  restoreSession(row: number, generation: number, level: number, isPersistent: boolean): Session {
    const session = new Session(row, generation, level, isPersistent);
    this.#sessions.set(row, session);
    return session;
  }

  /**
   * The user logged in; the session is what was kept, or new. `bytes` [start, end) is the CONNECT when it
   * says more than a plain one of MQTT 3. Returns false when a session was needed and there is no room.
   */
  connected(
    row: number,
    generation: number,
    level: number,
    isPersistent: boolean,
    listener: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const kept = this.#sessions.get(row);
    kept?.resetConnection(level);
    if (kept !== undefined) kept.expiryMs = isPersistent ? NEVER : 0;
    if (this.#options.access.listeners.length > 0) {
      const session = kept ?? this.obtain(row, generation, level, isPersistent);
      if (session === undefined) return false;
      this.enter(session, listener);
    }
    if (start === end) return true;
    const fields = this.#connect;
    decodeConnect(bytes, start, end, fields);
    const { properties } = fields;
    const hasWill = fields.willTopicStart >= 0;
    const expiryS = properties.number(PROPERTY.sessionExpiry, 0);
    const { usernameStart, usernameEnd } = fields;
    const given = usernameStart < 0 ? undefined : textOf(bytes, usernameStart, usernameEnd);
    const isNamed = given !== undefined && needsUserName(this.#options.access, given);
    const needs =
      isNamed ||
      hasWill ||
      (expiryS > 0 && expiryS < 0xffff_ffff) ||
      properties.has(PROPERTY.receiveMaximum) ||
      properties.has(PROPERTY.maximumPacketSize) ||
      properties.has(PROPERTY.topicAliasMaximum);
    if (this.#sessions.get(row) === undefined && !needs) return true;
    const session = this.obtain(row, generation, level, isPersistent);
    if (session === undefined) return false;
    session.level = level;
    if (level >= PROTOCOL_LEVEL_5) session.expiryMs = this.#expiryMs(expiryS);
    session.receiveMaximum = properties.number(PROPERTY.receiveMaximum, 0xffff);
    session.packetBytesMax = properties.number(PROPERTY.maximumPacketSize, NEVER);
    session.aliasesMax = properties.number(PROPERTY.topicAliasMaximum, 0);
    if (hasWill) session.will = this.#willOf(bytes, fields, session.mountPoint);
    if (isNamed) session.userName = given;
    return true;
  }

  /** The user of a session has come by this listener, whose rules hold for it now. */
  enter(session: Session, listener: number): void {
    session.listener = listener;
    session.mountPoint = this.#options.access.listeners[listener]?.mountPoint ?? '';
  }

  /** Name of the listener that the client of a session came by; '' where listeners have no rules. */
  listenerOf({ listener }: Session): string {
    return this.#options.access.listeners[listener]?.name ?? '';
  }

  /** Number of the listener of that name, -1 = there is none. */
  listenerNamed(name: string): number {
    return this.#options.access.listeners.findIndex((one) => one.name === name);
  }

  /** After CONNACK: sends again what was in flight, then what waits [MQTT-4.4.0-1]. */
  resume(row: number): void {
    const session = this.#sessions.get(row);
    if (session === undefined) return;
    this.subscriptions.tellGroups(session);
    this.queues.resume(session, this.#nowMs());
  }

  /**
   * The connection is gone. `isOrderly`: by DISCONNECT, so the will is dropped [MQTT-3.14.4-3].
   * `expiryS` below zero: as CONNECT said.
   */
  disconnected(row: number, isOrderly: boolean, expiryS: number): void {
    const session = this.#sessions.get(row);
    if (session === undefined) return;
    const nowMs = this.#nowMs();
    if (expiryS >= 0) session.expiryMs = this.#expiryMs(expiryS);
    if (isOrderly) session.will = undefined;
    const { willOutwaitsSession } = this.#options.limits.dialect;
    if (session.will !== undefined) {
      const { delayMs } = session.will;
      const outwaits = willOutwaitsSession && session.expiryMs === 0;
      const waitMs = outwaits ? delayMs : Math.min(delayMs, session.expiryMs);
      if (waitMs === 0) this.#publishWill(session);
      else session.willDueMs = nowMs + waitMs;
    }
    if (session.expiryMs > 0) session.endsMs = nowMs + session.expiryMs;
    else if (session.willDueMs < NEVER) session.endsMs = session.willDueMs;
    this.arm(session);
    this.queues.rewind(session);
    this.subscriptions.tellGroups(session);
  }

  /** The wills that outwait their sessions do not outwait the server; see Dialect. */
  sayLastWills(): void {
    if (!this.#options.limits.dialect.willOutwaitsSession) return;
    for (const { row, generation } of [...this.#sessions.values()]) {
      if (this.lingers(row)) this.#options.host.forget(row, generation);
    }
  }

  /** The user logs in again, with a clean start or without: what that means for its will; see Dialect. */
  returned(row: number, isClean: boolean): void {
    const session = this.#sessions.get(row);
    if (session?.will === undefined || !this.#options.limits.dialect.dropsWillOnReturn) return;
    const goesOn = session.expiryMs > 0 && !isClean;
    if (goesOn || session.will.delayMs > 0) session.will = undefined;
  }

  /** Whether the session of a user who has left has ended, but for its will, which waits; see Dialect. */
  lingers(row: number): boolean {
    const session = this.#sessions.get(row);
    return session !== undefined && session.expiryMs === 0 && session.willDueMs < NEVER;
  }

  /** Whether the session outlives a connection that ends now. */
  outlives(row: number): boolean | undefined {
    const session = this.#sessions.get(row);
    return session === undefined ? undefined : session.expiryMs > 0;
  }

  /** The session ends: its will is due, its subscriptions and messages are gone. */
  discard(row: number): void {
    const session = this.#sessions.get(row);
    if (session === undefined) return;
    if (session.will !== undefined) this.#publishWill(session);
    this.#sessions.delete(row);
    this.subscriptions.removeAll(session);
    const orphans = this.queues.clear(session);
    // Who shared with the others leaves them what it had not accepted (5: 4.8.2).
    for (const { message, group } of orphans) {
      if (group === undefined || group.isEmpty) continue;
      this.queues.offerShared(this.subscriptions, group, message, this.#nowMs());
    }
  }

  /** Wills and ends of sessions that are due; at the end of a turn. True while others wait. */
  tick(): boolean {
    if (this.#timers.size === 0) return false;
    const nowMs = this.#nowMs();
    for (;;) {
      const session = this.#timers.pop(nowMs);
      if (session === undefined) break;
      session.timerMs = NEVER;
      if (this.#sessions.get(session.row) === session) this.#due(session, nowMs);
    }
    return this.#timers.size > 0;
  }

  /** A packet of the user that no other lane knows: PUBLISH, PUBREC, PUBREL or PUBCOMP, already found sound. */
  packet(session: Session, bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start]! >>> 4;
    if (type === PACKET.publish) {
      decodePublish(bytes, start, end, this.#publish, session.level);
      this.#published(session, bytes);
      return;
    }
    const fields = this.#acknowledge;
    decodeAcknowledge(bytes, start, end, fields, session.level);
    if (type === PACKET.pubrel) {
      this.#released(session, fields.packetId);
      this.#answer(session, PACKET.pubcomp, fields.packetId, REASON.success);
      return;
    }
    this.acknowledge(session, type, fields.packetId, fields.reason);
  }

  /** PUBACK, PUBREC or PUBCOMP for a delivery. */
  acknowledge(session: Session, type: number, packetId: number, reason: number): void {
    const nowMs = this.#nowMs();
    const isExpected = this.queues.acknowledge(session, type, packetId, reason, nowMs);
    if (!isExpected) this.#options.host.expel(session.row, CLOSE_CAUSE.flow);
  }

  /** Publishes what the server itself has to say. */
  publish(message: Message): void {
    this.#route(message, undefined);
  }

  /** The server says something about itself; shared subscriptions are not told, every worker is. */
  publishSystem(topic: string, text: string): void {
    const message = this.#system.put(topic, text);
    this.queues.offer(this.subscriptions, message, undefined, false, this.#nowMs());
  }

  /** Members of a group, of all workers. */
  membersOf(filter: string): number {
    return this.#options.peers.subscribersOf(filter);
  }

  /** Whether the file of topics, if there is one, lets the user read or write this one. */
  mayUse(session: Session, wanted: 'read' | 'write', topic: string): boolean {
    const { access, uidOf } = this.#options;
    const acl = aclOf(access, session.listener);
    if (acl === undefined) return true;
    return isAllowed(acl, wanted, session.userName, uidOf(session.row), topic);
  }

  // Frames of other workers.

  /** A message for the sessions here; `version` above 0: retained, `sourceBytes` behind it say by whom. */
  routed(
    version: number,
    sourceBytes: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const nowMs = this.#nowMs();
    const sourceAt = end - sourceBytes;
    const message = this.#options.peers.read(bytes, start, sourceAt, nowMs);
    if (sourceBytes > 0) message.source = readSource(bytes, sourceAt, end);
    if (message.retain) this.retained.put(message, version);
    this.queues.offer(this.subscriptions, message, undefined, false, nowMs);
  }

  /** What members a shared subscription has at another worker. */
  shared(
    worker: number,
    online: number,
    all: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.subscriptions.setRemote(textOf(bytes, start, end), worker, online, all);
  }

  /** A message for one member here of the shared subscription named in [start, keyEnd). */
  routedShared(bytes: Uint8Array, start: number, keyEnd: number, end: number): void {
    const nowMs = this.#nowMs();
    const message = this.#options.peers.read(bytes, keyEnd, end, nowMs);
    const group = this.subscriptions.group(textOf(bytes, start, keyEnd));
    const isTaken =
      group !== undefined &&
      (group.members.length > 0
        ? this.queues.offerGroup(group, message, nowMs)
        : this.queues.offerShared(this.subscriptions, group, message, nowMs));
    if (!isTaken) this.#options.stats[STAT.dropped]!++;
  }

  /** Sends the retained messages of a subscription that was just made. */
  sendRetained(session: Session, filter: string): void {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined || subscription.group !== undefined) return;
    const nowMs = this.#nowMs();
    const offer = (message: Message): void =>
      this.queues.offerRetained(subscription, message, nowMs);
    this.retained.match(filter, nowMs, (message) => {
      if (this.#mayStillWrite(message)) offer(message);
    });
    this.#system.match(filter, offer);
  }

  #published(session: Session, bytes: Uint8Array): void {
    const { qos, packetId } = this.#publish;
    const message = messageOf(bytes, this.#publish, this.#nowMs(), session.mountPoint);
    if (this.#endsFor(message)) {
      this.#options.host.expel(session.row, CLOSE_CAUSE.topicLevels);
      return;
    }
    const isPressed = qos > 0 && this.#options.host.isPressed();
    if (isPressed && session.level < PROTOCOL_LEVEL_5) {
      // MQTT 3 has no word for it: its client sends the message again after a reconnect.
      this.#options.host.expel(session.row, CLOSE_CAUSE.withheld);
      return;
    }
    const refusal = isPressed ? REASON.quotaExceeded : this.#refusalOf(session, message);
    if (refusal !== 0) {
      this.#options.stats[STAT.foreign]!++;
      // MQTT 3 has no word for it: acknowledged and forgotten, as brokers do.
      if (qos > 0)
        this.#answer(session, qos === 2 ? PACKET.pubrec : PACKET.puback, packetId, refusal);
      return;
    }
    if (qos === 2) {
      this.#received(session, packetId, message);
      return;
    }
    const isWanted = this.#route(message, session);
    if (qos === 0) return;
    const reason = isWanted ? REASON.success : REASON.noMatchingSubscribers;
    this.#answer(session, PACKET.puback, packetId, reason);
  }

  #endsFor({ topicText }: Message): boolean {
    const { dialect, levelsMax } = this.#options.limits;
    return dialect.endsDeepTopics && levelsOf(topicText) > levelsMax;
  }

  /** Why a topic is not for this user, 0 = it is. */
  #refusalOf(session: Session, { topic, topicText }: Message): number {
    const { isOwnOnly, limits } = this.#options;
    if (isOwnOnly && !session.subscriptions.has(topicText)) return REASON.notAuthorized;
    // Names with '$' are the server's own (4.7.2), but for what a bridge of mosquitto says of itself.
    if (topicText.startsWith('$') && !BRIDGE_STATE.test(topicText)) return REASON.notAuthorized;
    if (!this.mayUse(session, 'write', topicText)) return REASON.notAuthorized;
    const isLarge = topicText.length > limits.topicLengthMax || topic.length > TOPIC_BYTES_MAX;
    return isLarge || levelsOf(topicText) > limits.levelsMax ? REASON.topicNameInvalid : 0;
  }

  /** QoS 2: kept until it is released, however often it comes [MQTT-4.3.3-8 ff.]. */
  #received(session: Session, packetId: number, message: Message): void {
    const { incoming } = session;
    const { host, limits, stats } = this.#options;
    const known = incoming.get(packetId);
    if (known !== undefined) {
      if (++known.copies > limits.dialect.repeatsMax) host.expel(session.row, CLOSE_CAUSE.flow);
      else this.#answer(session, PACKET.pubrec, packetId, REASON.success);
      return;
    }
    const most = session.level >= PROTOCOL_LEVEL_5 ? limits.receiveMaximum : UNRELEASED_MAX;
    if (incoming.size >= most) {
      host.expel(session.row, CLOSE_CAUSE.receiveMaximum);
      return;
    }
    if (!this.queues.keepReceived(session, message)) {
      stats[STAT.queueRefused]!++;
      this.#answer(session, PACKET.pubrec, packetId, REASON.quotaExceeded);
      return;
    }
    incoming.set(packetId, { message, copies: 1 });
    this.#answer(session, PACKET.pubrec, packetId, REASON.success);
  }

  #released(session: Session, packetId: number): void {
    const received = session.incoming.get(packetId);
    if (received === undefined) return;
    session.incoming.delete(packetId);
    this.queues.dropReceived(session, received.message);
    this.#route(received.message, session);
  }

  /** Whether who published a retained message may still do so; true where nobody asks. */
  #mayStillWrite({ source, topicText }: Message): boolean {
    if (source === undefined) return true;
    const { access } = this.#options;
    const { listener, userName, clientId } = source;
    const acl = aclOf(access, this.listenerNamed(listener));
    return acl === undefined || isAllowed(acl, 'write', userName, clientId, topicText);
  }

  /** Who publishes a retained message, where that is asked later. */
  #sourceOf(session: Session): MessageSource | undefined {
    const { access, limits, uidOf } = this.#options;
    if (!limits.checksRetainSource || aclOf(access, session.listener) === undefined)
      return undefined;
    const { userName, row } = session;
    return { clientId: uidOf(row), userName, listener: this.listenerOf(session) };
  }

  /** Keeps and delivers; false when nobody anywhere can be interested. */
  #route(message: Message, from: Session | undefined): boolean {
    const { peers, stats, host } = this.#options;
    if (message.topicText.startsWith('m/') && from !== undefined) {
      host.sendToMailbox(from.row, message);
      return true;
    }
    stats[STAT.routed]!++;
    const version = message.retain ? peers.nextVersion() : 0;
    if (message.retain && from !== undefined) message.source = this.#sourceOf(from);
    if (message.retain) this.retained.put(message, version);
    const hasOthers = peers.forward(message, version);
    const count = this.queues.offer(this.subscriptions, message, from, true, this.#nowMs());
    return hasOthers || count > 0;
  }

  #due(session: Session, nowMs: number): void {
    if (session.willDueMs <= nowMs) this.#publishWill(session);
    if (session.endsMs <= nowMs) this.#options.host.forget(session.row, session.generation);
    else this.arm(session);
  }

  /** Sees that the session is looked at when it next has something due. */
  arm(session: Session): void {
    const dueMs = Math.min(session.willDueMs, session.endsMs);
    if (dueMs >= session.timerMs) return;
    session.timerMs = dueMs;
    this.#timers.push(dueMs, session);
  }

  #publishWill(session: Session): void {
    const { will } = session;
    session.willDueMs = NEVER;
    if (will === undefined) return;
    session.will = undefined;
    const { topicText, topic, properties, payload, qos, retain } = will.message;
    // Presence and receipts are the server's to tell: where only mailboxes are open, a will goes to one.
    const isOpen = !this.#options.isOwnOnly || topicText.startsWith('m/');
    const isTopic = topic.length <= TOPIC_BYTES_MAX;
    if (!isOpen || !isTopic || !this.mayUse(session, 'write', topicText)) {
      this.#options.stats[STAT.foreign]!++;
      return;
    }
    const expiresMs = this.#nowMs() + will.expiryMs;
    this.#options.stats[STAT.wills]!++;
    this.#route(new Message(topic, properties, payload, qos, retain, expiresMs), session);
  }

  #willOf(bytes: Uint8Array, fields: ConnectFields, mountPoint: string): Will {
    const { willProperties } = fields;
    const expiryS = willProperties.number(PROPERTY.messageExpiry, NEVER);
    const { sessionExpiryMaxS } = this.#options.limits;
    const delayS = Math.min(sessionExpiryMaxS, willProperties.number(PROPERTY.willDelay, 0));
    const message = new Message(
      mounted(mountPoint, bytes, fields.willTopicStart, fields.willTopicEnd),
      travelling(bytes, willProperties.blockStart, willProperties.blockEnd),
      copied(bytes, fields.willPayloadStart, fields.willPayloadEnd),
      fields.willQos,
      fields.willRetain,
      NEVER,
    );
    return { message, expiryMs: expiryS * 1000, delayMs: delayS * 1000 };
  }

  /** 0xFFFFFFFF means never (5: 3.1.2.11.2). */
  #expiryMs(expiryS: number): number {
    if (expiryS === 0xffff_ffff) return NEVER;
    return Math.min(expiryS, this.#options.limits.sessionExpiryMaxS) * 1000;
  }

  #answer(session: Session, type: number, packetId: number, reason: number): void {
    const given = session.level >= PROTOCOL_LEVEL_5 ? reason : REASON.success;
    const end = encodeAcknowledge5(this.#out, 0, type, packetId, given);
    this.#options.host.send(session.row, OUTPUT.answer, this.#out, end);
  }

  #nowMs(): number {
    return this.#options.clock.monoUs() / 1000;
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.subarray(start, end)).toString('utf8');
}
