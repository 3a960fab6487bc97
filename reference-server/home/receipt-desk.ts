// Receipts, the second check mark: what the home of a receiver says when a message was accepted, and how the
// home of its sender tells it. A sender that subscribed to r/<own uid> gets them, while it is online.
//
// The express form is '<uid> <packet id>' in a message of its own; see receipt-batches.ts for the other.

import { encodePublish } from '#core/wire/mqtt/encode.ts';
import { encodePublish5 } from '#core/wire/mqtt/encode-5.ts';
import type { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import { appendResponse, ReceiptBatches } from '#reference-server/home/receipt-batches.ts';
import { RECEIPT_BYTES_MAX, writeReceipt } from '#reference-server/home/receipt-text.ts';
import { USER, type UserState } from '#reference-server/home/user-state.ts';
import type { UserTable } from '#reference-server/home/user-table.ts';
import { USER_TOPIC_BYTES_MAX, writeUserTopic } from '#reference-server/home/user-topic.ts';
import type { Mailboxes } from '#reference-server/mailbox/mailboxes.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';
import { OUTPUT } from '#reference-server/worker/frame-type.ts';

const RECEIPT_PREFIX = 0x72;
const LINE_FEED = 0x0a;
/** Text of a whole batch. */
const PACKET_BYTES_MAX = 100 * (RECEIPT_BYTES_MAX * 2) + USER_TOPIC_BYTES_MAX + 64;

export interface ReceiptDeskOptions {
  coalesceMs: number;
  users: UserTable;
  state: UserState;
  exchange: Exchange;
}

export class ReceiptDesk {
  readonly #options: ReceiptDeskOptions;
  readonly #batches: ReceiptBatches;
  readonly #text = new Uint8Array(RECEIPT_BYTES_MAX);
  readonly #topic = new Uint8Array(USER_TOPIC_BYTES_MAX);
  readonly #out = new Uint8Array(PACKET_BYTES_MAX);

  constructor(options: ReceiptDeskOptions) {
    this.#options = options;
    this.#batches = new ReceiptBatches(options.coalesceMs, (row, generation, text, properties) => {
      if (options.users.isCurrent(row, generation)) {
        this.#send(row, text, 0, text.length, properties);
      }
    });
  }

  /** True while receipts gather. */
  get isWaiting(): boolean {
    return this.#batches.size > 0;
  }

  /** The user in `row` accepted the message that `mailboxes` has just removed. */
  accepted(row: number, mailboxes: Mailboxes): void {
    const { users, exchange } = this.#options;
    const { accepted, acceptedProperties, acceptedPropertiesLength } = mailboxes;
    // A sender of this worker can be asked before the text is made: most want no receipts.
    const isHere = accepted.worker === exchange.self && acceptedPropertiesLength === 0;
    if (isHere && !this.#isWanted(accepted.row)) return;
    const text = this.#text;
    let end = writeReceipt(text, users, row, accepted.packetId);
    if (acceptedPropertiesLength > 0) {
      end = appendResponse(text, end, acceptedProperties, acceptedPropertiesLength);
      if (end < 0) return;
    }
    exchange.receipt(accepted.worker, accepted.row, accepted.generation, text, 0, end);
  }

  /** A receipt for the user in `row` came from the home of who accepted. */
  arrived(
    row: number,
    generation: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: () => number,
  ): void {
    const textEnd = indexOf(bytes, start, end, LINE_FEED);
    if (textEnd === end) {
      this.#send(row, bytes, start, end, undefined);
      return;
    }
    // Nobody is sent the receipts of others.
    const uidEnd = indexOf(bytes, textEnd + 1, end, LINE_FEED);
    if (!this.#options.users.isUid(row, bytes, textEnd + 1, uidEnd)) return;
    this.#batches.add(row, generation, bytes, start, textEnd, uidEnd + 1, end, nowMs());
  }

  /** Sends what has gathered long enough. */
  flush(nowMs: number): void {
    this.#batches.flush(nowMs);
  }

  #isWanted(row: number): boolean {
    const wanted = USER.online | USER.receipts;
    return (this.#options.state.flags[row]! & wanted) === wanted;
  }

  #send(
    row: number,
    text: Uint8Array,
    start: number,
    end: number,
    properties: PropertyWriter | undefined,
  ): void {
    const { users, state, exchange } = this.#options;
    if (!this.#isWanted(row)) return;
    const flags = state.flags[row]!;
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
