// What a client may send, packet by packet: decodes, checks what the standard allows at this point, and
// hands it to the user's home or answers at once. Returns 0, or -1 - cause when the connection must end.
//
// Two lanes. A PUBLISH with QoS 0 or 1 to 'm/<uid>' goes straight to the receiver's home, PUBACK to the
// mailbox, PINGREQ is answered here: no string and no object. Everything else is checked here and goes
// to the user's own home as it is, where the broker knows topics, sessions and QoS 2.
//
// Where only mailboxes are open (AccessRules 'own'), a message to a topic that nobody may subscribe to is
// acknowledged and forgotten in MQTT 3, as brokers do, and refused in MQTT 5; both are counted.

import type { Clock } from '#core/clock/clock.ts';
import {
  AcknowledgeFields,
  decodeAcknowledge,
  decodePacketId,
  emptyBodyFlaw,
} from '#core/wire/mqtt/decode-acknowledge.ts';
import { DisconnectFields, decodeDisconnect } from '#core/wire/mqtt/decode-disconnect.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { decodeSubscribe, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import { encodePingresp } from '#core/wire/mqtt/encode.ts';
import { encodeAcknowledge5 } from '#core/wire/mqtt/encode-5.ts';
import {
  FLAW,
  PACKET,
  PROTOCOL_LEVEL_3_1_1,
  PROTOCOL_LEVEL_5,
  REASON,
} from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { topicNameFlaw } from '#core/wire/mqtt/text.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import { Aliases } from '#reference-server/edge/aliases.ts';
import { ClientLogin } from '#reference-server/edge/client-login.ts';
import type { Connections } from '#reference-server/edge/connections.ts';
import { CONN_FLAG, STATE } from '#reference-server/edge/connections.ts';
import type { Departures } from '#reference-server/edge/departures.ts';
import { homeOf, uidHash } from '#reference-server/home/uid-hash.ts';
import { UID_BYTES_MAX } from '#reference-server/home/user-table.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import type { SenderReference } from '#reference-server/mailbox/bodies.ts';
import { CLOSE_CAUSE, causeOfFlaw } from '#reference-server/statistics/close-cause.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';

const INBOX_PREFIX = 0x6d;
const RECEIPT_PREFIX = 0x72;
const GROUP_PREFIX = 0x67;
const SLASH = 0x2f;

/** Sends an answer of this edge on a connection. */
export type Answer = (conn: number, bytes: Uint8Array, end: number) => void;

export interface ClientPacketsOptions {
  connections: Connections;
  /** Whether logins are taken. */
  departures: Departures;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  hashSeed: number;
  limits: ServerLimits;
  access: AccessRules;
  answer: Answer;
}

export class ClientPackets {
  readonly login: ClientLogin;
  readonly #connections: Connections;
  readonly #exchange: Exchange;
  readonly #stats: WorkerStats;
  readonly #hashSeed: number;
  readonly #isOwnOnly: boolean;
  readonly #limits: ServerLimits;
  readonly #answer: Answer;
  readonly #aliases: Aliases;
  readonly #publish = new PublishFields();
  readonly #subscribe = new SubscribeFields();
  readonly #acknowledge = new AcknowledgeFields();
  readonly #disconnect = new DisconnectFields();
  readonly #sender: SenderReference = { worker: 0, row: 0, generation: 0, packetId: 0 };
  readonly #out = new Uint8Array(16);

  constructor(options: ClientPacketsOptions) {
    this.#connections = options.connections;
    this.#exchange = options.exchange;
    this.#stats = options.stats;
    this.#hashSeed = options.hashSeed;
    this.#limits = options.limits;
    this.#isOwnOnly = options.access.topics === 'own';
    this.#limits = options.limits;
    this.#answer = options.answer;
    this.#aliases = new Aliases(options.limits);
    this.login = new ClientLogin(options);
  }

  /** Handles the whole packet in [start, end). */
  handle(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const type = bytes[start]! >>> 4;
    if (this.#connections.state[conn] === STATE.connecting) {
      return type === PACKET.connect
        ? this.login.connect(conn, bytes, start, end)
        : ends(CLOSE_CAUSE.connectExpected);
    }
    switch (type) {
      case PACKET.publish:
        return this.#handlePublish(conn, bytes, start, end);
      case PACKET.puback:
      case PACKET.pubrec:
      case PACKET.pubrel:
      case PACKET.pubcomp:
        return this.#handleAcknowledge(conn, bytes, start, end);
      case PACKET.pingreq:
        if (emptyBodyFlaw(bytes, start, end) !== 0) return ends(CLOSE_CAUSE.trailing);
        this.#answer(conn, this.#out, encodePingresp(this.#out, 0));
        return 0;
      case PACKET.subscribe:
      case PACKET.unsubscribe:
        return this.#handleSubscription(conn, bytes, start, end);
      case PACKET.disconnect:
        return this.#handleDisconnect(conn, bytes, start, end);
      case PACKET.connect:
        return ends(CLOSE_CAUSE.connectTwice);
      case PACKET.pingresp:
        if (emptyBodyFlaw(bytes, start, end) !== 0) return ends(CLOSE_CAUSE.trailing);
        return ends(CLOSE_CAUSE.unexpectedPacket);
      default:
        return ends(CLOSE_CAUSE.unexpectedPacket);
    }
  }

  /** The connection is gone: nothing of it is kept. */
  forget(conn: number): void {
    this.#aliases.forget(conn);
    this.login.forget(conn);
  }

  /** Whether clients make the receipts. */
  get #takesReceipts(): boolean {
    return this.#limits.receipts.mode === 'client';
  }

  #levelOf(conn: number): number {
    return (this.#connections.flags[conn]! & CONN_FLAG.v5) === 0
      ? PROTOCOL_LEVEL_3_1_1
      : PROTOCOL_LEVEL_5;
  }

  #handlePublish(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#publish;
    const level = this.#levelOf(conn);
    const flaw = decodePublish(bytes, start, end, fields, level);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    if (level >= PROTOCOL_LEVEL_5 && fields.properties.has(PROPERTY.topicAlias)) {
      return this.#handleAliased(conn, bytes);
    }
    const { topicStart, topicEnd } = fields;
    const topicFlaw = topicNameFlaw(bytes, topicStart, topicEnd);
    if (topicFlaw !== 0) return ends(causeOfFlaw(topicFlaw));
    const uidLength = topicEnd - topicStart - 2;
    const isShort = uidLength > 0 && uidLength <= UID_BYTES_MAX;
    const prefix = bytes[topicStart + 1] === SLASH ? bytes[topicStart]! : 0;
    const { broker, payloadBytesMax } = this.#limits;
    if (fields.qos > broker.qosMax || (fields.qos === 2 && this.#isOwnOnly)) {
      return ends(CLOSE_CAUSE.qos2);
    }
    if (fields.retain && !broker.retains) return ends(CLOSE_CAUSE.retain);
    this.#stats[STAT.received]!++;
    if (fields.payloadEnd - fields.payloadStart > payloadBytesMax) {
      this.#stats[STAT.tooLarge]!++;
      this.#discard(conn, level, broker.dialect.oversizeReason);
      return 0;
    }
    const { publishPerS, userPropertiesMax, propertyBytesMax } = this.#limits;
    if (level >= PROTOCOL_LEVEL_5) {
      const { userCount, blockStart, blockEnd } = fields.properties;
      if (userCount > userPropertiesMax || blockEnd - blockStart > propertyBytesMax) {
        this.#stats[STAT.propertiesRefused]!++;
        this.#discard(conn, level, REASON.quotaExceeded);
        return 0;
      }
    }
    if (publishPerS > 0 && !this.#connections.mayPublish(conn, publishPerS)) {
      this.#refuseRate(conn);
      return 0;
    }
    // Behind a mount point no topic is a mailbox.
    if (this.login.isMounted(conn)) this.#hand(conn, bytes, start, end);
    else if (prefix === INBOX_PREFIX && isShort && fields.qos < 2)
      this.#send(conn, bytes, topicStart + 2, 0);
    else if (prefix === RECEIPT_PREFIX && isShort && fields.qos < 2 && this.#takesReceipts)
      this.#send(conn, bytes, topicStart + 2, PUBLISH_IS_RECEIPT);
    else if (!this.#isOwnOnly || prefix === GROUP_PREFIX) {
      this.#hand(conn, bytes, start, end);
    } else {
      this.#stats[STAT.foreign]!++;
      this.#discard(conn, level, REASON.notAuthorized);
    }
    return 0;
  }

  /** A topic alias is resolved here: what goes on has its topic and no alias. */
  #handleAliased(conn: number, bytes: Uint8Array): number {
    const length = this.#aliases.resolve(conn, bytes, this.#publish);
    if (length < 0) {
      return ends(length === FLAW.propertyValue ? CLOSE_CAUSE.topicAlias : causeOfFlaw(length));
    }
    // A copy: what is handled before it may use an alias too.
    return this.#handlePublish(conn, this.#aliases.bytes.slice(0, length), 0, length);
  }

  /** More than the client may publish in this time. */
  #refuseRate(conn: number): void {
    const { qos, packetId } = this.#publish;
    this.#stats[STAT.rateRefused]!++;
    if (qos === 0) return;
    if (qos === 1) {
      this.#exchange.withhold(
        this.#exchange.self,
        conn,
        this.#connections.generation[conn]!,
        packetId,
      );
      return;
    }
    // MQTT 3 has no word for it, and asks again after a reconnect.
    if (this.#levelOf(conn) < PROTOCOL_LEVEL_5) return;
    const { quotaExceeded } = REASON;
    this.#answer(
      conn,
      this.#out,
      encodeAcknowledge5(this.#out, 0, PACKET.pubrec, packetId, quotaExceeded),
    );
  }

  /** Answers a message that goes nowhere: MQTT 5 hears why, MQTT 3 knows no such word. */
  #discard(conn: number, level: number, reason: number): void {
    const { qos, packetId } = this.#publish;
    if (qos === 0) return;
    const type = qos === 1 ? PACKET.puback : PACKET.pubrec;
    const given = level < PROTOCOL_LEVEL_5 ? REASON.success : reason;
    const end = encodeAcknowledge5(this.#out, 0, type, packetId, given);
    this.#answer(conn, this.#out, end);
  }

  /** Hands the message in `#publish` to its receiver's home. */
  #send(conn: number, bytes: Uint8Array, uidStart: number, kind: number): void {
    const { topicEnd, qos, packetId, propertiesStart, payloadEnd, properties } = this.#publish;
    const connections = this.#connections;
    const sender = this.#sender;
    sender.worker = connections.home[conn]!;
    sender.row = connections.row[conn]!;
    sender.generation = connections.rowGeneration[conn]!;
    sender.packetId = packetId;
    const hash = uidHash(bytes, uidStart, topicEnd, this.#hashSeed);
    const home = homeOf(hash, this.#exchange.workers);
    const generation = connections.generation[conn]!;
    if (!this.#exchange.canPublish(home)) {
      this.#stats[STAT.linkRefused]!++;
      if (qos === 0) this.#stats[STAT.dropped]!++;
      else {
        this.#stats[STAT.withheld]!++;
        this.#exchange.withhold(this.#exchange.self, conn, generation, packetId);
      }
      return;
    }
    const hasProperties = properties.blockEnd > properties.blockStart;
    const bodyStart = hasProperties ? propertiesStart : this.#publish.payloadStart;
    this.#exchange.publish(
      home,
      conn,
      generation,
      sender,
      qos | kind | (hasProperties ? PUBLISH_HAS_PROPERTIES : 0),
      hash,
      bytes,
      uidStart,
      topicEnd,
      bodyStart,
      payloadEnd,
    );
  }

  #handleAcknowledge(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const { home, row, rowGeneration } = this.#connections;
    const isPuback = bytes[start]! >>> 4 === PACKET.puback;
    const level = this.#levelOf(conn);
    if (isPuback && level < PROTOCOL_LEVEL_5) {
      const packetId = decodePacketId(bytes, start, end);
      if (packetId < 0) return ends(causeOfFlaw(packetId));
      this.#exchange.acknowledge(home[conn]!, row[conn]!, rowGeneration[conn]!, packetId, 0);
      return 0;
    }
    const fields = this.#acknowledge;
    const flaw = decodeAcknowledge(bytes, start, end, fields, level);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    if (isPuback) {
      const { packetId, reason } = fields;
      this.#exchange.acknowledge(home[conn]!, row[conn]!, rowGeneration[conn]!, packetId, reason);
    } else this.#hand(conn, bytes, start, end);
    return 0;
  }

  #handleSubscription(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const flaw = decodeSubscribe(bytes, start, end, this.#subscribe, this.#levelOf(conn));
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    this.#hand(conn, bytes, start, end);
    return 0;
  }

  #handleDisconnect(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#disconnect;
    const { flags } = this.#connections;
    const flaw = decodeDisconnect(bytes, start, end, fields, this.#levelOf(conn));
    // An unknown reason to go is no reason to be told so.
    if (flaw !== 0) return ends(flaw === FLAW.returnCode ? CLOSE_CAUSE.ended : causeOfFlaw(flaw));
    const expiryS = fields.properties.number(PROPERTY.sessionExpiry, -1);
    // Who said that the session ends with the connection cannot change that at its end (5: 3.14.2.2.2).
    if (expiryS > 0 && (flags[conn]! & CONN_FLAG.expires) === 0) {
      return ends(CLOSE_CAUSE.sessionExpiry);
    }
    this.login.goodbye(conn, fields.reason !== REASON.disconnectWithWill, expiryS);
    return ends(CLOSE_CAUSE.disconnect);
  }

  /** Gives a sound packet to the user's home. */
  #hand(conn: number, bytes: Uint8Array, start: number, end: number): void {
    const { home, row, rowGeneration } = this.#connections;
    if (this.#exchange.workers > 1) this.#exchange.drain();
    this.#exchange.packet(home[conn]!, row[conn]!, rowGeneration[conn]!, bytes, start, end);
  }
}

/** Beside the QoS of a publish frame: the body begins with the properties of MQTT 5. */
export const PUBLISH_HAS_PROPERTIES = 4;

/** Also beside it: the topic is r/<uid>, a receipt that a client makes. */
export const PUBLISH_IS_RECEIPT = 8;

/** The result of a packet that ends its connection. */
export function ends(cause: number): number {
  return -1 - cause;
}
