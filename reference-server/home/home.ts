// The home of the users that one worker owns: who is logged in where, what each is subscribed to, and
// the mailboxes. Connections live elsewhere (edge); what the home has to say to one goes through the
// exchange, which knows whether its edge is in this thread or in another.
//
// Life of a message: `publish` stores it and answers with PUBACK (first check mark); `pump` sends it
// while the receiver's window has room; `acknowledge` removes and overwrites it and sends a receipt to
// the sender's home (second check mark).
//
// Own mailbox and receipts of a user are bits here; whatever else it does (other topics, wills, QoS 2,
// sessions that expire) is the broker's, which makes an object for it when it is needed.
//
// Sessions [MQTT-3.1.2-4 .. -6]: a persistent one keeps subscriptions and mailbox while its user is away;
// a clean one loses both when it begins and when it ends. A user that was only ever written to is a
// stranger: its mailbox waits for the first login.
//
// No call allocates. Memory: 58 bytes a user with a short uid, 40 bytes a connection, of which 14 are used by few
// (edge/memory.test.ts).

import type { Clock } from '#core/clock/clock.ts';
import { WallReader } from '#core/clock/wall-reader.ts';
import { copyBytes, encodePuback } from '#core/wire/mqtt/encode.ts';
import {
  CONNACK,
  PACKET,
  PROTOCOL_LEVEL_3_1_1,
  PROTOCOL_LEVEL_5,
  REASON,
} from '#core/wire/mqtt/packet.ts';
import type { AccessRules } from '#reference-server/access/access-rules.ts';
import { Broker, type SessionHost } from '#reference-server/broker/broker.ts';
import type { Message } from '#reference-server/broker/message.ts';
import { Peers } from '#reference-server/broker/peers.ts';
import { GENERAL_PACKET_ID_MAX, type Session } from '#reference-server/broker/session.ts';
import {
  PUBLISH_HAS_PROPERTIES,
  PUBLISH_IS_RECEIPT,
} from '#reference-server/edge/client-packets.ts';
import { GroupDesk } from '#reference-server/home/group-desk.ts';
import { writeGauges } from '#reference-server/home/home-gauges.ts';
import { MailDelivery } from '#reference-server/home/mail-delivery.ts';
import { MailPackets } from '#reference-server/home/mail-packets.ts';
import { MemoryPressure } from '#reference-server/home/memory-pressure.ts';
import { Presence } from '#reference-server/home/presence.ts';
import { ReceiptDesk } from '#reference-server/home/receipt-desk.ts';
import { SubscriptionDesk } from '#reference-server/home/subscription-desk.ts';
import { homeOf } from '#reference-server/home/uid-hash.ts';
import { USER, UserState } from '#reference-server/home/user-state.ts';
import { UID_BYTES_MAX, UserTable } from '#reference-server/home/user-table.ts';
import { mailboxLimits, type ServerLimits } from '#reference-server/limits.ts';
import { BODY, type SenderReference } from '#reference-server/mailbox/bodies.ts';
import { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { LOGIN, LOGOUT, OUTPUT } from '#reference-server/worker/frame-type.ts';

const SPACE = 0x20;
/** How often wills and sessions that wait for their time are looked at, and receipts that gather, us. */
const TIMER_PERIOD_US = 100_000;
const RECEIPT_PERIOD_US = 2000;

export interface HomeOptions {
  limits: ServerLimits;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  /** Secret of the uid hash, the same in all workers. */
  hashSeed: number;
  access: AccessRules;
  /** Counters of who is interested in what, shared by all workers; see broker/peers.ts. */
  interest: SharedArrayBuffer;
}

export class Home implements SessionHost {
  readonly users: UserTable;
  readonly mailboxes: Mailboxes;
  readonly broker: Broker;
  readonly presence: Presence;
  readonly groups: GroupDesk;
  readonly delivery: MailDelivery;
  /** Knob inject.cpu: microseconds burnt for each accepted message, to plant a slow-down that the lab must find. */
  injectedUs = 0;
  readonly memory: MemoryPressure;
  readonly #exchange: Exchange;
  readonly #stats: WorkerStats;
  readonly #clock: Clock;
  readonly #strangersMax: number;
  #strangers = 0;
  #online = 0;
  readonly userFlags: Uint16Array<SharedArrayBuffer>;
  readonly #state: UserState;
  readonly #out: Uint8Array;
  readonly #desk: SubscriptionDesk;
  readonly #receipts: ReceiptDesk;
  readonly #nowMs: () => number;
  /** Of topics beside mailboxes only groups and presence are open. */
  readonly #isOwnOnly: boolean;
  readonly #limits: Readonly<ServerLimits>;
  readonly #mail: MailPackets;
  readonly #sender: SenderReference = { worker: 0, row: -1, generation: 0, packetId: 0 };

  constructor(options: HomeOptions) {
    const { limits } = options;
    this.#exchange = options.exchange;
    this.#stats = options.stats;
    this.#clock = options.clock;
    this.#strangersMax = Math.floor(limits.usersMax * limits.strangersRatioMax);
    this.users = new UserTable(limits.usersMax, options.hashSeed);
    const wall = new WallReader(options.clock);
    this.mailboxes = new Mailboxes(mailboxLimits(limits), (into) => wall.read(into));
    this.#state = new UserState(limits.usersMax);
    this.userFlags = this.#state.flags;
    this.#out = new Uint8Array(1 + UID_BYTES_MAX);
    this.#limits = limits;
    this.#isOwnOnly = options.access.topics === 'own';
    this.#nowMs = () => options.clock.monoUs() / 1000;
    this.#mail = new MailPackets(limits.packetBytesMax);
    this.memory = new MemoryPressure(
      limits.memoryBytesMax,
      () => this.mailboxes.memoryBytes + this.broker.queues.bytes,
      options.stats,
    );
    const peers = new Peers(options);
    this.broker = new Broker({
      ...options,
      limits: limits.broker,
      packetBytesMax: limits.packetBytesMax,
      host: this,
      isOwnOnly: options.access.topics === 'own',
      uidOf: (row) => this.users.nameOf(row),
      peers,
    });
    this.presence = new Presence({
      delayMs: limits.presenceDelayMs,
      users: this.users,
      state: this.#state,
      broker: this.broker,
      clock: options.clock,
      exchange: options.exchange,
      isAnyoneWatching: () => peers.isAnyoneWatching,
      isShed: () => this.memory.wasPressed,
      stats: options.stats,
    });
    const { users, mailboxes } = this;
    const shared = { ...options, users, mailboxes, state: this.#state, mail: this.#mail };
    this.delivery = new MailDelivery({
      ...shared,
      packetBytesMax: limits.packetBytesMax,
      sessionOf: (row) => this.#sessionOf(row),
      groupIdOf: (row, bytes, start, end) => this.groups.idOf(row, bytes, start, end),
      send: (row, kind, bytes, end) => this.send(row, kind, bytes, end),
    });
    const { delivery } = this;
    this.#receipts = new ReceiptDesk({
      ...shared,
      ...limits.receipts,
      pump: (row) => delivery.pump(row),
    });
    this.groups = new GroupDesk({
      ...shared,
      delivery,
      receipts: this.#receipts,
      isPressed: () => this.isPressed(),
      directory: peers.groups(options.hashSeed),
    });
    this.#desk = new SubscriptionDesk({
      limits,
      isOwnOnly: options.access.topics === 'own',
      denied: options.access.denied,
      system: options.access.system,
      users: this.users,
      state: this.#state,
      broker: this.broker,
      groups: this.groups,
      stats: options.stats,
      obtain: (row) => this.#obtain(row),
    });
  }

  /**
   * A connection of edge `worker` logs in as the uid in [uidStart, uidEnd) of `uid`; `wishes` are LOGIN
   * flags, [start, end) of `packet` is its CONNECT when that says more.
   */
  login(
    worker: number,
    conn: number,
    connGeneration: number,
    wishes: number,
    uid: Uint8Array,
    uidStart: number,
    uidEnd: number,
    packet: Uint8Array,
    start: number,
    end: number,
  ): void {
    const clean = (wishes & LOGIN.clean) !== 0;
    const isPersistent = (wishes & LOGIN.persistent) !== 0;
    const isV5 = (wishes & LOGIN.v5) !== 0;
    const hash = this.users.hashOf(uid, uidStart, uidEnd);
    let row = this.users.find(uid, uidStart, uidEnd, hash);
    if (row < 0) row = this.#addUser(uid, uidStart, uidEnd, hash, 0);
    if (row < 0) {
      this.#refuseLogin(worker, conn, connGeneration);
      return;
    }
    this.broker.returned(row, clean);
    if ((this.#state.flags[row]! & USER.online) !== 0) this.#takeOver(row);
    const isPresent = !clean && (this.#state.flags[row]! & USER.persistent) !== 0;
    if ((this.#state.flags[row]! & USER.stranger) !== 0) this.#strangers--;
    if (clean || this.broker.lingers(row)) this.#discard(row);
    const kept = isPresent ? this.#state.flags[row]! : 0;
    const generation = this.users.generation(row);
    const level = isV5 ? PROTOCOL_LEVEL_5 : PROTOCOL_LEVEL_3_1_1;
    const { broker } = this;
    const listener = wishes >>> LOGIN.listenerShift;
    if (!broker.connected(row, generation, level, isPersistent, listener, packet, start, end)) {
      this.#state.flags[row] = kept & ~USER.stranger;
      this.#refuseLogin(worker, conn, connGeneration);
      if (!isPresent) this.#endUser(row);
      return;
    }
    const hasSession = broker.session(row) !== undefined;
    this.#state.flags[row] =
      (kept & ~(USER.stranger | USER.v5 | USER.general | USER.persistent)) |
      USER.online |
      (isPersistent ? USER.persistent : 0) |
      (isV5 ? USER.v5 : 0) |
      (hasSession ? USER.general : 0);
    this.#state.worker[row] = worker;
    this.#state.conn[row] = conn;
    this.#state.connGeneration[row] = connGeneration;
    this.#online++;
    this.#stats[STAT.logins]!++;
    const { accepted } = CONNACK;
    const { users } = this;
    this.#exchange.loginAnswer(worker, conn, connGeneration, row, generation, accepted, isPresent);
    if (hasSession && users.isCurrent(row, generation)) broker.resume(row);
    if (users.isCurrent(row, generation)) this.presence.cameOnline(row);
    this.delivery.pump(row);
  }

  /** The connection that the user was logged in with is gone. Another one may have taken over already. */
  logout(
    row: number,
    generation: number,
    worker: number,
    conn: number,
    connGeneration: number,
    how: number,
    expiryS: number,
  ): void {
    if (!this.users.isCurrent(row, generation) || (this.#state.flags[row]! & USER.online) === 0)
      return;
    if (!this.#state.isAt(row, worker, conn, connGeneration)) return;
    if (expiryS > 0) this.#obtain(row);
    const stays = this.#leave(row, (how & LOGOUT.dropWill) !== 0, expiryS, true);
    if (stays || this.broker.lingers(row)) return;
    this.#endUser(row);
  }

  /** A sound packet of the user that is neither for a mailbox nor answered by the edge. */
  packet(row: number, generation: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.users.isCurrent(row, generation)) return;
    const type = bytes[start]! >>> 4;
    if (type === PACKET.subscribe || type === PACKET.unsubscribe) {
      this.#subscription(row, bytes, start, end);
      return;
    }
    if (type === PACKET.publish && this.#isOwnOnly) {
      this.groups.publish(row, bytes, start, end);
      return;
    }
    const session = this.#obtain(row);
    if (session === undefined) this.expel(row, CLOSE_CAUSE.usersFull);
    else this.broker.packet(session, bytes, start, end);
  }

  /**
   * A message for the uid in [uidStart, uidEnd) of `bytes`, from connection `conn` of edge `worker`.
   * QoS 1 is stored and acknowledged, or refused and its PUBACK withheld; QoS 0 goes to who is there. The
   * body begins with properties when `qos` says so (PUBLISH_HAS_PROPERTIES).
   */
  publish(
    worker: number,
    conn: number,
    connGeneration: number,
    sender: Readonly<SenderReference>,
    qos: number,
    hash: number,
    bytes: Uint8Array,
    uidStart: number,
    uidEnd: number,
    bodyStart: number,
    bodyEnd: number,
  ): void {
    let row = this.users.find(bytes, uidStart, uidEnd, hash);
    const hasProperties = (qos & PUBLISH_HAS_PROPERTIES) !== 0;
    const kind = (qos & PUBLISH_IS_RECEIPT) === 0 ? BODY.mail : BODY.receipt;
    if ((qos & 3) === 0) {
      this.delivery.sendUnstored(row, kind, bytes, 0, 0, bodyStart, bodyEnd, hasProperties);
      return;
    }
    const { mailboxes } = this;
    if (kind === BODY.receipt && !this.#storesReceipts(row)) {
      // Its user is not subscribed, or takes what comes while it is there.
      this.delivery.sendUnstored(row, kind, bytes, 0, 0, bodyStart, bodyEnd, hasProperties);
      this.#acknowledge(worker, conn, connGeneration, sender.packetId);
      return;
    }
    if (row < 0 && this.#strangers < this.#strangersMax) {
      row = this.#addUser(bytes, uidStart, uidEnd, hash, USER.stranger);
      if (row >= 0) this.#strangers++;
    }
    const expiresS = hasProperties
      ? this.#mail.expiresS(bytes, bodyStart, bodyEnd, this.#nowMs())
      : 0;
    const isStored =
      row >= 0 &&
      !this.isPressed() &&
      mailboxes.put(row, bytes, bodyStart, bodyEnd, sender, hasProperties, expiresS, kind) >= 0;
    if (!isStored) {
      this.#stats[STAT.withheld]!++;
      if (conn >= 0) this.#exchange.withhold(worker, conn, connGeneration, sender.packetId);
      return;
    }
    this.#stats[STAT.enqueued]!++;
    if (conn >= 0) this.#acknowledge(worker, conn, connGeneration, sender.packetId);
    this.delivery.pump(row);
  }

  #storesReceipts(row: number): boolean {
    const wanted = USER.receipts | USER.receiptsQos1;
    return row >= 0 && (this.#state.flags[row]! & wanted) === wanted;
  }

  #acknowledge(worker: number, conn: number, connGeneration: number, packetId: number): void {
    const length = encodePuback(this.#out, 0, packetId);
    this.#exchange.output(worker, conn, connGeneration, OUTPUT.answer, this.#out, 0, length);
  }

  /** The receiver accepted the delivery with this packet id. */
  acknowledge(row: number, generation: number, packetId: number, reason: number): void {
    if (packetId <= GENERAL_PACKET_ID_MAX) {
      this.#acknowledgeGeneral(row, generation, packetId, reason);
      return;
    }
    if (!this.users.isCurrent(row, generation) || !this.mailboxes.accept(row, packetId)) {
      this.#stats[STAT.acksUnknown]!++;
      return;
    }
    // A receiver that refuses a message has it off its list all the same (5: 4.3.2).
    if (reason >= REASON.unspecified) this.#stats[STAT.rejected]!++;
    this.#accepted(row);
    this.delivery.pump(row);
    const session = this.#sessionOf(row);
    if (session !== undefined) this.broker.queues.pump(session, this.#nowMs());
  }

  /** The `count` oldest deliveries without packet id have been written. */
  written(row: number, generation: number, count: number): void {
    if (!this.users.isCurrent(row, generation)) return;
    for (let i = 0; i < count && this.mailboxes.acceptWritten(row); i++) this.#accepted(row);
    this.delivery.pump(row);
  }

  /** A message of this user was accepted; [start, end) says by whom and which. */
  receipt(row: number, generation: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.users.isCurrent(row, generation)) {
      this.#receipts.arrived(row, generation, bytes, start, end);
    }
  }

  /** At the end of a turn: what waits for its time, gauges. Returns us until the next look, 0 = none. */
  endTurn(): number {
    const hasTimers = this.broker.tick();
    const isReaping = this.mailboxes.endTurn();
    const receipts = this.#receipts;
    const { presence } = this;
    if (presence.isWaiting) presence.tick();
    if (receipts.isWaiting) receipts.flush();
    this.publishGauges();
    if (isReaping) return 1;
    if (receipts.isWaiting) return RECEIPT_PERIOD_US;
    return hasTimers || presence.isWaiting ? TIMER_PERIOD_US : 0;
  }

  /** The server ends and nobody is connected any more: what waits for its time and would not outlive it is said. */
  settle(): void {
    this.#receipts.batches.flush(Number.POSITIVE_INFINITY);
    this.broker.sayLastWills();
    this.endTurn();
  }

  /** Knob receipt.coalesce. */
  set receiptCoalesceMs(ms: number) {
    this.#receipts.batches.coalesceMs = ms;
  }

  publishGauges(): void {
    this.#stats[STAT.sessions] = this.#online;
    writeGauges(this, this.#stats, this.#receipts.batches.dropped);
  }

  // What the broker asks of its home.

  isPressed(): boolean {
    return this.memory.refuses();
  }

  isOnline(row: number): boolean {
    return (this.#state.flags[row]! & USER.online) !== 0;
  }

  send(row: number, kind: number, bytes: Uint8Array, end: number): void {
    const conn = this.#state.conn[row]!;
    this.#exchange.output(
      this.#state.worker[row]!,
      conn,
      this.#state.connGeneration[row]!,
      kind,
      bytes,
      0,
      end,
    );
  }

  expel(row: number, cause: number): void {
    this.#exchange.kick(
      this.#state.worker[row]!,
      this.#state.conn[row]!,
      this.#state.connGeneration[row]!,
      cause,
    );
  }

  mailboxWindow(row: number): number {
    return this.mailboxes.window(row);
  }

  forget(row: number, generation: number): void {
    if (!this.users.isCurrent(row, generation) || this.isOnline(row)) return;
    this.#endUser(row);
  }

  sendToMailbox(row: number, message: Message): void {
    const { users } = this;
    const { bytes, uidEnd, bodyEnd, hasProperties } = this.#mail.pack(message, this.#nowMs());
    if (uidEnd === 0 || uidEnd > UID_BYTES_MAX) return;
    const hash = users.hashOf(bytes, 0, uidEnd);
    const sender = this.#sender;
    sender.worker = this.#exchange.self;
    sender.generation = users.generation(row);
    const qos = Math.min(1, message.qos) | (hasProperties ? PUBLISH_HAS_PROPERTIES : 0);
    const home = homeOf(hash, this.#exchange.workers);
    this.#exchange.publish(home, -1, 0, sender, qos, hash, bytes, 0, uidEnd, uidEnd, bodyEnd);
  }

  knows(uid: Uint8Array): boolean {
    return this.users.find(uid, 0, uid.length, this.users.hashOf(uid, 0, uid.length)) >= 0;
  }

  /** Makes a user of a snapshot known, who is away; returns its row, -1 = no room. */
  restoreUser(uid: Uint8Array, flags: number, mailboxPacketId: number): number {
    const hash = this.users.hashOf(uid, 0, uid.length);
    const row = this.#addUser(uid, 0, uid.length, hash, flags);
    if (row < 0) return row;
    this.mailboxes.lastPacketId[row] = mailboxPacketId;
    if ((flags & USER.stranger) !== 0) this.#strangers++;
    return row;
  }

  #addUser(bytes: Uint8Array, start: number, end: number, hash: number, flags: number): number {
    const row = this.users.add(bytes, start, end, hash);
    if (row < 0) return row;
    this.mailboxes.open(row);
    this.#state.flags[row] = flags;
    return row;
  }

  #refuseLogin(worker: number, conn: number, connGeneration: number): void {
    this.#stats[STAT.loginsRefused]!++;
    this.#exchange.loginAnswer(worker, conn, connGeneration, -1, 0, CONNACK.unavailable, false);
  }

  /** The same user logs in again: the older connection ends [MQTT-3.1.4-3]. */
  #takeOver(row: number): void {
    this.expel(row, CLOSE_CAUSE.takenOver);
    if (!this.#leave(row, false, -1, false)) this.#discard(row);
  }

  /** The user is away now; true when the session stays. `isLost`: its connection ended by itself. */
  #leave(row: number, dropsWill: boolean, expiryS: number, isLost: boolean): boolean {
    this.#state.flags[row]! &= ~USER.online;
    this.#online--;
    if (this.mailboxes.rewind(row, isLost)) this.#parked(row);
    this.broker.disconnected(row, dropsWill, expiryS);
    this.presence.wentOffline(row);
    const isKept = expiryS !== 0 && (this.#state.flags[row]! & USER.persistent) !== 0;
    const stays = this.broker.outlives(row) ?? isKept;
    this.#state.flags[row]! = stays
      ? this.#state.flags[row]! | USER.persistent
      : this.#state.flags[row]! & ~USER.persistent;
    return stays;
  }

  #endUser(row: number): void {
    this.#discard(row);
    this.users.remove(row);
  }

  #discard(row: number): void {
    const count = this.mailboxes.clear(row);
    this.#stats[STAT.discarded]! += count;
    this.#stats[STAT.dequeued]! += count;
    this.broker.discard(row);
    this.groups.leaveAll(row);
    this.#state.flags[row]! &= ~USER.general;
  }

  #sessionOf(row: number): Session | undefined {
    return (this.#state.flags[row]! & USER.general) === 0 ? undefined : this.broker.session(row);
  }

  /** The user's session of the broker, made when there is none; undefined when there are too many. */
  #obtain(row: number): Session | undefined {
    const flags = this.#state.flags[row]!;
    const level = (flags & USER.v5) === 0 ? PROTOCOL_LEVEL_3_1_1 : PROTOCOL_LEVEL_5;
    const generation = this.users.generation(row);
    const session = this.broker.obtain(row, generation, level, (flags & USER.persistent) !== 0);
    if (session !== undefined) this.#state.flags[row]! |= USER.general;
    return session;
  }

  #acknowledgeGeneral(row: number, generation: number, packetId: number, reason: number): void {
    const session = this.users.isCurrent(row, generation) ? this.#sessionOf(row) : undefined;
    if (session === undefined) {
      this.#stats[STAT.acksUnknown]!++;
      return;
    }
    this.broker.acknowledge(session, PACKET.puback, packetId, reason);
    this.delivery.pump(row);
  }

  /** A SUBSCRIBE or UNSUBSCRIBE of the user, already found sound. */
  #subscription(row: number, bytes: Uint8Array, start: number, end: number): void {
    const desk = this.#desk;
    const length = desk.handle(row, bytes, start, end);
    if (length === 0) {
      this.expel(row, CLOSE_CAUSE.topicLevels);
      return;
    }
    this.send(row, OUTPUT.answer, desk.bytes, length);
    const session = this.#sessionOf(row);
    if (session !== undefined) {
      for (const filter of desk.wantsRetained) this.broker.sendRetained(session, filter);
    }
    for (const filter of desk.wantsPresence) this.presence.ask(filter);
    this.delivery.pump(row);
  }

  /** Counts the message that the mailbox has just removed, and tells its sender's home. */
  #accepted(row: number): void {
    const { mailboxes } = this;
    const { accepted, acceptedKind } = mailboxes;
    this.#stats[STAT.dequeued]!++;
    if (acceptedKind === BODY.receipt) {
      this.#stats[STAT.receipts]!++;
      return;
    }
    this.#stats[STAT.delivered]!++;
    if (this.injectedUs > 0) this.#burn();
    if (accepted.row < 0) return;
    if (acceptedKind === BODY.group) {
      this.#exchange.groups.accepted(accepted.worker, accepted.row, accepted.generation);
    } else if (this.#limits.receipts.mode === 'server') this.#receipts.accepted(row);
  }

  /** The mailbox has just put a message aside: its sender is told. */
  #parked(row: number): void {
    const { accepted, acceptedKind } = this.mailboxes;
    this.#stats[STAT.dequeued]!++;
    if (accepted.row < 0) return;
    if (acceptedKind === BODY.mail) {
      if (this.#limits.receipts.mode === 'server') this.#receipts.accepted(row, true);
      return;
    }
    const name = this.#out;
    const { uidBytes } = this.users;
    name[0] = SPACE;
    const end = copyBytes(name, 1, uidBytes, this.users.uidStart(row), this.users.uidEnd(row));
    const { worker, row: entry, generation } = accepted;
    this.#exchange.groups.parked(worker, entry, generation, name, 0, end);
  }

  #burn(): void {
    const untilUs = this.#clock.monoUs() + this.injectedUs;
    while (this.#clock.monoUs() < untilUs);
  }
}
