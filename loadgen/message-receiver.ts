// What arrives at the users of one worker: messages are timed, counted once and acknowledged;
// receipts and acknowledgements are counted. With client receipts it answers each message with one.
//
// Cost: about 1 us a message; no allocation.

import type { Clock } from '#core/clock/clock.ts';
import type { Conn } from '#core/socket/reactor.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodePuback } from '#core/wire/mqtt/encode.ts';
import type { FlightTable } from '#loadgen/flight-table.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { MessageHeader, type UserPackets } from '#loadgen/user-packets.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

const LETTER_R = 0x72;

/** Who waits for messages to arrive: told the sender and the number of each. */
export interface ArrivalWaiter {
  arrived(sender: number, index: number): void;
}

export class MessageReceiver {
  readonly #clock: Clock;
  readonly #reactor: ClientReactor;
  readonly #level: number;
  /** Makes the receipts, when that is the receiver's part. */
  readonly #receipts: UserPackets | undefined;
  readonly #flights: FlightTable;
  readonly #timings: Timings;
  readonly #board: Board;
  readonly #fields = new PublishFields();
  readonly #header: MessageHeader;
  readonly #puback = new Uint8Array(4);
  readonly #waiter: ArrivalWaiter | undefined;

  constructor(
    clock: Clock,
    reactor: ClientReactor,
    flights: FlightTable,
    timings: Timings,
    board: Board,
    run: number,
    level: number,
    receipts?: UserPackets,
    waiter?: ArrivalWaiter,
  ) {
    this.#receipts = receipts;
    this.#waiter = waiter;
    this.#level = level;
    this.#clock = clock;
    this.#reactor = reactor;
    this.#flights = flights;
    this.#timings = timings;
    this.#board = board;
    this.#header = new MessageHeader(run);
  }

  /** Takes a PUBLISH (its head at least); false when it is none. */
  publish(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const fields = this.#fields;
    if (decodePublish(bytes, start, end, fields, this.#level) !== 0) return false;
    if (fields.qos === 1) {
      encodePuback(this.#puback, 0, fields.packetId);
      // Refused only when 64 KiB of acknowledgements wait: the broker then sends again, which is
      // counted.
      this.#reactor.send(conn, this.#puback, 0, 4);
    }
    if (bytes[fields.topicStart] === LETTER_R) this.#board[BOARD.receipts]!++;
    else this.#message(conn, bytes, fields.payloadStart, end);
    return true;
  }

  #message(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const header = this.#header;
    if (!header.read(bytes, start, end) || !this.#flights.arrive(header.index)) {
      this.#board[BOARD.unmatched]!++;
      return;
    }
    const packets = this.#receipts;
    if (packets !== undefined) {
      packets.writeReceipt(header.sender);
      this.#reactor.send(conn, packets.receipt, 0, packets.receipt.length);
    }
    const nowUs = this.#clock.monoUs();
    this.#board[BOARD.received]!++;
    // Clocks of two threads agree within a microsecond or two, which may make a tiny time negative.
    this.#timings.latency.record(Math.max(0, nowUs - header.intendedUs));
    this.#timings.service.record(Math.max(0, nowUs - header.sentUs));
    this.#waiter?.arrived(header.sender, header.index);
  }
}
