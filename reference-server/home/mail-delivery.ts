// What leaves a home for its users: stored messages while their window has room, unstored ones at once. It makes
// the PUBLISH, under the topic that its kind has (m/<own uid>, r/<own uid>, g/<gid>), for MQTT 3 or 5.
//
// No call allocates.

import type { Clock } from '#core/clock/clock.ts';
import { encodePublish } from '#core/wire/mqtt/encode.ts';
import { readVariable, variableLength } from '#core/wire/mqtt/properties.ts';
import type { Session } from '#reference-server/broker/session.ts';
import type { MailPackets } from '#reference-server/home/mail-packets.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import type { UserTable } from '#reference-server/home/user-table.ts';
import { USER_TOPIC_BYTES_MAX, writeUserTopic } from '#reference-server/home/user-topic.ts';
import { BODY } from '#reference-server/mailbox/bodies.ts';
import type { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

const INBOX_PREFIX = 0x6d;
const RECEIPT_PREFIX = 0x72;
const PUBLISH_OVERHEAD_MAX = 5 + 2 + USER_TOPIC_BYTES_MAX + 2;

export interface MailDeliveryOptions {
  packetBytesMax: number;
  users: UserTable;
  state: UserState;
  mailboxes: Mailboxes;
  mail: MailPackets;
  stats: WorkerStats;
  clock: Clock;
  /** The user's session of the broker, when it has one. */
  sessionOf: (row: number) => Session | undefined;
  /** Subscription Identifier of the user's membership in the group of a topic; 0 = none. */
  groupIdOf: (row: number, bytes: Uint8Array, start: number, end: number) => number;
  send: (row: number, kind: number, bytes: Uint8Array, end: number) => void;
}

export class MailDelivery {
  readonly #options: MailDeliveryOptions;
  readonly #out: Uint8Array;
  readonly #topic: Uint8Array;
  /** Row that `pump` works on: what it causes in this thread must not start it again. */
  #pumping = -1;

  constructor(options: MailDeliveryOptions) {
    this.#options = options;
    this.#out = new Uint8Array(options.packetBytesMax + PUBLISH_OVERHEAD_MAX);
    this.#topic = new Uint8Array(USER_TOPIC_BYTES_MAX);
  }

  /** Sends what the window allows. */
  pump(row: number): void {
    const { state, mailboxes, sessionOf } = this.#options;
    if (!state.has(row, USER.online) || this.#pumping === row) return;
    this.#pumping = row;
    const session = sessionOf(row);
    // A send may find its connection dead and log the user out: then there is nobody to send to.
    while (state.has(row, USER.online)) {
      const windowMax =
        session === undefined ? undefined : session.receiveMaximum - session.inflight.size;
      const isQos0 = !state.has(row, USER.inboxQos1);
      const node = mailboxes.take(row, isQos0, windowMax, state.has(row, USER.inbox));
      if (node < 0) break;
      this.#sendTaken(row, node, isQos0);
    }
    this.#pumping = -1;
  }

  /** A message that is not stored: to who is there and reads, dropped and counted for others. */
  sendUnstored(
    row: number,
    kind: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    hasProperties: boolean,
  ): void {
    const { state, stats, send } = this.#options;
    const subscribed =
      kind === BODY.mail ? USER.inbox : kind === BODY.receipt ? USER.receipts : USER.online;
    let length = 0;
    if (row >= 0 && state.has(row, USER.online) && state.has(row, subscribed)) {
      length = this.#write(
        row,
        kind,
        0,
        0,
        false,
        bytes,
        topicStart,
        topicEnd,
        start,
        end,
        hasProperties,
        0,
      );
    }
    if (length === 0) stats[STAT.dropped]!++;
    else send(row, kind === BODY.receipt ? OUTPUT.receipt : OUTPUT.message, this.#out, length);
  }

  #sendTaken(row: number, node: number, isQos0: boolean): void {
    const { mailboxes, state, stats, clock, send } = this.#options;
    const { bodies } = mailboxes;
    const body = mailboxes.body(node);
    const kind = bodies.kind(body);
    const expiresS = bodies.expiresS[body]!;
    const isDup = mailboxes.isDup(node);
    const packetId = mailboxes.packetId(node);
    const isWithoutId = isQos0 && kind === BODY.mail;
    const isLate = expiresS > 0 && expiresS * 1000 < clock.monoUs() / 1000;
    const isUnwanted = kind === BODY.receipt && !state.has(row, USER.receipts);
    const length =
      isLate || isUnwanted
        ? 0
        : this.#write(
            row,
            kind,
            isWithoutId ? 0 : 1,
            packetId,
            isDup,
            bodies.arena.bytes,
            bodies.topicStart(body),
            bodies.contentStart(body),
            bodies.contentStart(body),
            bodies.end(body),
            bodies.hasProperties(body),
            expiresS,
          );
    if (length === 0) {
      // Worth nothing any more, or larger than the client takes: off the list.
      if (isWithoutId) mailboxes.acceptWritten(row);
      else mailboxes.accept(row, packetId);
      stats[STAT.expired]!++;
      stats[STAT.dequeued]!++;
      return;
    }
    if (isDup) stats[STAT.redelivered]!++;
    send(row, isWithoutId ? OUTPUT.deliveryWithoutId : OUTPUT.delivery, this.#out, length);
  }

  /** Writes a PUBLISH to this user into `#out`; 0 when it is larger than the client takes. */
  #write(
    row: number,
    kind: number,
    qos: number,
    packetId: number,
    isDup: boolean,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
    start: number,
    end: number,
    hasProperties: boolean,
    expiresS: number,
  ): number {
    const { state, sessionOf, mail, clock } = this.#options;
    const topic = this.#topic;
    const length = this.#writeTopic(row, kind, bytes, topicStart, topicEnd);
    const out = this.#out;
    if (!state.has(row, USER.v5)) {
      if (hasProperties) start += variableLength(bytes, start) + readVariable(bytes, start, end);
      return encodePublish(out, 0, topic, length, qos, packetId, isDup, false, bytes, start, end);
    }
    const session = sessionOf(row);
    const leftS =
      expiresS === 0 ? -1 : Math.max(0, expiresS - Math.floor(clock.monoUs() / 1_000_000));
    const size = mail.write(
      out,
      topic,
      length,
      qos,
      packetId,
      isDup,
      bytes,
      start,
      end,
      hasProperties,
      leftS,
      this.#idOf(row, kind, session, length),
    );
    return session !== undefined && size > session.packetBytesMax ? 0 : size;
  }

  #writeTopic(
    row: number,
    kind: number,
    bytes: Uint8Array,
    topicStart: number,
    topicEnd: number,
  ): number {
    const topic = this.#topic;
    if (kind !== BODY.group) {
      const prefix = kind === BODY.mail ? INBOX_PREFIX : RECEIPT_PREFIX;
      return writeUserTopic(topic, prefix, this.#options.users, row);
    }
    for (let at = topicStart; at < topicEnd; at++) topic[at - topicStart] = bytes[at]!;
    return topicEnd - topicStart;
  }

  /** Identifier of the subscription that brought it; 0 = none. */
  #idOf(row: number, kind: number, session: Session | undefined, topicBytes: number): number {
    if (kind === BODY.group) return this.#options.groupIdOf(row, this.#topic, 2, topicBytes);
    if (session === undefined) return 0;
    return kind === BODY.mail ? session.mailboxId : session.receiptsId;
  }
}
