// The home of the users that one worker owns: who is logged in where, what each is subscribed to, and
// the mailboxes. Connections live elsewhere (edge); what the home has to say to one goes through the
// exchange, which knows whether its edge is in this thread or in another.
//
// Life of a message: `publish` stores it and answers with PUBACK (first check mark); `pump` sends it
// while the receiver's window has room; `acknowledge` removes and overwrites it and sends a receipt to
// the sender's home (second check mark).
//
// Sessions [MQTT-3.1.2-4 .. -6]: a persistent one keeps subscriptions and mailbox while its user is away;
// a clean one loses both when it begins and when it ends. A user that was only ever written to is a
// stranger: its mailbox waits for the first login.
//
// No call allocates. Memory: 75 bytes a user with a short uid, 36 bytes a connection (edge/memory.test.ts).

import type { Clock } from '#core/clock/clock.ts';
import { decodeSubscribe, nextFilter, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import {
  encodePuback,
  encodePublish,
  encodeSuback,
  encodeUnsuback,
} from '#core/wire/mqtt/encode.ts';
import { CONNACK, PACKET, SUBACK_FAILURE } from '#core/wire/mqtt/packet.ts';
import { UID_BYTES_MAX, UserTable } from '#reference-server/home/user-table.ts';
import { mailboxLimits, type ServerLimits } from '#reference-server/limits.ts';
import { Mailboxes, type SenderReference } from '#reference-server/mailbox/mailboxes.ts';
import { STAT, type WorkerStats } from '#reference-server/stats/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

/** Bits of a user's flags. */
const ONLINE = 1;
const PERSISTENT = 2;
/** Subscribed to m/<own uid>. */
const INBOX = 4;
/** That subscription's QoS is 1. */
const INBOX_QOS1 = 8;
/** Subscribed to r/<own uid>. */
const RECEIPTS = 16;
/** Written to, never logged in. */
const STRANGER = 32;

const INBOX_PREFIX = 0x6d;
const RECEIPT_PREFIX = 0x72;
const SLASH = 0x2f;
const SPACE = 0x20;
/** 'm/' or 'r/' before the uid. */
const PREFIX_BYTES = 2;
const PUBLISH_OVERHEAD_MAX = 5 + 2 + PREFIX_BYTES + UID_BYTES_MAX + 2;

export interface HomeOptions {
  limits: ServerLimits;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  /** Secret of the uid hash, the same in all workers. */
  hashSeed: number;
}

export class Home {
  readonly users: UserTable;
  readonly mailboxes: Mailboxes;
  /** Knob inject.cpu_us: microseconds burnt for each accepted message, to plant a slow-down that the lab must find. */
  injectedUs = 0;
  readonly #exchange: Exchange;
  readonly #stats: WorkerStats;
  readonly #clock: Clock;
  readonly #strangersMax: number;
  #strangers = 0;
  #online = 0;

  readonly #flags: Uint8Array;
  readonly #worker: Uint8Array;
  readonly #conn: Int32Array;
  readonly #connGeneration: Uint32Array;

  readonly #out: Uint8Array;
  readonly #inboxTopic = new Uint8Array(PREFIX_BYTES + UID_BYTES_MAX);
  readonly #receiptTopic = new Uint8Array(PREFIX_BYTES + UID_BYTES_MAX);
  readonly #receipt = new Uint8Array(UID_BYTES_MAX + 8);
  readonly #codes: Uint8Array;
  readonly #fields = new SubscribeFields();
  /** Row that `pump` works on: what it causes in this thread must not start it again. */
  #pumping = -1;

  constructor(options: HomeOptions) {
    const { limits } = options;
    this.#exchange = options.exchange;
    this.#stats = options.stats;
    this.#clock = options.clock;
    this.#strangersMax = Math.floor(limits.usersMax * limits.strangersRatioMax);
    this.users = new UserTable(limits.usersMax, options.hashSeed);
    this.mailboxes = new Mailboxes(mailboxLimits(limits));
    this.#flags = new Uint8Array(limits.usersMax);
    this.#worker = new Uint8Array(limits.usersMax);
    this.#conn = new Int32Array(limits.usersMax);
    this.#connGeneration = new Uint32Array(limits.usersMax);
    this.#out = new Uint8Array(limits.packetBytesMax + PUBLISH_OVERHEAD_MAX);
    // The shortest filter with its QoS takes four bytes of a SUBSCRIBE.
    this.#codes = new Uint8Array(limits.packetBytesMax >>> 2);
  }

  /** A connection of edge `worker` logs in as the uid in [start, end) of `bytes`. */
  login(
    worker: number,
    conn: number,
    connGeneration: number,
    clean: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const hash = this.users.hashOf(bytes, start, end);
    let row = this.users.find(bytes, start, end, hash);
    if (row < 0) {
      row = this.#addUser(bytes, start, end, hash, 0);
      if (row < 0) {
        this.#stats[STAT.loginsRefused]!++;
        this.#exchange.loginAnswer(worker, conn, connGeneration, -1, 0, CONNACK.unavailable, false);
        return;
      }
    }
    if ((this.#flags[row]! & ONLINE) !== 0) {
      this.#exchange.kick(this.#worker[row]!, this.#conn[row]!, this.#connGeneration[row]!);
      this.#goOffline(row);
      if ((this.#flags[row]! & PERSISTENT) === 0) this.#discard(row);
    }
    const isPresent = !clean && (this.#flags[row]! & PERSISTENT) !== 0;
    if ((this.#flags[row]! & STRANGER) !== 0) this.#strangers--;
    if (clean) this.#discard(row);
    const kept = isPresent ? this.#flags[row]! : 0;
    this.#flags[row] = (kept & ~STRANGER) | ONLINE | (clean ? 0 : PERSISTENT);
    this.#worker[row] = worker;
    this.#conn[row] = conn;
    this.#connGeneration[row] = connGeneration;
    this.#online++;
    this.#stats[STAT.logins]!++;
    const generation = this.users.generation(row);
    this.#exchange.loginAnswer(
      worker,
      conn,
      connGeneration,
      row,
      generation,
      CONNACK.accepted,
      isPresent,
    );
    this.#pump(row);
  }

  /** The connection that the user was logged in with is gone. Another one may have taken over already. */
  logout(
    row: number,
    generation: number,
    worker: number,
    conn: number,
    connGeneration: number,
  ): void {
    if (!this.users.isCurrent(row, generation) || (this.#flags[row]! & ONLINE) === 0) return;
    const isSame =
      this.#worker[row] === worker &&
      this.#conn[row] === conn &&
      this.#connGeneration[row] === connGeneration;
    if (!isSame) return;
    this.#goOffline(row);
    if ((this.#flags[row]! & PERSISTENT) !== 0) return;
    this.#discard(row);
    this.users.remove(row);
  }

  /** A SUBSCRIBE or UNSUBSCRIBE of the user, already found sound. */
  subscription(
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (!this.users.isCurrent(row, generation)) return;
    const fields = this.#fields;
    decodeSubscribe(bytes, start, end, fields);
    const isSubscribe = bytes[start]! >>> 4 === PACKET.subscribe;
    let count = 0;
    while (nextFilter(bytes, end, fields)) {
      const kind = this.#filterKind(row, bytes, fields.filterStart, fields.filterEnd);
      if (isSubscribe) this.#codes[count] = this.#subscribe(row, kind, fields.qos);
      else this.#flags[row]! &= ~kind;
      count++;
    }
    const length = isSubscribe
      ? encodeSuback(this.#out, 0, fields.packetId, this.#codes, count)
      : encodeUnsuback(this.#out, 0, fields.packetId);
    this.#output(row, OUTPUT.answer, length);
    this.#pump(row);
  }

  /**
   * A message for the uid in [uidStart, uidEnd) of `bytes`, from connection `conn` of edge `worker`.
   * QoS 1 is stored and acknowledged, or refused and its PUBACK withheld; QoS 0 goes to who is there.
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
    payloadStart: number,
    payloadEnd: number,
  ): void {
    let row = this.users.find(bytes, uidStart, uidEnd, hash);
    if (qos === 0) {
      this.#publishUnstored(row, bytes, payloadStart, payloadEnd);
      return;
    }
    if (row < 0 && this.#strangers < this.#strangersMax) {
      row = this.#addUser(bytes, uidStart, uidEnd, hash, STRANGER);
      if (row >= 0) this.#strangers++;
    }
    if (row < 0 || this.mailboxes.put(row, bytes, payloadStart, payloadEnd, sender) < 0) {
      this.#stats[STAT.withheld]!++;
      this.#exchange.withhold(worker, conn, connGeneration);
      return;
    }
    this.#stats[STAT.enqueued]!++;
    const length = encodePuback(this.#out, 0, sender.packetId);
    this.#exchange.output(worker, conn, connGeneration, OUTPUT.answer, this.#out, 0, length);
    this.#pump(row);
  }

  /** The receiver accepted the delivery with this packet id. */
  acknowledge(row: number, generation: number, packetId: number): void {
    if (!this.users.isCurrent(row, generation) || !this.mailboxes.accept(row, packetId)) {
      this.#stats[STAT.acksUnknown]!++;
      return;
    }
    this.#accepted(row);
    this.#pump(row);
  }

  /** The `count` oldest deliveries without packet id have been written. */
  written(row: number, generation: number, count: number): void {
    if (!this.users.isCurrent(row, generation)) return;
    for (let i = 0; i < count && this.mailboxes.acceptWritten(row); i++) this.#accepted(row);
    this.#pump(row);
  }

  /** A message of this user was accepted; [start, end) says by whom and which. */
  receipt(row: number, generation: number, bytes: Uint8Array, start: number, end: number): void {
    const wanted = ONLINE | RECEIPTS;
    if (!this.users.isCurrent(row, generation) || (this.#flags[row]! & wanted) !== wanted) return;
    const topicLength = this.#writeTopic(this.#receiptTopic, RECEIPT_PREFIX, row);
    const length = encodePublish(
      this.#out,
      0,
      this.#receiptTopic,
      topicLength,
      0,
      0,
      false,
      false,
      bytes,
      start,
      end,
    );
    this.#output(row, OUTPUT.receipt, length);
  }

  /** Writes the gauges for other threads; once a turn. */
  publishGauges(): void {
    const stats = this.#stats;
    stats[STAT.sessions] = this.#online;
    stats[STAT.queued] = this.mailboxes.messages;
    stats[STAT.queuedBytes] = this.mailboxes.arena.usedBytes;
    stats[STAT.rowsTouched] = this.users.rowsTouched;
  }

  #addUser(bytes: Uint8Array, start: number, end: number, hash: number, flags: number): number {
    const row = this.users.add(bytes, start, end, hash);
    if (row < 0) return row;
    this.mailboxes.open(row);
    this.#flags[row] = flags;
    return row;
  }

  #goOffline(row: number): void {
    this.#flags[row]! &= ~ONLINE;
    this.#online--;
    this.mailboxes.rewind(row);
  }

  #discard(row: number): void {
    const count = this.mailboxes.clear(row);
    this.#stats[STAT.discarded]! += count;
    this.#stats[STAT.dequeued]! += count;
  }

  /** INBOX, RECEIPTS or 0 for a filter that is not this user's own. */
  #filterKind(row: number, bytes: Uint8Array, start: number, end: number): number {
    if (end - start <= PREFIX_BYTES || bytes[start + 1] !== SLASH) return 0;
    if (!this.users.isUid(row, bytes, start + PREFIX_BYTES, end)) return 0;
    if (bytes[start] === INBOX_PREFIX) return INBOX;
    return bytes[start] === RECEIPT_PREFIX ? RECEIPTS : 0;
  }

  /** Returns the code for SUBACK. */
  #subscribe(row: number, kind: number, qos: number): number {
    if (kind === 0) {
      this.#stats[STAT.subscriptionsRefused]!++;
      return SUBACK_FAILURE;
    }
    this.#flags[row]! |= kind;
    if (kind === RECEIPTS) return 0;
    if (qos === 0) this.#flags[row]! &= ~INBOX_QOS1;
    else this.#flags[row]! |= INBOX_QOS1;
    return qos === 0 ? 0 : 1;
  }

  #publishUnstored(row: number, bytes: Uint8Array, start: number, end: number): void {
    const wanted = ONLINE | INBOX;
    if (row < 0 || (this.#flags[row]! & wanted) !== wanted) {
      this.#stats[STAT.dropped]!++;
      return;
    }
    const topicLength = this.#writeTopic(this.#inboxTopic, INBOX_PREFIX, row);
    const length = encodePublish(
      this.#out,
      0,
      this.#inboxTopic,
      topicLength,
      0,
      0,
      false,
      false,
      bytes,
      start,
      end,
    );
    this.#output(row, OUTPUT.message, length);
  }

  /** Sends what the window allows. */
  #pump(row: number): void {
    const wanted = ONLINE | INBOX;
    if ((this.#flags[row]! & wanted) !== wanted || this.#pumping === row) return;
    this.#pumping = row;
    const { mailboxes } = this;
    const qos = (this.#flags[row]! & INBOX_QOS1) === 0 ? 0 : 1;
    const kind = qos === 0 ? OUTPUT.deliveryWithoutId : OUTPUT.delivery;
    const topicLength = this.#writeTopic(this.#inboxTopic, INBOX_PREFIX, row);
    // A send may find its connection dead and log the user out: then there is nobody to send to.
    while ((this.#flags[row]! & wanted) === wanted) {
      const node = mailboxes.take(row, qos === 0);
      if (node < 0) break;
      const isDup = mailboxes.isDup(node);
      if (isDup) this.#stats[STAT.redelivered]!++;
      const length = encodePublish(
        this.#out,
        0,
        this.#inboxTopic,
        topicLength,
        qos,
        mailboxes.packetId(node),
        isDup,
        false,
        mailboxes.arena.bytes,
        mailboxes.payloadStart(node),
        mailboxes.payloadEnd(node),
      );
      this.#output(row, kind, length);
    }
    this.#pumping = -1;
  }

  /** Counts the message that the mailbox has just removed, and tells its sender's home. */
  #accepted(row: number): void {
    this.#stats[STAT.delivered]!++;
    this.#stats[STAT.dequeued]!++;
    if (this.injectedUs > 0) this.#burn();
    const sender = this.mailboxes.accepted;
    if (sender.row < 0) return;
    const { users } = this;
    let at = 0;
    for (let from = users.uidStart(row), end = users.uidEnd(row); from < end; from++) {
      this.#receipt[at++] = users.uidBytes[from]!;
    }
    this.#receipt[at++] = SPACE;
    at = writeDecimal(this.#receipt, at, sender.packetId);
    this.#exchange.receipt(sender.worker, sender.row, sender.generation, this.#receipt, 0, at);
  }

  #output(row: number, kind: number, length: number): void {
    this.#exchange.output(
      this.#worker[row]!,
      this.#conn[row]!,
      this.#connGeneration[row]!,
      kind,
      this.#out,
      0,
      length,
    );
  }

  /** Writes '<prefix>/<uid>'; returns its length. */
  #writeTopic(topic: Uint8Array, prefix: number, row: number): number {
    const { users } = this;
    const start = users.uidStart(row);
    const length = users.uidEnd(row) - start;
    topic[0] = prefix;
    topic[1] = SLASH;
    for (let i = 0; i < length; i++) topic[PREFIX_BYTES + i] = users.uidBytes[start + i]!;
    return PREFIX_BYTES + length;
  }

  #burn(): void {
    const untilUs = this.#clock.monoUs() + this.injectedUs;
    while (this.#clock.monoUs() < untilUs);
  }
}

/** Writes a whole number below 100,000 in decimal digits; returns the new end. */
function writeDecimal(out: Uint8Array, at: number, value: number): number {
  let divisor = 1;
  while (divisor * 10 <= value) divisor *= 10;
  for (; divisor >= 1; divisor = Math.floor(divisor / 10)) {
    out[at++] = 0x30 + (Math.floor(value / divisor) % 10);
  }
  return at;
}
