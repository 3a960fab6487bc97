// Gives a home that is new what a snapshot has of its users: those whose uid belongs to it now, as the number of
// workers and the hash are those of this server. Nobody is online. What has expired meanwhile is taken all the same
// and goes the way that it always goes: sessions and wills at their next tick, messages when their turn comes.
//
// One pass over the file: mail comes before its sender may have, so it is put with the row that its sender had, and
// when all is read with the one that it has now. In a new table rows are given in the order of the file, so every
// worker knows which row a sender has at another home: receipts for mail from before go on reaching it. Memory of
// the map: 9 bytes a row of the older server, for the time of the restore. Records are views of what is read, so
// what is kept of them is copied: nothing here keeps a buffer of the file alive.

import type { Clock } from '#core/clock/clock.ts';
import { WsarError } from '#core/errors.ts';
import { DamagedBytes } from '#core/spool/byte-reader.ts';
import { Message } from '#reference-server/broker/message.ts';
import { NEVER, type Session } from '#reference-server/broker/session.ts';
import type { Home } from '#reference-server/home/home.ts';
import { homeOf } from '#reference-server/home/uid-hash.ts';
import {
  BODY,
  type Bodies,
  type SenderReference,
  sinceMs,
} from '#reference-server/mailbox/bodies.ts';
import { FLOW, FLOW_WORDS } from '#reference-server/mailbox/mailbox-limits.ts';
import { NODE } from '#reference-server/mailbox/nodes.ts';
import { readSnapshot } from '#reference-server/snapshot/snapshot-file.ts';
import type {
  SavedMessage,
  SavedSession,
  SnapshotRecord,
} from '#reference-server/snapshot/snapshot-record.ts';

type Of<K extends SnapshotRecord['kind']> = Extract<SnapshotRecord, { kind: K }>;

const NOBODY: SenderReference = { worker: 0, row: -1, generation: 0, packetId: 0 };

/** A message to a group that the older server had in its ledger, or copies of it. */
interface Owed {
  generation: number;
  /** Copies that wait still, at any home. */
  waiting: number;
  /** Where its row of the ledger is now; home -1 = nowhere. */
  home: number;
  row: number;
}

/** Where the rows of one worker of the older server are now. */
interface Rows {
  generation: Uint32Array;
  /** One more than the home, 0 = unknown. */
  home: Uint8Array;
  row: Int32Array;
}

export class HomeRestore {
  readonly #home: Home;
  readonly #workers: number;
  readonly #self: number;
  readonly #wallOffsetMs: number;
  readonly #nowMs: number;
  readonly #rows: Rows[] = [];
  readonly #counts: number[];
  readonly #owed = new Map<number, Owed>();
  /** Rows of the ledger that each home has now. */
  readonly #owedCounts: number[];
  readonly #sender: SenderReference = { worker: 0, row: -1, generation: 0, packetId: 0 };
  #part = 0;
  /** Of the part that is read. */
  #messages: Message[] = [];
  /** The user that is read, -1 = it belongs to another home. */
  #row = -1;
  #session: Session | undefined;
  /** Messages that wait here, and retained ones, which worker 0 counts for all. */
  messages = 0;
  /** What found no room here, because limits are lower than they were. */
  dropped = 0;

  constructor(home: Home, clock: Clock, self: number, workers: number) {
    this.#home = home;
    this.#self = self;
    this.#workers = workers;
    this.#nowMs = clock.monoUs() / 1000;
    this.#wallOffsetMs = clock.wallMs() - this.#nowMs;
    this.#counts = new Array<number>(workers).fill(0);
    this.#owedCounts = new Array<number>(workers).fill(0);
  }

  /** Takes what `file` has, if there is one. Throws WSAR_ERR_FILE, WSAR_ERR_LIMIT. */
  restore(file: string): this {
    readSnapshot(file, (record) => this.take(record));
    this.finish();
    return this;
  }

  take(record: SnapshotRecord): void {
    switch (record.kind) {
      case 'part':
        this.#takePart(record);
        break;
      case 'message':
        this.#messages.push(this.#message(record.message));
        break;
      case 'retained':
        this.#takeRetained(record);
        break;
      case 'user':
        this.#note(record);
        this.#takeUser(record);
        break;
      case 'owed':
        this.#takeOwed(record);
        break;
      case 'parked':
        if (this.#part % this.#workers === this.#self) this.#takeParked(record);
        break;
      case 'mail':
        if (record.body === BODY.group && !record.isSilent) this.#noteCopy(record.sender);
        if (this.#row >= 0) this.#takeMail(record);
        break;
      default:
        if (this.#row >= 0) this.#takeOfUser(record);
    }
  }

  /** When all was taken. */
  finish(): void {
    const { users, mailboxes, groups } = this.#home;
    const { boxes, nodes, bodies } = mailboxes;
    // While the older server ran on, a copy may have been accepted that its file still has: it comes again.
    for (const { home, row, waiting } of this.#owed.values()) {
      const { stored, accepted } = groups.ledger;
      if (home !== this.#self) continue;
      accepted[row] = Math.max(0, Math.min(accepted[row]!, stored[row]! - waiting));
    }
    for (let row = 0; row < users.count; row++) {
      const box = boxes.of(row);
      let node = box < 0 ? -1 : boxes.head[box]!;
      for (; node >= 0; node = nodes.next[node]!) this.#findSender(bodies, nodes.body[node]!);
    }
  }

  #takePart({ worker, rows }: Of<'part'>): void {
    this.#messages = [];
    this.#row = -1;
    this.#part = worker;
    this.#rows[worker] = {
      generation: new Uint32Array(rows),
      home: new Uint8Array(rows),
      row: new Int32Array(rows),
    };
  }

  /** Which row a user has now, of this home or another. */
  #note({ uid, row, generation }: Of<'user'>): void {
    const home = this.#homeOf(uid);
    const rows = this.#rows[this.#part];
    if (rows === undefined || row >= rows.row.length) throw new DamagedBytes('a user of no part');
    rows.generation[row] = generation;
    rows.home[row] = home + 1;
    rows.row[row] = this.#counts[home]!++;
  }

  #takeRetained({ message, source }: Of<'retained'>): void {
    const retained = this.#message(message);
    retained.source = source;
    // Older than whatever is retained from now on.
    const isKept = this.#home.broker.retained.put(retained, 0);
    if (this.#self === 0) this.#count(isKept);
  }

  /** Something of the user that is read. */
  #takeOfUser(record: Of<'subscription' | 'member' | 'delivery' | 'received'>): void {
    if (record.kind === 'member') this.#takeMember(record);
    else if (this.#session !== undefined) this.#takeSessionPart(this.#session, record);
  }

  #takeUser(record: Of<'user'>): void {
    this.#row = -1;
    this.#session = undefined;
    const { uid, flags, session } = record;
    if (this.#homeOf(uid) !== this.#self) return;
    const { broker } = this.#home;
    if (this.#home.knows(uid)) throw new DamagedBytes('a user is there twice');
    this.#row = this.#home.restoreUser(uid, flags, record.mailboxPacketId);
    if (this.#row < 0) {
      throw new WsarError(
        'WSAR_ERR_LIMIT',
        'the snapshot has more users than this server may know',
        'raise --users to what it was when the snapshot was written',
      );
    }
    if (session !== undefined)
      this.#session = broker.restoreSession(this.#row, 0, session.level, true);
    if (session !== undefined) this.#fill(this.#session!, session);
  }

  #fill(session: Session, saved: SavedSession): void {
    const { will } = saved;
    session.expiryMs = saved.expiryMs;
    session.endsMs = this.#mono(saved.endsWallMs);
    session.lastPacketId = saved.lastPacketId;
    session.mailboxId = saved.mailboxId;
    session.receiptsId = saved.receiptsId;
    session.userName = saved.userName;
    const { broker } = this.#home;
    broker.enter(session, broker.listenerNamed(saved.listener));
    if (will !== undefined) {
      const { expiryMs, delayMs } = will;
      session.will = { message: this.#message(will.message), expiryMs, delayMs };
      session.willDueMs = this.#mono(will.dueWallMs);
    }
    broker.arm(session);
  }

  #takeSessionPart(session: Session, record: Of<'subscription' | 'delivery' | 'received'>): void {
    const { broker } = this.#home;
    const { subscriptions, queues } = broker;
    if (record.kind === 'subscription') {
      const { filter, qos, noLocal, retainAsPublished, id } = record;
      const options = { qos, noLocal, retainAsPublished, id };
      if (subscriptions.hasRoom(session, filter)) subscriptions.add(session, filter, options);
      else this.dropped++;
      return;
    }
    const message = this.#messages[record.message];
    if (message === undefined) throw new DamagedBytes(`a ${record.kind} without its message`);
    if (record.kind === 'received') {
      if (!queues.keepReceived(session, message)) this.dropped++;
      else session.incoming.set(record.packetId, { message, copies: 0 });
      return;
    }
    const { qos, retain, ids, packetId, state } = record;
    const group = record.group === '' ? undefined : subscriptions.group(record.group);
    const delivery = { message, qos, retain, ids, group, packetId, state };
    this.#count(queues.restore(session, delivery));
  }

  #takeMember({ gid, qos, noLocal, id }: Of<'member'>): void {
    const filter = Buffer.concat([Buffer.from('g/'), gid]);
    const { groups } = this.#home;
    const code = groups.subscribe(this.#row, filter, 0, filter.length, qos, noLocal, id);
    if (code >= 0x80) this.dropped++;
  }

  #takeMail(record: Of<'mail'>): void {
    const { mailboxes } = this.#home;
    const expiresS = this.#expiresS(record.expiresWallMs);
    this.#setSender(record);
    const node =
      record.body === BODY.group
        ? this.#putCopy(record, expiresS)
        : mailboxes.put(
            this.#row,
            record.content,
            0,
            record.content.length,
            this.#sender,
            record.hasProperties,
            expiresS,
            record.body,
          );
    this.#count(node >= 0);
    if (node < 0) return;
    const { boxes, nodes, bodies } = mailboxes;
    bodies.storedMs[nodes.body[node]!] = record.storedMs;
    bodies.senderPacketId[nodes.body[node]!] = record.sender.packetId;
    nodes.packetId[node] = record.packetId;
    nodes.left[node] = record.left;
    if (record.packetId > 0) nodes.flags[node]! |= NODE.dup;
    const box = boxes.of(this.#row);
    if (boxes.head[box] !== node) return;
    // It has waited since it was stored, not since this start.
    const nowMs = this.#nowMs + this.#wallOffsetMs;
    const ageMs = sinceMs(nowMs, record.storedMs);
    boxes.flow[box * FLOW_WORDS + FLOW.oldestS] = (nowMs - ageMs) / 1000;
  }

  /** A message to a group: each of its copies has a body of its own now. */
  #putCopy({ topic, content, hasProperties, isSilent }: Of<'mail'>, expiresS: number): number {
    const { mailboxes } = this.#home;
    const bytes = Buffer.concat([topic, content]);
    const { length } = topic;
    const body = mailboxes.share(
      bytes,
      0,
      length,
      length,
      bytes.length,
      this.#sender,
      hasProperties,
      expiresS,
    );
    if (body < 0) return body;
    const node = mailboxes.putCopy(this.#row, body, isSilent);
    mailboxes.bodies.release(body);
    return node;
  }

  /** Until `finish`: who sent it as the older server knew it. */
  #setSender({ body, sender: { worker, row, generation, packetId } }: Of<'mail'>): void {
    const sender = this.#sender;
    sender.worker = worker;
    sender.row = body === BODY.receipt ? -1 : row;
    sender.generation = generation;
    sender.packetId = packetId;
  }

  /** Who hears that a mail from before was accepted: its sender, or the ledger, if it is still known. */
  #findSender(bodies: Bodies, body: number): void {
    const { senderWorker, senderRow, senderGeneration } = bodies;
    const row = senderRow[body]!;
    const worker = senderWorker[body]!;
    const generation = senderGeneration[body]!;
    let home = -1;
    let now = -1;
    if (row >= 0 && bodies.kind(body) === BODY.group) {
      const owed = this.#owed.get(keyOf(worker, row));
      if (owed?.generation === generation) ({ home, row: now } = owed);
    } else if (row >= 0) {
      home = this.#homeOfRow(worker, row, generation);
      if (home >= 0) now = this.#rows[worker]!.row[row]!;
    }
    senderWorker[body] = Math.max(0, home);
    senderRow[body] = home < 0 ? -1 : now;
    senderGeneration[body] = 0;
  }

  /** Where a user of the older server is now; -1 = not known. */
  #homeOfRow(worker: number, row: number, generation: number): number {
    const rows = this.#rows[worker];
    if (rows === undefined || rows.generation[row] !== generation) return -1;
    return rows.home[row]! - 1;
  }

  /** One more copy of a message to a group waits; of two that had one row of the ledger the newer one counts. */
  #noteCopy({ worker, row, generation }: Of<'mail'>['sender']): void {
    if (row < 0) return;
    const owed = this.#owed.get(keyOf(worker, row));
    if (owed?.generation === generation) owed.waiting++;
    else if (owed === undefined || (owed.home < 0 && owed.generation < generation)) {
      this.#owed.set(keyOf(worker, row), { generation, waiting: 1, home: -1, row: -1 });
    }
  }

  #takeOwed(record: Of<'owed'>): void {
    const { senderRow, generation, name, correlation } = record;
    const home = this.#homeOfRow(this.#part, senderRow, record.senderGeneration);
    if (home < 0) return;
    const { ledger } = this.#home.groups;
    const row = this.#owedCounts[home]!++;
    const isSelf = home === this.#self;
    if (row >= ledger.rows || (isSelf && !ledger.restore(row, name, correlation))) {
      if (isSelf) this.dropped++;
      return;
    }
    const key = keyOf(this.#part, record.row);
    const known = this.#owed.get(key);
    const waiting = known?.generation === generation ? known.waiting : 0;
    this.#owed.set(key, { generation, waiting, home, row });
    if (!isSelf) return;
    ledger.senderRow[row] = this.#rows[this.#part]!.row[senderRow]!;
    ledger.senderGeneration[row] = 0;
    ledger.packetId[row] = record.packetId;
    ledger.isAsked[row] = record.asked;
    ledger.stored[row] = record.stored;
    ledger.refused[row] = record.refused;
    ledger.accepted[row] = record.accepted;
  }

  /** A message that nobody is told of any more. */
  #takeParked({ body: kind, topic, content, hasProperties, ...times }: Of<'parked'>): void {
    const { mailboxes } = this.#home;
    const { bodies } = mailboxes;
    const bytes = Buffer.concat([topic, content]);
    const { length } = topic;
    const expiresS = this.#expiresS(times.expiresWallMs);
    const sender = NOBODY;
    const end = bytes.length;
    const body = bodies.add(kind, bytes, 0, length, length, end, sender, hasProperties, expiresS);
    if (body < 0) {
      this.dropped++;
      return;
    }
    bodies.storedMs[body] = times.storedMs;
    mailboxes.putAside(mailboxes.nodes.take(body, 0));
  }

  /** 0 means never. */
  #expiresS(wallMs: number): number {
    const expiresMs = this.#mono(wallMs);
    return expiresMs === NEVER ? 0 : Math.max(1, Math.ceil(expiresMs / 1000));
  }

  #count(isKept: boolean): void {
    if (isKept) this.messages++;
    else this.dropped++;
  }

  #message(saved: SavedMessage): Message {
    const { topic, properties, payload, qos, retain, expiresWallMs } = saved;
    const expiresMs = this.#mono(expiresWallMs);
    return new Message(own(topic), own(properties), own(payload), qos, retain, expiresMs);
  }

  #homeOf(uid: Uint8Array): number {
    return homeOf(this.#home.users.hashOf(uid, 0, uid.length), this.#workers);
  }

  /** ms of the broker's clock; before its start where that is when it was. */
  #mono(wallMs: number): number {
    return wallMs - this.#wallOffsetMs;
  }
}

/** A copy in memory of its own: a Buffer's may be a part of a larger one that it keeps. */
function own(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** Of a row of the ledger of a worker. */
function keyOf(worker: number, row: number): number {
  return worker * 2 ** 32 + row;
}
