// CONNECT and its answer: versions 3.1, 3.1.1 and 5.0, who gets in, what CONNACK promises, and what is
// remembered of it until the connection ends.

import { createHash, randomUUID } from 'node:crypto';
import { ConnectFields, decodeConnect } from '#core/wire/mqtt/decode-connect.ts';
import { encodeConnack } from '#core/wire/mqtt/encode.ts';
import { encodeConnack5 } from '#core/wire/mqtt/encode-5.ts';
import { CONNACK, PROTOCOL_LEVEL_3_1, PROTOCOL_LEVEL_5, REASON } from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import { needsUserNames } from '#reference-server/access/access-rules.ts';
import { type ClientPacketsOptions, ends } from '#reference-server/edge/client-packets.ts';
import { CONN_FLAG, STATE } from '#reference-server/edge/connections.ts';
import { DEPARTURE_BYTES_MAX } from '#reference-server/edge/departures.ts';
import { homeOf, uidHash } from '#reference-server/home/uid-hash.ts';
import { UID_BYTES_MAX } from '#reference-server/home/user-table.ts';
import { CLOSE_CAUSE, causeOfFlaw } from '#reference-server/statistics/close-cause.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { LOGIN, LOGOUT } from '#reference-server/worker/frame-type.ts';

const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;
/** Properties of a CONNACK: a few numbers and a client id. */
const CONNACK_BYTES_MAX = 64 + UID_BYTES_MAX;

/** How a connection said goodbye, until its logout is on its way. */
export class Goodbye {
  conn = -1;
  flags = 0;
  expiryS = -1;
}

export class ClientLogin {
  /** The memory of the host is short: nobody is let in. */
  isMemoryShort = false;
  readonly #options: ClientPacketsOptions;
  /** Logins that may be taken now, and when that was reckoned, us; see `#mayLogIn`. */
  readonly #rate = new Float64Array(2);
  readonly #connect = new ConnectFields();
  readonly #properties = new PropertyWriter(CONNACK_BYTES_MAX);
  readonly #out = new Uint8Array(Math.max(CONNACK_BYTES_MAX + 8, DEPARTURE_BYTES_MAX));
  /** Client ids that MQTT 5 clients are still to be told. */
  readonly #assigned = new Map<number, string>();
  readonly #goodbye = new Goodbye();
  /** What a user may do hangs on its user name. */
  readonly #hasNames: boolean;
  /** The listener of each connection, where listeners have rules of their own. */
  readonly #listener: Uint8Array | undefined;

  constructor(options: ClientPacketsOptions) {
    this.#options = options;
    this.#hasNames = needsUserNames(options.access);
    const { length } = options.access.listeners;
    if (length > 0) this.#listener = new Uint8Array(options.limits.connectionsMax);
  }

  /** A connection of the listener with this number. */
  accepted(conn: number, listener: number): void {
    if (this.#listener !== undefined) this.#listener[conn] = listener;
  }

  /** Whether the topics of this client are others inside. */
  isMounted(conn: number): boolean {
    if (this.#listener === undefined) return false;
    const rules = this.#options.access.listeners[this.#listener[conn]!];
    return rules !== undefined && rules.mountPoint !== '';
  }

  /** Handles the CONNECT in [start, end); the result is as of `ClientPackets.handle`. */
  connect(conn: number, bytes: Uint8Array, start: number, end: number): number {
    const fields = this.#connect;
    const flaw = decodeConnect(bytes, start, end, fields);
    if (flaw !== 0) return ends(causeOfFlaw(flaw));
    const { level, properties, clientIdStart, clientIdEnd } = fields;
    if (level < PROTOCOL_LEVEL_3_1 || level > PROTOCOL_LEVEL_5) {
      return this.#refuse(conn, CONNACK.protocolRefused, CLOSE_CAUSE.protocolLevel);
    }
    this.#note(conn);
    const isV5 = level === PROTOCOL_LEVEL_5;
    if (this.#options.departures.refusesLogins) {
      const code = isV5 ? REASON.useAnotherServer : CONNACK.unavailable;
      return this.#refuse(conn, code, CLOSE_CAUSE.anotherServer);
    }
    if (!this.#mayLogIn()) {
      const code = isV5 ? REASON.connectionRateExceeded : CONNACK.unavailable;
      return this.#refuse(conn, code, CLOSE_CAUSE.loginRate);
    }
    if (this.isMemoryShort) {
      const code = isV5 ? REASON.serverBusy : CONNACK.unavailable;
      return this.#refuse(conn, code, CLOSE_CAUSE.memoryShort);
    }
    if (isV5) {
      if (properties.has(PROPERTY.authenticationMethod)) {
        return this.#refuse(conn, REASON.badAuthenticationMethod, CLOSE_CAUSE.authentication);
      }
      // Not even the smallest CONNACK would be taken.
      if (properties.number(PROPERTY.maximumPacketSize, 64) < 12)
        return ends(CLOSE_CAUSE.clientLimit);
    }
    const { willTopicStart } = fields;
    // Names with '$' are the server's own (4.7.2); who wills to one is not answered.
    if (willTopicStart >= 0 && bytes[willTopicStart] === DOLLAR) return ends(CLOSE_CAUSE.will);
    const refusal = this.#willRefusal(isV5);
    if (refusal !== 0) return this.#refuse(conn, refusal, CLOSE_CAUSE.will);
    if (clientIdStart === clientIdEnd && this.#mayBeAssigned()) {
      // Who has no name gets one; without a session to keep, nobody needs to know it [MQTT-3.1.3-6].
      const text = `auto-${randomUUID()}`;
      const uid = Buffer.from(text);
      if (isV5) this.#assigned.set(conn, text);
      this.#login(conn, uid, 0, uid.length, bytes, start, end);
      return 0;
    }
    if (!isUid(bytes, clientIdStart, clientIdEnd)) {
      if (this.#options.access.topics === 'any' && clientIdEnd > clientIdStart) {
        const uid = digestOf(bytes, clientIdStart, clientIdEnd);
        this.#login(conn, uid, 0, uid.length, bytes, start, end);
        return 0;
      }
      const code = isV5 ? REASON.clientIdInvalid : CONNACK.clientIdRefused;
      return this.#refuse(conn, code, CLOSE_CAUSE.clientId);
    }
    this.#login(conn, bytes, clientIdStart, clientIdEnd, bytes, start, end);
    return 0;
  }

  /** Writes the CONNACK to `bytes`; returns its end. `code` is a return code of MQTT 3. */
  answer(conn: number, code: number, isPresent: boolean): number {
    const { connections } = this.#options;
    const flags = connections.flags[conn]!;
    if ((flags & CONN_FLAG.v5) === 0) {
      const isTold = isPresent && (flags & CONN_FLAG.v31) === 0;
      return encodeConnack(this.#out, 0, isTold, code);
    }
    const reason = code === CONNACK.accepted ? REASON.success : REASON.serverUnavailable;
    const properties = this.#properties.clear();
    if (code !== CONNACK.accepted) return encodeConnack5(this.#out, 0, false, reason, properties);
    if ((flags & CONN_FLAG.keepAliveChanged) !== 0) {
      properties.two(PROPERTY.serverKeepAlive, connections.keepAliveS[conn]!);
    }
    this.#promise(conn, properties);
    return encodeConnack5(this.#out, 0, isPresent, reason, properties);
  }

  /** What this server takes, in the order that foreign suites compare with. */
  #promise(conn: number, properties: PropertyWriter): void {
    const { limits, access } = this.#options;
    const { aliasesMax, receiveMaximum, retains, qosMax, dialect } = limits.broker;
    const isOwnOnly = access.topics === 'own';
    const assigned = this.#assigned.get(conn);
    this.#assigned.delete(conn);
    properties.two(PROPERTY.topicAliasMaximum, aliasesMax);
    if (assigned !== undefined) properties.text(PROPERTY.assignedClientId, assigned);
    // Foreign suites know a server without the property; who sets a size tells it.
    if (isOwnOnly || limits.packetBytesMax !== dialect.untoldPacketBytes) {
      properties.four(PROPERTY.maximumPacketSize, limits.packetBytesMax);
    }
    if (isOwnOnly || !retains) properties.byte(PROPERTY.retainAvailable, 0);
    properties.two(PROPERTY.receiveMaximum, receiveMaximum);
    if (isOwnOnly || qosMax < 2) properties.byte(PROPERTY.maximumQos, Math.min(1, qosMax));
    if (!isOwnOnly) return;
    properties.byte(PROPERTY.wildcardAvailable, 0).byte(PROPERTY.sharedAvailable, 0);
  }

  /** Where `answer` has written. */
  get bytes(): Uint8Array {
    return this.#out;
  }

  /** The client says DISCONNECT; the logout that follows carries how. */
  goodbye(conn: number, dropsWill: boolean, expiryS: number): void {
    this.#goodbye.conn = conn;
    this.#goodbye.flags = dropsWill ? LOGOUT.dropWill : 0;
    this.#goodbye.expiryS = expiryS;
  }

  /** What `goodbye` was told of this connection, once. */
  takeGoodbye(conn: number): Readonly<Goodbye> {
    const said = this.#goodbye;
    if (said.conn !== conn) {
      said.flags = 0;
      said.expiryS = -1;
    }
    said.conn = -1;
    return said;
  }

  forget(conn: number): void {
    if (this.#assigned.size > 0) this.#assigned.delete(conn);
  }

  /** Whether one more login is within this worker's share of so many a second, a second's worth at once. */
  #mayLogIn(): boolean {
    const { limits, exchange, clock } = this.#options;
    const perUs = limits.loginsPerS / exchange.workers / 1e6;
    if (perUs === 0) return true;
    const rate = this.#rate;
    const nowUs = clock.monoUs();
    rate[0] = Math.min(Math.max(1, perUs * 1e6), rate[0]! + (nowUs - rate[1]!) * perUs);
    rate[1] = nowUs;
    if (rate[0]! < 1) return false;
    rate[0]! -= 1;
    return true;
  }

  /** Keeps what the rest of the connection needs of its CONNECT. */
  #note(conn: number): void {
    const { connections, limits } = this.#options;
    const { level, keepAliveS, properties } = this.#connect;
    connections.keepAliveS[conn] = keepAliveS;
    if (level === PROTOCOL_LEVEL_3_1) connections.flags[conn]! |= CONN_FLAG.v31;
    if (level < PROTOCOL_LEVEL_5) return;
    connections.flags[conn]! |= CONN_FLAG.v5;
    const most = limits.keepAliveMaxS;
    if (most > 0 && (keepAliveS === 0 || keepAliveS > most)) {
      connections.keepAliveS[conn] = most;
      connections.flags[conn]! |= CONN_FLAG.keepAliveChanged;
    }
    if (properties.number(PROPERTY.maximumPacketSize, DEPARTURE_BYTES_MAX) < DEPARTURE_BYTES_MAX) {
      connections.flags[conn]! |= CONN_FLAG.takesLittle;
    }
    if (properties.number(PROPERTY.sessionExpiry, 0) > 0) {
      connections.flags[conn]! |= CONN_FLAG.expires;
    }
  }

  /** Why the will of this CONNECT is not taken, 0 = it is. */
  #willRefusal(isV5: boolean): number {
    const { willTopicStart, willPayloadStart, willPayloadEnd, willQos, willRetain } = this.#connect;
    if (willTopicStart < 0) return 0;
    const { broker, payloadBytesMax } = this.#options.limits;
    if (willPayloadEnd - willPayloadStart > payloadBytesMax) {
      return isV5 ? REASON.packetTooLarge : CONNACK.notAuthorized;
    }
    if (!isV5) return 0;
    if (willQos > broker.qosMax) return REASON.qosNotSupported;
    return willRetain && !broker.retains ? REASON.retainNotSupported : 0;
  }

  /** MQTT 3.1 wants a name; 3.1.1 only from who has a session to keep; 5 never [MQTT-3.1.3-7]. */
  #mayBeAssigned(): boolean {
    const { level, cleanSession } = this.#connect;
    if (level === PROTOCOL_LEVEL_5) return true;
    return level !== PROTOCOL_LEVEL_3_1 && cleanSession;
  }

  /** Asks the home of the uid; a plain CONNECT of MQTT 3 does not travel with it. */
  #login(
    conn: number,
    uid: Uint8Array,
    uidStart: number,
    uidEnd: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { connections, exchange, hashSeed } = this.#options;
    const { level, cleanSession, willTopicStart, usernameStart, properties } = this.#connect;
    const isV5 = level === PROTOCOL_LEVEL_5;
    const hash = uidHash(uid, uidStart, uidEnd, hashSeed);
    const home = homeOf(hash, exchange.workers);
    connections.state[conn] = STATE.loggingIn;
    connections.home[conn] = home;
    const isPersistent = isV5 ? properties.number(PROPERTY.sessionExpiry, 0) > 0 : !cleanSession;
    const wishes =
      (cleanSession ? LOGIN.clean : 0) |
      (isPersistent ? LOGIN.persistent : 0) |
      (isV5 ? LOGIN.v5 : 0) |
      ((this.#listener?.[conn] ?? 0) << LOGIN.listenerShift);
    const saysMore = isV5 ? properties.blockEnd > properties.blockStart : false;
    const hasName = usernameStart >= 0 && this.#hasNames;
    const travels = saysMore || willTopicStart >= 0 || hasName;
    const packetStart = travels ? start : end;
    const generation = connections.generation[conn]!;
    exchange.login(home, conn, generation, wishes, uid, uidStart, uidEnd, bytes, packetStart, end);
  }

  /** CONNACK with a reason, then the end [MQTT-3.2.2-5]. */
  #refuse(conn: number, code: number, cause: number): number {
    const { connections, stats, answer, departures } = this.#options;
    stats[STAT.loginsRefused]!++;
    const flags = connections.flags[conn]!;
    const isV5 = (flags & CONN_FLAG.v5) !== 0;
    const more = (flags & CONN_FLAG.takesLittle) === 0 ? departures.properties(code) : undefined;
    const end = isV5
      ? encodeConnack5(this.#out, 0, false, code, more)
      : encodeConnack(this.#out, 0, false, code);
    answer(conn, this.#out, end);
    return ends(cause);
  }
}

/** Whether a client id can be part of a topic name, and fits the table of users. */
function isUid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end === start || end - start > UID_BYTES_MAX) return false;
  for (let at = start; at < end; at++) {
    if (bytes[at] === PLUS || bytes[at] === HASH) return false;
  }
  return true;
}

/**
 * What stands for a client id that cannot be part of a topic or is too long: its SHA-256 behind a '#', which
 * no uid has. Such a client has a session but no mailbox.
 */
function digestOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const digest = createHash('sha256').update(bytes.subarray(start, end)).digest('base64url');
  return Buffer.from(`#${digest}`);
}
