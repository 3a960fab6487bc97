// What a home has, as records of a snapshot, in slices: between two of them the server goes on, so that an autosave
// delays nobody. Each user is taken at one moment with all that belongs to it; two users may be taken at different
// ones. Whoever would not be known after a stop (a clean session) is left out.

import type { Clock } from '#core/clock/clock.ts';
import type { Message } from '#reference-server/broker/message.ts';
import { type Delivery, NEVER, type Session } from '#reference-server/broker/session.ts';
import { MEMBER } from '#reference-server/home/group-table.ts';
import type { Home } from '#reference-server/home/home.ts';
import { USER } from '#reference-server/home/user-state.ts';
import { BODY } from '#reference-server/mailbox/bodies.ts';
import { NODE } from '#reference-server/mailbox/nodes.ts';
import { type SnapshotChunk, SnapshotFrames } from '#reference-server/snapshot/snapshot-frames.ts';
import type {
  SavedMessage,
  SavedSession,
  SnapshotRecord,
} from '#reference-server/snapshot/snapshot-record.ts';

/**
 * A slice ends with the user at which it has so many bytes, or has looked at so many rows: about a millisecond, and
 * longer by what one user may have at most (`--mailbox`, queue.session).
 */
const SLICE_BYTES = 256 * 1024;
const SLICE_ROWS = 4096;

export class HomeCapture {
  readonly #home: Home;
  readonly #clock: Clock;
  readonly #frames = new SnapshotFrames();
  readonly #numbers = new Map<Message, number>();
  readonly #retained: Iterator<Message>;
  #isRetainedDone: boolean;
  #row = 0;
  /** Rows of the ledger of groups that were looked at, and the first of them. */
  #owed = 0;
  #firstOwed = 0;
  /** Number of the first parked message that was not told; see mailbox/aside.ts. */
  #parked = 0;
  /** Who came after the capture began is left out: one who left and came again would be told twice. */
  readonly #generations: Uint32Array;
  /** Of this turn: what is added to ms of the broker's clock. */
  #wallOffsetMs = 0;

  /** `worker` is this home's number; retained messages, which all homes have, are told `withRetained`. */
  constructor(home: Home, clock: Clock, worker: number, withRetained: boolean) {
    this.#home = home;
    this.#clock = clock;
    this.#retained = home.broker.retained.messages();
    this.#isRetainedDone = !withRetained;
    this.#generations = home.users.generations();
    this.#add({ kind: 'part', worker, rows: this.#generations.length });
  }

  /** The next records; undefined when all were told. */
  slice(): SnapshotChunk | undefined {
    const rows = this.#generations.length;
    if (this.#isDone(rows) && this.#frames.bytes === 0) return undefined;
    this.#wallOffsetMs = this.#clock.wallMs() - this.#clock.monoUs() / 1000;
    while (!this.#isRetainedDone && this.#frames.bytes < SLICE_BYTES) this.#addRetained();
    const rowEnd = Math.min(rows, this.#row + SLICE_ROWS);
    while (this.#isRetainedDone && this.#row < rowEnd && this.#frames.bytes < SLICE_BYTES) {
      const { users } = this.#home;
      const isSame = users.generation(this.#row) === this.#generations[this.#row];
      if (isSame && users.isUsed(this.#row)) this.#addUser(this.#row);
      this.#row++;
    }
    if (this.#row >= rows) {
      this.#addOwed();
      this.#addParked();
    }
    return this.#frames.take();
  }

  #isDone(rows: number): boolean {
    const { groups, mailboxes } = this.#home;
    if (!this.#isRetainedDone || this.#row < rows) return false;
    return this.#owed >= groups.ledger.rows && this.#parked >= mailboxes.aside.added;
  }

  #add(record: SnapshotRecord): void {
    this.#frames.add(record);
  }

  #addRetained(): void {
    const next = this.#retained.next();
    if (next.done === true) this.#isRetainedDone = true;
    else {
      const { value } = next;
      this.#add({ kind: 'retained', message: this.#saved(value), source: value.source });
    }
  }

  #addUser(row: number): void {
    const { users, userFlags, mailboxes, broker } = this.#home;
    const kept = userFlags[row]! & (USER.persistent | USER.stranger);
    if (kept === 0) return;
    const session = broker.session(row);
    this.#add({
      kind: 'user',
      uid: users.uidBytes.slice(users.uidStart(row), users.uidEnd(row)),
      flags: userFlags[row]! & ~USER.online,
      row,
      generation: users.generation(row),
      mailboxPacketId: mailboxes.lastPacketId[row]!,
      session: session && this.#session(session),
    });
    if (session !== undefined) this.#addSession(session);
    this.#addMemberships(row);
    this.#addMail(row);
  }

  #session(session: Session): SavedSession {
    const { level, expiryMs, endsMs, lastPacketId, mailboxId, receiptsId, userName } = session;
    const ends = endsMs === NEVER ? this.#clock.monoUs() / 1000 + expiryMs : endsMs;
    // What a connected client has willed is said when its connection ends, which that of a server is not.
    const isDue = session.will !== undefined && session.willDueMs < NEVER;
    return {
      level,
      expiryMs,
      endsWallMs: this.#wall(ends),
      lastPacketId,
      mailboxId,
      receiptsId,
      userName,
      listener: this.#home.broker.listenerOf(session),
      will: isDue
        ? {
            message: this.#saved(session.will!.message),
            expiryMs: session.will!.expiryMs,
            delayMs: session.will!.delayMs,
            dueWallMs: this.#wall(session.willDueMs),
          }
        : undefined,
    };
  }

  #addSession(session: Session): void {
    for (const { filter, qos, noLocal, retainAsPublished, id } of session.subscriptions.values()) {
      this.#add({ kind: 'subscription', filter, qos, noLocal, retainAsPublished, id });
    }
    for (const delivery of session.inflight.values()) this.#addDelivery(delivery);
    for (const delivery of session.queue) this.#addDelivery(delivery);
    for (const [packetId, { message }] of session.incoming) {
      this.#add({ kind: 'received', packetId, message: this.#numberOf(message) });
    }
  }

  #addDelivery(delivery: Delivery): void {
    const { message, qos, retain, ids, group, packetId, state } = delivery;
    this.#add({
      kind: 'delivery',
      message: this.#numberOf(message),
      qos,
      retain,
      ids: [...ids],
      group: group?.key ?? '',
      packetId,
      state,
    });
  }

  /** Many sessions wait for one message, which is told once. */
  #numberOf(message: Message): number {
    const known = this.#numbers.get(message);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(message, number);
    this.#add({ kind: 'message', message: this.#saved(message) });
    return number;
  }

  #saved(message: Message): SavedMessage {
    const { topic, properties, payload, qos, retain, expiresMs } = message;
    return { topic, properties, payload, qos, retain, expiresWallMs: this.#wall(expiresMs) };
  }

  #addMemberships(row: number): void {
    const { table } = this.#home.groups;
    for (let at = table.firstOfUser(row); at >= 0; at = table.nextOfUser(at)) {
      const group = table.groupOf(at);
      const { groups } = table;
      const flags = table.flags[at]!;
      this.#add({
        kind: 'member',
        gid: groups.uidBytes.slice(groups.uidStart(group), groups.uidEnd(group)),
        qos: (flags & MEMBER.qos1) === 0 ? 0 : 1,
        noLocal: (flags & MEMBER.noLocal) !== 0,
        id: table.id[at]!,
      });
    }
  }

  #addMail(row: number): void {
    const { boxes, bodies, nodes } = this.#home.mailboxes;
    const box = boxes.of(row);
    if (box < 0) return;
    for (let node = boxes.head[box]!; node >= 0; node = nodes.next[node]!) {
      const body = nodes.body[node]!;
      this.#add({
        kind: 'mail',
        ...this.#body(body),
        packetId: nodes.packetId[node]!,
        left: nodes.left[node]!,
        isSilent: (nodes.flags[node]! & NODE.silent) !== 0,
        sender: {
          worker: bodies.senderWorker[body]!,
          // Of receipts the number counts them.
          row: bodies.kind(body) === BODY.receipt ? -1 : bodies.senderRow[body]!,
          generation: bodies.senderGeneration[body]!,
          packetId: bodies.senderPacketId[body]!,
        },
      });
    }
  }

  #body(body: number): Omit<Extract<SnapshotRecord, { kind: 'parked' }>, 'kind'> {
    const { bodies } = this.#home.mailboxes;
    const { bytes } = bodies.arena;
    const content = bodies.contentStart(body);
    const expiresS = bodies.expiresS[body]!;
    return {
      body: bodies.kind(body),
      topic: bytes.slice(bodies.topicStart(body), content),
      content: bytes.slice(content, bodies.end(body)),
      hasProperties: bodies.hasProperties(body),
      expiresWallMs: expiresS === 0 ? NEVER : this.#wall(expiresS * 1000),
      storedMs: bodies.storedMs[body]!,
    };
  }

  /** What senders of messages to groups are still to be told, the oldest first. */
  #addOwed(): void {
    const { ledger } = this.#home.groups;
    if (this.#owed === 0) this.#firstOwed = ledger.first;
    const end = Math.min(ledger.rows, this.#owed + SLICE_ROWS);
    for (; this.#owed < end && this.#frames.bytes < SLICE_BYTES; this.#owed++) {
      const row = (this.#firstOwed + this.#owed) % ledger.rows;
      if (!ledger.isOwing(row)) continue;
      this.#add({
        kind: 'owed',
        row,
        generation: ledger.generation(row),
        senderRow: ledger.senderRow[row]!,
        senderGeneration: ledger.senderGeneration[row]!,
        packetId: ledger.packetId[row]!,
        asked: ledger.isAsked[row]!,
        stored: ledger.stored[row]!,
        refused: ledger.refused[row]!,
        accepted: ledger.accepted[row]!,
        name: ledger.bytes.slice(ledger.nameStart(row), ledger.nameEnd(row)),
        correlation: ledger.bytes.slice(ledger.nameEnd(row), ledger.textEnd(row)),
      });
    }
  }

  #addParked(): void {
    const { aside, nodes } = this.#home.mailboxes;
    let number = aside.added - aside.kept;
    for (let node = aside.head; node >= 0; node = nodes.next[node]!, number++) {
      if (number < this.#parked) continue;
      if (this.#frames.bytes >= SLICE_BYTES) return;
      this.#add({ kind: 'parked', ...this.#body(nodes.body[node]!) });
      this.#parked = number + 1;
    }
  }

  #wall(ms: number): number {
    return Math.max(0, ms + this.#wallOffsetMs);
  }
}
