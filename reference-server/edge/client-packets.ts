// What a client may send, packet by packet: decodes, checks what the standard allows at this point, and
// hands it to the user's home or answers at once. Returns 0, or -1 - cause when the connection must end.
//
// Topics: 'm/<uid>' is the mailbox of a user. A message to any other topic has no possible subscriber,
// because nobody may subscribe to more than the own mailbox and receipts: it is acknowledged and
// forgotten, as brokers do, and counted.

import { randomBytes } from 'node:crypto';
import { decodePacketId, emptyBodyFlaw } from '#core/wire/mqtt/decode-acknowledge.ts';
import { ConnectFields, decodeConnect } from '#core/wire/mqtt/decode-connect.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { decodeSubscribe, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import { encodeConnack, encodePingresp, encodePuback } from '#core/wire/mqtt/encode.ts';
import { CONNACK, PACKET, PROTOCOL_LEVEL_3_1_1 } from '#core/wire/mqtt/packet.ts';
import { topicNameFlaw } from '#core/wire/mqtt/text.ts';
import type { Connections } from '#reference-server/edge/connections.ts';
import { STATE } from '#reference-server/edge/connections.ts';
import { homeOf, uidHash } from '#reference-server/home/uid-hash.ts';
import { UID_BYTES_MAX } from '#reference-server/home/user-table.ts';
import type { SenderReference } from '#reference-server/mailbox/mailboxes.ts';
import { CLOSE_CAUSE, causeOfFlaw } from '#reference-server/stats/close-cause.ts';
import { STAT, type WorkerStats } from '#reference-server/stats/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';

const INBOX_PREFIX = 0x6d;
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** Sends an answer of this edge on a connection. */
export type Answer = (conn: number, bytes: Uint8Array, end: number) => void;

export class ClientPackets {
  readonly #connections: Connections;
  readonly #exchange: Exchange;
  readonly #stats: WorkerStats;
  readonly #hashSeed: number;
  readonly #answer: Answer;
  readonly #connect = new ConnectFields();
  readonly #publish = new PublishFields();
  readonly #subscribe = new SubscribeFields();
  readonly #sender: SenderReference = { worker: 0, row: 0, generation: 0, packetId: 0 };
  readonly #out = new Uint8Array(16);
  readonly #uidPrefix = `auto-${randomBytes(6).toString('hex')}-`;
  #uidsGiven = 0;

  constructor(
    connections: Connections,
    exchange: Exchange,
    stats: WorkerStats,
    hashSeed: number,
    answer: Answer,
  ) {
    this.#connections = connections;
    this.#exchange = exchange;
    this.#stats = stats;
    this.#hashSeed = hashSeed;
    this.#answer = answer;
  }

  /** Handles the whole packet in [start, end). */
  handle(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const type = bytes[start]! >>> 4;
    if (this.#connections.state[conn] === STATE.connecting) {
      return type === PACKET.connect
        ? this.#handleConnect(conn, bytes, start, end)
        : ends(CLOSE_CAUSE.connectExpected);
    }
    if (type === PACKET.publish) return this.#handlePublish(conn, bytes, start, end);
    if (type === PACKET.puback) return this.#handlePuback(conn, bytes, start, end);
    if (type === PACKET.pingreq) {
      if (emptyBodyFlaw(bytes, start, end) !== 0) return ends(CLOSE_CAUSE.trailing);
      this.#answer(conn, this.#out, encodePingresp(this.#out, 0));
      return 0;
    }
    if (type === PACKET.subscribe || type === PACKET.unsubscribe) {
      return this.#handleSubscription(conn, bytes, start, end);
    }
    if (type === PACKET.disconnect) {
      const flaw = emptyBodyFlaw(bytes, start, end);
      return ends(flaw === 0 ? CLOSE_CAUSE.disconnect : causeOfFlaw(flaw));
    }
    return ends(type === PACKET.connect ? CLOSE_CAUSE.connectTwice : CLOSE_CAUSE.unexpectedPacket);
  }

  #handleConnect(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#connect;
    const flaw = decodeConnect(bytes, start, end, fields);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    if (fields.level !== PROTOCOL_LEVEL_3_1_1) {
      return this.#refuse(conn, CONNACK.protocolRefused, CLOSE_CAUSE.protocolLevel);
    }
    this.#connections.keepAliveS[conn] = fields.keepAliveS;
    const { clientIdStart, clientIdEnd } = fields;
    if (clientIdStart === clientIdEnd && fields.cleanSession) {
      // Who has no name gets one; without a session to keep, nobody needs to know it [MQTT-3.1.3-6].
      const uid = Buffer.from(`${this.#uidPrefix}${this.#uidsGiven++}`);
      this.#login(conn, uid, 0, uid.length);
      return 0;
    }
    if (!isUid(bytes, clientIdStart, clientIdEnd)) {
      return this.#refuse(conn, CONNACK.clientIdRefused, CLOSE_CAUSE.clientId);
    }
    this.#login(conn, bytes, clientIdStart, clientIdEnd);
    return 0;
  }

  #login(conn: number, bytes: Uint8Array, start: number, end: number): void {
    const connections = this.#connections;
    const hash = uidHash(bytes, start, end, this.#hashSeed);
    const home = homeOf(hash, this.#exchange.workers);
    connections.state[conn] = STATE.loggingIn;
    connections.home[conn] = home;
    const generation = connections.generation[conn]!;
    const { cleanSession } = this.#connect;
    this.#exchange.login(home, conn, generation, cleanSession, bytes, start, end);
  }

  #handlePublish(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#publish;
    const flaw =
      decodePublish(bytes, start, end, fields) ||
      topicNameFlaw(bytes, fields.topicStart, fields.topicEnd);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    if (fields.qos === 2) return ends(CLOSE_CAUSE.qos2);
    this.#stats[STAT.received]!++;
    const uidStart = fields.topicStart + 2;
    const uidLength = fields.topicEnd - uidStart;
    const isInbox =
      uidLength > 0 &&
      uidLength <= UID_BYTES_MAX &&
      bytes[uidStart - 2] === INBOX_PREFIX &&
      bytes[uidStart - 1] === SLASH;
    if (isInbox) this.#send(conn, bytes, uidStart);
    else {
      this.#stats[STAT.foreign]!++;
      if (fields.qos === 1) {
        this.#answer(conn, this.#out, encodePuback(this.#out, 0, fields.packetId));
      }
    }
    return 0;
  }

  /** Hands the message in `#publish` to its receiver's home. */
  #send(conn: number, bytes: Uint8Array, uidStart: number): void {
    const { topicEnd, qos, packetId, payloadStart, payloadEnd } = this.#publish;
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
        this.#exchange.withhold(this.#exchange.self, conn, generation);
      }
      return;
    }
    this.#exchange.publish(
      home,
      conn,
      generation,
      sender,
      qos,
      hash,
      bytes,
      uidStart,
      topicEnd,
      payloadStart,
      payloadEnd,
    );
  }

  #handlePuback(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const packetId = decodePacketId(bytes, start, end);
    if (packetId < 0) return ends(causeOfFlaw(packetId));
    const { home, row, rowGeneration } = this.#connections;
    this.#exchange.acknowledge(home[conn]!, row[conn]!, rowGeneration[conn]!, packetId);
    return 0;
  }

  #handleSubscription(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const flaw = decodeSubscribe(bytes, start, end, this.#subscribe);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    const { home, row, rowGeneration } = this.#connections;
    this.#exchange.subscription(home[conn]!, row[conn]!, rowGeneration[conn]!, bytes, start, end);
    return 0;
  }

  /** CONNACK with a reason, then the end [MQTT-3.2.2-5]. */
  #refuse(conn: number, returnCode: number, cause: number): number {
    this.#stats[STAT.loginsRefused]!++;
    this.#answer(conn, this.#out, encodeConnack(this.#out, 0, false, returnCode));
    return ends(cause);
  }
}

/** The result of a packet that ends its connection. */
function ends(cause: number): number {
  return -1 - cause;
}

/** Whether a client id can be part of a topic name, and fits the table of users. */
function isUid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > UID_BYTES_MAX) return false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === PLUS || bytes[at] === HASH) return false;
  }
  return true;
}
