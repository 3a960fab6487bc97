// Receipts, the second check mark: what the home of a receiver says when a message was accepted, and how the
// home of its sender tells it to who subscribed to r/<own uid>.
//
//   subscribed with QoS 0   only while it is online. '<uid> <packet id>' at once, a message each; gathered
//                           (receipt-batches.ts) when its PUBLISH named r/<own uid> as Response Topic
//   subscribed with QoS 1   always gathered, and stored in the mailbox until it is accepted or a day old: what is
//                           for a session that is away waits there, up to a hundred in a message
//
// A third word says what else can become of a message: 'parked', when its receiver cannot take it; of a group
// see group-desk.ts. Receipts cause no receipts.

import type { Clock } from '#core/clock/clock.ts';
import { copyBytes, encodePublish } from '#core/wire/mqtt/encode.ts';
import { encodePublish5 } from '#core/wire/mqtt/encode-5.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter, writeVariable } from '#core/wire/mqtt/property-writer.ts';
import { CORRELATION_BYTES_MAX, ReceiptBatches } from '#reference-server/home/receipt-batches.ts';
import {
  appendResponse,
  RECEIPT_BYTES_MAX,
  writeReceipt,
} from '#reference-server/home/receipt-text.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import type { UserTable } from '#reference-server/home/user-table.ts';
import { USER_TOPIC_BYTES_MAX, writeUserTopic } from '#reference-server/home/user-topic.ts';
import type { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import { STAT, type WorkerStats } from '#reference-server/statistics/worker-stats.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

const RECEIPT_PREFIX = 0x72;
const LINE_FEED = 0x0a;
/** A batch with its topic and properties. */
const PACKET_BYTES_MAX = 40 * 1024;
const PARKED = Buffer.from(' parked');
const IS_TOLD = USER.online | USER.receiptsQos1;

export interface ReceiptDeskOptions {
  coalesceMs: number;
  /** How long a receipt waits for a sender who is away, s. */
  expiryS: number;
  batchesMax: number;
  receiptsMax: number;
  bytesMax: number;
  users: UserTable;
  state: UserState;
  mailboxes: Mailboxes;
  exchange: Exchange;
  stats: WorkerStats;
  clock: Clock;
  /** Sends what the mailbox now has. */
  pump: (row: number) => void;
}

export class ReceiptDesk {
  readonly batches: ReceiptBatches;
  readonly #options: ReceiptDeskOptions;
  readonly #text = new Uint8Array(RECEIPT_BYTES_MAX);
  readonly #topic = new Uint8Array(USER_TOPIC_BYTES_MAX);
  readonly #out = new Uint8Array(PACKET_BYTES_MAX);
  readonly #properties = new PropertyWriter(CORRELATION_BYTES_MAX + 8);

  constructor(options: ReceiptDeskOptions) {
    this.#options = options;
    const { users, coalesceMs } = options;
    this.batches = new ReceiptBatches(
      options,
      coalesceMs,
      (row, generation, text, end, count, correlation, correlationBytes) => {
        if (!users.isCurrent(row, generation)) return;
        const properties = this.#properties.clear();
        if (correlationBytes > 0) {
          properties.binary(PROPERTY.correlationData, correlation.subarray(0, correlationBytes));
        }
        if (!options.state.has(row, USER.receiptsQos1)) this.#send(row, text, 1, end, properties);
        else this.#store(row, text, end, count, properties);
      },
    );
  }

  /** The user in `row` accepted the message that `mailboxes` has just removed, or could not take it. */
  accepted(row: number, isParked = false): void {
    const { users, exchange, mailboxes } = this.#options;
    const { accepted, acceptedProperties, acceptedPropertiesLength } = mailboxes;
    // A sender of this worker can be asked before the text is made: most want no receipts.
    const isHere = accepted.worker === exchange.self && acceptedPropertiesLength === 0;
    if (isHere && !this.#isWanted(accepted.row)) return;
    const text = this.#text;
    let end = writeReceipt(text, users, row, accepted.packetId);
    if (isParked) {
      text.set(PARKED, end);
      end += PARKED.length;
    }
    if (acceptedPropertiesLength > 0) {
      end = appendResponse(text, end, acceptedProperties, acceptedPropertiesLength);
      if (end < 0) return;
    }
    exchange.receipt(accepted.worker, accepted.row, accepted.generation, text, 0, end);
  }

  /** A receipt for the user in `row` came from the home of who accepted. */
  arrived(row: number, generation: number, bytes: Uint8Array, start: number, end: number): void {
    const textEnd = indexOf(bytes, start, end, LINE_FEED);
    if (textEnd === end) {
      this.tell(row, generation, bytes, start, end, end, end, false);
      return;
    }
    // Nobody is sent the receipts of others.
    const uidEnd = indexOf(bytes, textEnd + 1, end, LINE_FEED);
    if (!this.#options.users.isUid(row, bytes, textEnd + 1, uidEnd)) return;
    this.tell(row, generation, bytes, start, textEnd, uidEnd + 1, end, true);
  }

  /** Tells a user the receipt in [start, textEnd), with its Correlation Data; `isAsked`: by a Response Topic. */
  tell(
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    textEnd: number,
    correlationStart: number,
    end: number,
    isAsked: boolean,
  ): void {
    const { state, clock } = this.#options;
    if (!state.has(row, USER.receipts)) return;
    if (!isAsked && !state.has(row, USER.receiptsQos1)) {
      this.#send(row, bytes, start, textEnd, undefined);
      return;
    }
    const nowMs = clock.monoUs() / 1000;
    this.batches.add(row, generation, bytes, start, textEnd, correlationStart, end, nowMs);
  }

  /** True while receipts gather. */
  get isWaiting(): boolean {
    return this.batches.size > 0;
  }

  /** Sends what has gathered long enough. */
  flush(): void {
    this.batches.flush(this.#options.clock.monoUs() / 1000);
  }

  /** Puts a batch into the mailbox of its user, who may be away. */
  #store(
    row: number,
    text: Uint8Array,
    end: number,
    count: number,
    properties: PropertyWriter,
  ): void {
    const { state, mailboxes, stats, clock, expiryS, pump } = this.#options;
    if (!state.has(row, USER.receipts)) return;
    const expiresS = Math.ceil(clock.monoUs() / 1_000_000) + expiryS;
    const before = mailboxes.length(row);
    // Who is away gets them gathered: a property belongs to one of them only.
    const isAlone = properties.length > 0 && state.has(row, USER.online);
    let bytes = text;
    if (isAlone) {
      bytes = this.#out;
      const at = writeVariable(bytes, 0, properties.length);
      const textAt = copyBytes(bytes, at, properties.bytes, 0, properties.length);
      end = copyBytes(bytes, textAt, text, 1, end);
    }
    if (!mailboxes.putReceipts(row, bytes, 0, end, count, expiresS, isAlone)) return;
    if (mailboxes.length(row) > before) stats[STAT.enqueued]!++;
    pump(row);
  }

  /** Whether the user is told of receipts: while it is there, or when they wait for it. */
  #isWanted(row: number): boolean {
    const { state } = this.#options;
    return state.has(row, USER.receipts) && (state.flags[row]! & IS_TOLD) !== 0;
  }

  #send(
    row: number,
    text: Uint8Array,
    start: number,
    end: number,
    properties: PropertyWriter | undefined,
  ): void {
    const { users, state, exchange } = this.#options;
    const wanted = USER.online | USER.receipts;
    const flags = state.flags[row]!;
    if ((flags & wanted) !== wanted) return;
    const topic = this.#topic;
    const size = writeUserTopic(topic, RECEIPT_PREFIX, users, row);
    const out = this.#out;
    const length =
      (flags & USER.v5) === 0
        ? encodePublish(out, 0, topic, size, 0, 0, false, false, text, start, end)
        : encodePublish5(out, 0, topic, size, 0, 0, false, false, properties, text, start, end);
    const { worker, conn, connGeneration } = state;
    const { receipt } = OUTPUT;
    exchange.output(worker[row]!, conn[row]!, connGeneration[row]!, receipt, out, 0, length);
  }
}

/** Where `byte` stands in [start, end), or `end`. */
function indexOf(bytes: Uint8Array, start: number, end: number, byte: number): number {
  let at = start;
  while (at < end && bytes[at] !== byte) at++;
  return at;
}
