// Groups, g/<gid>: who is a member, what members write, and what its sender hears of it. A message is stored once
// in each worker that has members, and every member's mailbox has a copy of it that refers to that body.
//
//   PUBLISH -> home of the sender -> each home with members: body, copies -> 'stored n, refused these'
//           <- PUBACK, when all have said so
//   PUBACK of a member -> its home -> 'accepted' -> home of the sender: k of n
//
// A receipt to r/<sender>, as receipt-desk.ts has them, at the first, the half and the last acceptance; and one
// with the members whose mailbox had no room, which does not fail the message unless it is all of them:
//
//   g/<gid> <packet id> <k>/<n>
//   g/<gid> <packet id> refused <uid> <uid> ... [+<more>]
//
// A member with a QoS 0 subscription, and a message with QoS 0, is sent what it is there for and counts for
// nothing. A sender has its own copy too, unless it asked for none (No Local), which does not count either.
// A message that is not a member's is refused. Nothing is allocated.

import type { Clock } from '#core/clock/clock.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { copyBytes, encodePuback } from '#core/wire/mqtt/encode.ts';
import { encodeAcknowledge5 } from '#core/wire/mqtt/encode-5.ts';
import { PACKET, PROTOCOL_LEVEL_3_1_1, PROTOCOL_LEVEL_5, REASON } from '#core/wire/mqtt/packet.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import type { GroupDirectory } from '#reference-server/home/group-directory.ts';
import { GroupLedger } from '#reference-server/home/group-ledger.ts';
import { GroupTable, MEMBER } from '#reference-server/home/group-table.ts';
import type { MailDelivery } from '#reference-server/home/mail-delivery.ts';
import type { MailPackets } from '#reference-server/home/mail-packets.ts';
import { CORRELATION_BYTES_MAX } from '#reference-server/home/receipt-batches.ts';
import type { ReceiptDesk } from '#reference-server/home/receipt-desk.ts';
import { writeDecimal } from '#reference-server/home/receipt-text.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import { UID_BYTES_MAX, type UserTable } from '#reference-server/home/user-table.ts';
import type { ServerLimits } from '#reference-server/limits.ts';
import { BODY, type SenderReference } from '#reference-server/mailbox/bodies.ts';
import type { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';
import { GROUP_MESSAGE } from '#reference-server/worker/group-exchange.ts';

const SPACE = 0x20;
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const RECEIPT_PREFIX = 0x72;
/** 'g/' before the gid. */
const PREFIX_BYTES = 2;
const GID_BYTES_MAX = UID_BYTES_MAX;
/** Members named in a receipt that did not get the message, bytes. */
const REFUSED_BYTES_MAX = 1024;
const LINE_BYTES_MAX = PREFIX_BYTES + GID_BYTES_MAX + 32 + REFUSED_BYTES_MAX;
const REFUSED = Buffer.from('refused');
const PARKED = Buffer.from('parked');

/** How a message's receipts are asked for. */
const ASKED = { plainly: 0, byResponseTopic: 1, notAtAll: 2 } as const;

export interface GroupDeskOptions {
  limits: ServerLimits;
  hashSeed: number;
  directory: GroupDirectory;
  users: UserTable;
  state: UserState;
  mailboxes: Mailboxes;
  delivery: MailDelivery;
  receipts: ReceiptDesk;
  mail: MailPackets;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  /** Whether new messages are refused for want of memory. */
  isPressed: () => boolean;
}

export class GroupDesk {
  readonly table: GroupTable;
  readonly ledger: GroupLedger;
  readonly #options: GroupDeskOptions;
  readonly #fields = new PublishFields();
  readonly #sender: SenderReference = { worker: 0, row: -1, generation: 0, packetId: 0 };
  readonly #line = new Uint8Array(LINE_BYTES_MAX + CORRELATION_BYTES_MAX);
  readonly #answer = new Uint8Array(8);
  /** Who has a copy of the message that is being given out: sent to when all have it. */
  readonly #rows: Int32Array;
  readonly #generations: Uint32Array;
  #rowCount = 0;
  /** Of that message: copies stored, copies refused, and ' <uid>' of these. */
  #stored = 0;
  #refused = 0;
  #refusedBytes = 0;
  readonly #refusedText = new Uint8Array(REFUSED_BYTES_MAX);

  constructor(options: GroupDeskOptions) {
    const { limits, users, hashSeed } = options;
    const { groupsMax, membershipsMax, groupMessagesMax } = limits;
    this.#options = options;
    this.table = new GroupTable(users.capacity, groupsMax, membershipsMax, hashSeed);
    this.ledger = new GroupLedger(groupMessagesMax);
    this.#rows = new Int32Array(Math.min(membershipsMax, 0xffff));
    this.#generations = new Uint32Array(this.#rows.length);
  }

  /** Makes the user a member of the group in a filter g/<gid>; returns the code for SUBACK. */
  subscribe(
    row: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    qos: number,
    noLocal: boolean,
    id: number,
  ): number {
    const { directory, limits } = this.#options;
    const { table } = this;
    const gid = start + PREFIX_BYTES;
    if (!isGid(bytes, gid, end)) return REASON.notAuthorized;
    const hash = table.groups.hashOf(bytes, gid, end);
    const group = table.find(bytes, gid, end, hash);
    let member = group < 0 ? -1 : table.membership(row, group);
    if (member < 0) {
      const fingerprint = directory.fingerprintOf(bytes, gid, end);
      if (this.#groupsOf(row) >= limits.broker.sessionSubscriptionsMax) return REASON.quotaExceeded;
      if (!directory.join(hash, fingerprint, limits.broker.groupMembersMax)) {
        return REASON.quotaExceeded;
      }
      member = table.join(row, bytes, gid, end, hash);
      if (member < 0) {
        directory.leave(hash, fingerprint, group < 0);
        return REASON.quotaExceeded;
      }
    }
    table.flags[member] = (qos > 0 ? MEMBER.qos1 : 0) | (noLocal ? MEMBER.noLocal : 0);
    table.id[member] = id;
    return Math.min(1, qos);
  }

  /** Ends a membership; false when there was none. */
  unsubscribe(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const gid = start + PREFIX_BYTES;
    if (!isGid(bytes, gid, end)) return false;
    const group = this.table.find(bytes, gid, end, this.table.groups.hashOf(bytes, gid, end));
    const member = group < 0 ? -1 : this.table.membership(row, group);
    if (member < 0) return false;
    this.#leave(row, member);
    return true;
  }

  /** The session of the user ends. */
  leaveAll(row: number): void {
    for (;;) {
      const member = this.table.firstOfUser(row);
      if (member < 0) return;
      this.#leave(row, member);
    }
  }

  /** Subscription Identifier of the user's membership in a group; 0 = none. */
  idOf(row: number, bytes: Uint8Array, start: number, end: number): number {
    const { table } = this;
    const group = table.find(bytes, start, end, table.groups.hashOf(bytes, start, end));
    const member = group < 0 ? -1 : table.membership(row, group);
    return member < 0 ? 0 : table.id[member]!;
  }

  /** A PUBLISH of the user to g/<gid>, already found sound. */
  publish(row: number, bytes: Uint8Array, start: number, end: number): void {
    const { state, stats } = this.#options;
    const isV5 = state.has(row, USER.v5);
    const fields = this.#fields;
    const level = isV5 ? PROTOCOL_LEVEL_5 : PROTOCOL_LEVEL_3_1_1;
    decodePublish(bytes, start, end, fields, level);
    const { topicStart, topicEnd, qos, packetId } = fields;
    const gid = topicStart + PREFIX_BYTES;
    const hash = this.table.groups.hashOf(bytes, gid, topicEnd);
    const group = this.table.find(bytes, gid, topicEnd, hash);
    if (group < 0 || this.table.membership(row, group) < 0) {
      stats[STAT.foreign]!++;
      if (qos > 0) this.#refuse(row, packetId, isV5 ? REASON.notAuthorized : REASON.success);
      return;
    }
    const hasRoom = qos > 0 && !this.#options.isPressed();
    const entry = hasRoom ? this.#openEntry(row, bytes) : -1;
    if (qos > 0 && entry < 0) {
      this.#withhold(row, packetId);
      return;
    }
    const { properties, propertiesStart, payloadStart } = fields;
    const hasProperties = properties.blockEnd > properties.blockStart;
    const bodyStart = hasProperties ? propertiesStart : payloadStart;
    this.send(row, entry, bytes, topicStart, topicEnd, bodyStart, end, hash, qos, hasProperties);
  }

  /**
   * Gives a message under the topic in [topicStart, topicEnd) to all members. `entry` of the ledger, -1 = nobody
   * is told of it; `row` of the sender.
   */
  send(
    row: number,
    entry: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    hash: number,
    qos: number,
    hasProperties: boolean,
  ): void {
    const { directory, exchange, stats } = this.#options;
    const { ledger } = this;
    stats[STAT.routed]!++;
    const fingerprint = directory.fingerprintOf(bytes, topicStart + PREFIX_BYTES, topicEnd);
    const cell = directory.find(hash, fingerprint);
    const { self, workers } = exchange;
    const generation = entry < 0 ? 0 : ledger.generation(entry);
    // One more, so that PUBACK waits for this worker too.
    if (entry >= 0) ledger.pending[entry] = 1;
    const what = qos | (hasProperties ? GROUP_MESSAGE.hasProperties : 0);
    for (let worker = 0; cell >= 0 && worker < workers; worker++) {
      if (worker === self || !directory.has(cell, worker)) continue;
      const isTaken = exchange.groups.message(
        worker,
        entry,
        generation,
        what,
        bytes,
        topicStart,
        topicEnd,
        start,
        end,
      );
      if (isTaken && entry >= 0) ledger.pending[entry]!++;
    }
    this.arrived(self, row, entry, generation, what, bytes, topicStart, topicEnd, start, end);
  }

  /**
   * A message for the members here, from the home `worker` of its sender, whose row is `senderRow` when that is
   * this one.
   */
  arrived(
    worker: number,
    senderRow: number,
    entry: number,
    generation: number,
    what: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
  ): void {
    const { table } = this;
    const gid = topicStart + PREFIX_BYTES;
    const group = table.find(bytes, gid, topicEnd, table.groups.hashOf(bytes, gid, topicEnd));
    this.#stored = this.#refused = this.#refusedBytes = this.#rowCount = 0;
    const qos = what & GROUP_MESSAGE.qosMask;
    const hasProperties = (what & GROUP_MESSAGE.hasProperties) !== 0;
    const sender = this.#sender;
    sender.worker = worker;
    sender.row = entry;
    sender.generation = generation;
    if (group >= 0 && qos > 0) {
      this.#store(group, senderRow, bytes, topicStart, topicEnd, start, end, hasProperties);
    }
    if (group >= 0) {
      this.#sendUnstored(
        group,
        senderRow,
        qos,
        bytes,
        topicStart,
        topicEnd,
        start,
        end,
        hasProperties,
      );
    }
    const { exchange, users, delivery } = this.#options;
    if (entry >= 0) {
      const text = this.#refusedText;
      exchange.groups.stored(
        worker,
        entry,
        generation,
        this.#stored,
        this.#refused,
        text,
        0,
        this.#refusedBytes,
      );
    }
    // Only now: who is sent to may turn out to be gone, and leave the group.
    for (let i = 0, count = this.#rowCount; i < count; i++) {
      const row = this.#rows[i]!;
      if (users.isCurrent(row, this.#generations[i]!)) delivery.pump(row);
    }
  }

  /** A home has stored and refused so many copies of a message; [start, end) names who was refused. */
  stored(
    entry: number,
    generation: number,
    stored: number,
    refused: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { ledger } = this;
    if (!ledger.isCurrent(entry, generation)) return;
    ledger.stored[entry]! += stored;
    ledger.refused[entry]! += refused;
    if (refused > 0) this.#tellRefused(entry, REFUSED, refused, bytes, start, end);
    if (--ledger.pending[entry]! > 0) return;
    const row = ledger.senderRow[entry]!;
    const packetId = ledger.packetId[entry]!;
    const { exchange } = this.#options;
    const worker = ledger.worker[entry]!;
    const conn = ledger.conn[entry]!;
    const connGeneration = ledger.connGeneration[entry]!;
    if (ledger.stored[entry] === 0 && ledger.refused[entry]! > 0) {
      exchange.withhold(worker, conn, connGeneration, packetId);
    } else {
      const length = encodePuback(this.#answer, 0, packetId);
      exchange.output(worker, conn, connGeneration, OUTPUT.answer, this.#answer, 0, length);
    }
    if (ledger.isCurrent(entry, generation)) this.#step(row, entry);
  }

  /** A member has accepted its copy. */
  accepted(entry: number, generation: number): void {
    const { ledger } = this;
    if (!ledger.isCurrent(entry, generation)) return;
    ledger.accepted[entry]!++;
    if (ledger.pending[entry] === 0) this.#step(ledger.senderRow[entry]!, entry);
  }

  /** A member's copy was put aside. */
  parked(entry: number, generation: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.ledger.isCurrent(entry, generation)) return;
    this.#tellRefused(entry, PARKED, 1, bytes, start, end);
  }

  /** Tells what is to be told at this number of acceptances; with the last one the message is done. */
  #step(row: number, entry: number): void {
    const { ledger } = this;
    const accepted = ledger.accepted[entry]!;
    const stored = ledger.stored[entry]!;
    if (accepted > 0 && ledger.isStep(entry)) {
      let at = this.#beginLine(entry);
      at = writeDecimal(this.#line, at, accepted);
      this.#line[at++] = SLASH;
      at = writeDecimal(this.#line, at, stored);
      this.#tell(row, entry, at);
    }
    if (accepted >= stored) ledger.close(entry);
  }

  #tellRefused(
    entry: number,
    word: Uint8Array,
    count: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    let at = this.#beginLine(entry);
    at = copyBytes(this.#line, at, word, 0, word.length);
    let named = 0;
    for (let from = start; from < end; from++) if (bytes[from] === SPACE) named++;
    at = copyBytes(this.#line, at, bytes, start, end);
    if (named < count) {
      this.#line[at++] = SPACE;
      this.#line[at++] = PLUS;
      at = writeDecimal(this.#line, at, count - named);
    }
    this.#tell(this.ledger.senderRow[entry]!, entry, at);
  }

  /** Writes 'g/<gid> <packet id> '. */
  #beginLine(entry: number): number {
    const { ledger } = this;
    let at = copyBytes(this.#line, 0, ledger.bytes, ledger.nameStart(entry), ledger.nameEnd(entry));
    this.#line[at++] = SPACE;
    at = writeDecimal(this.#line, at, ledger.packetId[entry]!);
    this.#line[at++] = SPACE;
    return at;
  }

  #tell(row: number, entry: number, textEnd: number): void {
    const { ledger } = this;
    const asked = ledger.isAsked[entry]!;
    const generation = ledger.senderGeneration[entry]!;
    const isSilent = asked === ASKED.notAtAll || this.#options.limits.receipts.mode !== 'server';
    if (isSilent || !this.#options.users.isCurrent(row, generation)) return;
    const nameEnd = ledger.nameEnd(entry);
    const end = copyBytes(this.#line, textEnd, ledger.bytes, nameEnd, ledger.textEnd(entry));
    const isAsked = asked === ASKED.byResponseTopic;
    this.#options.receipts.tell(row, generation, this.#line, 0, textEnd, textEnd, end, isAsked);
  }

  /** A row of the ledger for the message in `#fields`; -1 = no room. */
  #openEntry(row: number, bytes: Uint8Array): number {
    const { state, users } = this.#options;
    const { properties, topicStart, topicEnd, packetId } = this.#fields;
    let asked: number = ASKED.plainly;
    let correlationStart = 0;
    let correlationEnd = 0;
    if (properties.has(PROPERTY.responseTopic)) {
      asked = this.#isOwnReceipts(row, bytes) ? ASKED.byResponseTopic : ASKED.notAtAll;
      if (properties.has(PROPERTY.correlationData)) {
        correlationStart = properties.start(PROPERTY.correlationData);
        correlationEnd = properties.end(PROPERTY.correlationData);
      }
      if (correlationEnd - correlationStart > CORRELATION_BYTES_MAX)
        correlationEnd = correlationStart;
    }
    const { ledger } = this;
    const entry = ledger.open(bytes, topicStart, topicEnd, bytes, correlationStart, correlationEnd);
    if (entry < 0) return entry;
    ledger.senderRow[entry] = row;
    ledger.senderGeneration[entry] = users.generation(row);
    ledger.worker[entry] = state.worker[row]!;
    ledger.conn[entry] = state.conn[row]!;
    ledger.connGeneration[entry] = state.connGeneration[row]!;
    ledger.packetId[entry] = packetId;
    ledger.isAsked[entry] = asked;
    return entry;
  }

  #isOwnReceipts(row: number, bytes: Uint8Array): boolean {
    const { properties } = this.#fields;
    const start = properties.start(PROPERTY.responseTopic);
    const end = properties.end(PROPERTY.responseTopic);
    if (bytes[start] !== RECEIPT_PREFIX || bytes[start + 1] !== SLASH) return false;
    return this.#options.users.isUid(row, bytes, start + 2, end);
  }

  /** Stores the message once and gives a copy to each member who wants it stored. */
  #store(
    group: number,
    senderRow: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    hasProperties: boolean,
  ): void {
    const { mailboxes, mail, clock, users, stats } = this.#options;
    const { table } = this;
    const nowMs = clock.monoUs() / 1000;
    const expiresS = hasProperties ? mail.expiresS(bytes, start, end, nowMs) : 0;
    const body = mailboxes.share(
      bytes,
      topicStart,
      topicEnd,
      start,
      end,
      this.#sender,
      hasProperties,
      expiresS,
    );
    let member = table.firstOfGroup(group);
    for (; member >= 0; member = table.nextOfGroup(member)) {
      const row = table.user[member]!;
      const isOwn = row === senderRow;
      if (!this.#wants(member, isOwn) || (table.flags[member]! & MEMBER.qos1) === 0) continue;
      if (body < 0 || mailboxes.putCopy(row, body, isOwn) < 0) {
        stats[STAT.queueRefused]!++;
        if (!isOwn) this.#noteRefused(row);
        continue;
      }
      stats[STAT.enqueued]!++;
      if (!isOwn) this.#stored++;
      this.#rows[this.#rowCount] = row;
      this.#generations[this.#rowCount++] = users.generation(row);
    }
    if (body >= 0) mailboxes.bodies.release(body);
  }

  /** Sends the message to those who want it now or not at all. */
  #sendUnstored(
    group: number,
    senderRow: number,
    qos: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    hasProperties: boolean,
  ): void {
    const { table } = this;
    const { delivery } = this.#options;
    let member = table.firstOfGroup(group);
    while (member >= 0) {
      // A send may end its user's membership: the next is known before.
      const next = table.nextOfGroup(member);
      const row = table.user[member]!;
      const isStored = qos > 0 && (table.flags[member]! & MEMBER.qos1) !== 0;
      if (!isStored && this.#wants(member, row === senderRow)) {
        const { group: kind } = BODY;
        delivery.sendUnstored(row, kind, bytes, topicStart, topicEnd, start, end, hasProperties);
      }
      member = next;
    }
  }

  #wants(member: number, isOwn: boolean): boolean {
    return !isOwn || (this.table.flags[member]! & MEMBER.noLocal) === 0;
  }

  #noteRefused(row: number): void {
    const { users } = this.#options;
    this.#refused++;
    const start = users.uidStart(row);
    const end = users.uidEnd(row);
    if (this.#refusedBytes + 1 + end - start > REFUSED_BYTES_MAX) return;
    this.#refusedText[this.#refusedBytes] = SPACE;
    const { uidBytes } = users;
    this.#refusedBytes = copyBytes(this.#refusedText, this.#refusedBytes + 1, uidBytes, start, end);
  }

  #leave(row: number, member: number): void {
    const { directory } = this.#options;
    const { table } = this;
    const group = table.groupOf(member);
    const { groups } = table;
    const start = groups.uidStart(group);
    const end = groups.uidEnd(group);
    const hash = groups.hashOf(groups.uidBytes, start, end);
    const fingerprint = directory.fingerprintOf(groups.uidBytes, start, end);
    directory.leave(hash, fingerprint, table.members(group) === 1);
    table.leave(row, member);
  }

  #groupsOf(row: number): number {
    let count = 0;
    let member = this.table.firstOfUser(row);
    for (; member >= 0; member = this.table.nextOfUser(member)) count++;
    return count;
  }

  #refuse(row: number, packetId: number, reason: number): void {
    const { state, exchange } = this.#options;
    const { worker, conn, connGeneration } = state;
    const out = this.#answer;
    const end = encodeAcknowledge5(out, 0, PACKET.puback, packetId, reason);
    exchange.output(worker[row]!, conn[row]!, connGeneration[row]!, OUTPUT.answer, out, 0, end);
  }

  #withhold(row: number, packetId: number): void {
    const { state, exchange, stats } = this.#options;
    stats[STAT.withheld]!++;
    exchange.withhold(state.worker[row]!, state.conn[row]!, state.connGeneration[row]!, packetId);
  }
}

/** Whether [start, end) can be a gid: a name of 1 to 64 bytes without wildcards. */
function isGid(bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start || end - start > GID_BYTES_MAX) return false;
  for (let at = start; at < end; at++) if (bytes[at] === PLUS || bytes[at] === HASH) return false;
  return true;
}
