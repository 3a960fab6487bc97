// What arrives at the users of one worker: messages are timed, counted once and acknowledged;
// receipts, presence, hints and acknowledgements are counted. With client receipts it answers each message with one.
//
// Cost: about 1 us a message; no allocation.

import type { Clock } from '#core/clock/clock.ts';
import type { Conn } from '#core/socket/reactor.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodePuback } from '#core/wire/mqtt/encode.ts';
import { ARRIVAL, type FlightTable, type GroupFlights } from '#loadgen/flight-table.ts';
import type { GroupMap } from '#loadgen/group-map.ts';
import type { AwayUsers } from '#loadgen/hosts/away-users.ts';
import type { GroupLedger } from '#loadgen/hosts/group-ledger.ts';
import type { Timings } from '#loadgen/interval-timings.ts';
import { networkOf, type UserNetwork } from '#loadgen/network-mix.ts';
import type { ClientReactor } from '#loadgen/transport/client-reactor.ts';
import { isHint, MessageHeader, type UserPackets } from '#loadgen/user-packets.ts';
import type { UserTable } from '#loadgen/user-table.ts';
import { BOARD, type Board } from '#loadgen/worker-board.ts';

const LETTER = { g: 0x67, p: 0x70, r: 0x72 } as const;

/** Who waits for messages to arrive: told the sender and the number of each. */
export interface ArrivalWaiter {
  arrived(sender: number, index: number): void;
}

export interface MessageReceiverParts {
  clock: Clock;
  reactor: ClientReactor;
  users: UserTable;
  flights: FlightTable;
  timings: Timings;
  board: Board;
  /** Number of this run, u32. */
  run: number;
  /** Protocol level of MQTT. */
  level: number;
  seed: number;
  /** Makes the receipts, when that is the receiver's part. */
  receipts?: UserPackets | undefined;
  waiter?: ArrivalWaiter | undefined;
  groups?: GroupMap | undefined;
  /** Undefined where members of other hosts have part of a message. */
  groupFlights?: GroupFlights | undefined;
  /** With other hosts only. */
  ledger?: GroupLedger | undefined;
  /** With other hosts whose users come and go. */
  away?: AwayUsers | undefined;
  /** Part of the timings that is of groups, see latency-parts.ts; -1 = none. */
  groupPart: number;
  /** Each has its part, in this order. */
  networks: readonly UserNetwork[];
}

export class MessageReceiver {
  readonly #parts: MessageReceiverParts;
  readonly #fields = new PublishFields();
  readonly #header: MessageHeader;
  readonly #puback = new Uint8Array(4);
  readonly #hasNetworks: boolean;

  constructor(parts: MessageReceiverParts) {
    this.#parts = parts;
    this.#header = new MessageHeader(parts.run);
    this.#hasNetworks = parts.networks.length > 0;
  }

  /** Takes a PUBLISH (its head at least); false when it is none. */
  publish(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const fields = this.#fields;
    const { level, reactor, board } = this.#parts;
    if (decodePublish(bytes, start, end, fields, level) !== 0) return false;
    if (fields.qos === 1) {
      encodePuback(this.#puback, 0, fields.packetId);
      // Refused only when 64 KiB of acknowledgements wait: the broker then sends again, which is
      // counted.
      reactor.send(conn, this.#puback, 0, 4);
    }
    const { topicStart, payloadStart } = fields;
    switch (bytes[topicStart]) {
      case LETTER.r:
        // Those of groups begin with their topic.
        board[bytes[payloadStart] === LETTER.g ? BOARD.groupReceipts : BOARD.receipts]!++;
        break;
      case LETTER.p:
        board[BOARD.presenceReceived]!++;
        break;
      case LETTER.g:
        this.#groupMessage(conn, bytes, payloadStart, end);
        break;
      default:
        this.#message(conn, bytes, payloadStart, end);
    }
    return true;
  }

  #message(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const { board, flights, waiter, run } = this.#parts;
    const header = this.#header;
    if (!header.read(bytes, start, end) || !flights.arrive(header.index)) {
      if (isHint(bytes, start, end, run)) board[BOARD.hintsReceived]!++;
      else board[BOARD.unmatched]!++;
      return;
    }
    this.#arrived(conn);
    waiter?.arrived(header.sender, header.index);
  }

  /** A copy of a message to a group; its number follows from the ranks of who wrote and who got it. */
  #groupMessage(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const { board, flights, groups, users, groupFlights, groupPart, timings, clock } = this.#parts;
    const header = this.#header;
    const member = users.first + users.userOf[conn]!;
    const group = groups?.groupOf(member) ?? -1;
    if (!header.read(bytes, start, end) || group < 0 || groups!.groupOf(header.sender) !== group) {
      board[BOARD.unmatched]!++;
      return;
    }
    if (header.sender === member) {
      board[BOARD.groupOwn]!++;
      return;
    }
    const copy = copyOf(groups!, group, header.sender, member);
    const arrival = flights.arriveAtMember(header.index + copy);
    if (arrival !== ARRIVAL.expected) {
      board[arrival === ARRIVAL.extra ? BOARD.groupExtra : BOARD.unmatched]!++;
      return;
    }
    if (this.#wasAway(member)) {
      board[BOARD.groupExtra]!++;
      return;
    }
    board[BOARD.groupReceived]!++;
    this.#parts.ledger?.arrived(header.index);
    this.#arrived(conn);
    if (groupFlights?.arrive(header.index) === true) {
      board[BOARD.groupComplete]!++;
      timings.parts[groupPart]!.record(Math.max(0, clock.monoUs() - header.intendedUs));
    }
  }

  /** Whether the writer, on another host, did not expect a member here to be there. */
  #wasAway(member: number): boolean {
    const { away } = this.#parts;
    const { sender, sentUs } = this.#header;
    return away !== undefined && !away.isHere(sender) && away.isAwayByPlan(member, sentUs);
  }

  /** The message of `header` is with the user of `conn`. */
  #arrived(conn: Conn): void {
    const { receipts, reactor, clock, board, timings, users, networks, seed } = this.#parts;
    const { sender, intendedUs, sentUs } = this.#header;
    if (receipts !== undefined) {
      receipts.writeReceipt(sender);
      reactor.send(conn, receipts.receipt, 0, receipts.receipt.length);
    }
    const nowUs = clock.monoUs();
    board[BOARD.received]!++;
    // Clocks of two threads agree within a microsecond or two, which may make a tiny time negative.
    const latencyUs = Math.max(0, nowUs - intendedUs);
    timings.latency.record(latencyUs);
    timings.service.record(Math.max(0, nowUs - sentUs));
    if (!this.#hasNetworks) return;
    const network = networkOf(networks, seed, users.first + users.userOf[conn]!);
    timings.parts[network]!.record(latencyUs);
  }
}

/** Which of the deliveries of a message to a group is that of `member`: 0 to its size - 2. */
export function copyOf(groups: GroupMap, group: number, writer: number, member: number): number {
  const size = groups.sizeOf(group);
  return ((groups.rankOf(member) - groups.rankOf(writer) + size) % size) - 1;
}
