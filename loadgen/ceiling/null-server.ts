// An MQTT server (3.1.1 or 5, as the load) that does nothing but answer: logs everybody in, hands each message on to
// the one who subscribed to its topic 'm/<uid>', acknowledges, forgets. What a generator reaches against
// it is the ceiling of generator and host together; no real server can show more.
//
// For a load of messages that only come back (tcp:// and ws:// targets) it sends back all bytes, whatever they are.
//
// Not a broker: no queues, no sessions, no redelivery; packet ids are those of the sender. Cost: the
// reactor's own, and about 1 us a message.

import type { Conn } from '#core/socket/reactor.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { decodeSubscribe, nextFilter, SubscribeFields } from '#core/wire/mqtt/decode-subscribe.ts';
import {
  encodeConnack,
  encodePingresp,
  encodePuback,
  encodePublish,
  encodeSuback,
} from '#core/wire/mqtt/encode.ts';
import { encodeCodes5, encodeConnack5, encodePublish5 } from '#core/wire/mqtt/encode-5.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PACKET, PROTOCOL_LEVEL_5 } from '#core/wire/mqtt/packet.ts';
import { NullHandler } from '#loadgen/ceiling/null-handler.ts';

/** Of one packet, and so of what is sent on at once. */
export const PACKET_BYTES_MAX = 128 * 1024;
const FILTERS_MAX = 8;
const LETTER_M = 0x6d;
const DIGIT_0 = 0x30;
/** A mailbox is 'm/' and eight digits. */
const MAILBOX_BYTES = 10;
const RECEIPT_TOPIC = new TextEncoder().encode('r/00000000');
const RECEIPT_TEXT = new TextEncoder().encode('00000000 1');

export class NullServer extends NullHandler {
  readonly #echoes: boolean;
  readonly #level: number;
  readonly #receipt: Uint8Array;
  /** Connection of each mailbox; only as many as users subscribe. */
  readonly #mailboxes = new Map<number, Conn>();
  /** Begun packets: few at a time. */
  readonly #rests = new Map<Conn, Uint8Array>();
  readonly #publish = new PublishFields();
  readonly #subscribe = new SubscribeFields();
  readonly #codes = new Uint8Array(FILTERS_MAX).fill(1);
  readonly #answer = new Uint8Array(64);

  /**
   * `receipts`: answers each message with a second check mark too, as wsar serve does; `echoes`: speaks no MQTT and
   * sends all back; `level`: of the MQTT that the load speaks.
   */
  constructor(receipts: boolean, echoes: boolean, level: number, isOver: () => boolean) {
    super(isOver);
    this.#echoes = echoes;
    this.#level = level;
    const out = new Uint8Array(64);
    const [topic, text] = [RECEIPT_TOPIC, RECEIPT_TEXT];
    const length = this.#is5
      ? encodePublish5(
          ...([out, 0, topic, topic.length, 0, 0, false, false, undefined] as const),
          ...([text, 0, text.length] as const),
        )
      : encodePublish(out, 0, topic, topic.length, 0, 0, false, false, text, 0, text.length);
    this.#receipt = out.subarray(0, receipts ? length : 0);
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#echoes) {
      this.reactor?.send(conn, bytes, start, end);
      return;
    }
    const rest = this.#rests.get(conn);
    if (rest !== undefined) {
      const whole = new Uint8Array(rest.length + end - start);
      whole.set(rest);
      whole.set(bytes.subarray(start, end), rest.length);
      this.#rests.delete(conn);
      this.#read(conn, whole, 0, whole.length);
    } else this.#read(conn, bytes, start, end);
  }

  override onClose(conn: Conn): void {
    this.#rests.delete(conn);
  }

  #read(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const length = frameLength(bytes, at, end, PACKET_BYTES_MAX);
      if (length < 0) {
        this.reactor?.abort(conn);
        return;
      }
      if (length === 0) {
        this.#rests.set(conn, bytes.slice(at, end));
        return;
      }
      this.#packet(conn, bytes, at, at + length);
      at += length;
    }
  }

  #packet(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const answer = this.#answer;
    const type = bytes[start]! >>> 4;
    if (type === PACKET.publish) this.#message(conn, bytes, start, end);
    else if (type === PACKET.connect) {
      const encode = this.#is5 ? encodeConnack5 : encodeConnack;
      this.#send(conn, answer, encode(answer, 0, false, 0));
    } else if (type === PACKET.subscribe) this.#subscribed(conn, bytes, start, end);
    else if (type === PACKET.pingreq) this.#send(conn, answer, encodePingresp(answer, 0));
    else if (type === PACKET.disconnect) this.reactor?.close(conn);
    // A receiver's PUBACK is left: nothing waits for it.
  }

  #message(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const fields = this.#publish;
    if (decodePublish(bytes, start, end, fields, this.#level) !== 0) {
      this.reactor?.abort(conn);
      return;
    }
    if (fields.qos === 1) {
      this.#send(conn, this.#answer, encodePuback(this.#answer, 0, fields.packetId));
    }
    const mailbox = mailboxNumber(bytes, fields.topicStart, fields.topicEnd);
    const receiver = this.#mailboxes.get(mailbox);
    if (receiver !== undefined) this.reactor?.send(receiver, bytes, start, end);
    if (this.#receipt.length > 0) this.#send(conn, this.#receipt, this.#receipt.length);
  }

  #subscribed(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    const fields = this.#subscribe;
    const flaw = decodeSubscribe(bytes, start, end, fields, this.#level);
    if (flaw !== 0 || fields.filterCount > FILTERS_MAX) {
      this.reactor?.abort(conn);
      return;
    }
    while (nextFilter(bytes, end, fields)) {
      const mailbox = mailboxNumber(bytes, fields.filterStart, fields.filterEnd);
      if (mailbox >= 0) this.#mailboxes.set(mailbox, conn);
    }
    const { packetId, filterCount } = fields;
    const [answer, codes] = [this.#answer, this.#codes];
    const length = this.#is5
      ? encodeCodes5(answer, 0, PACKET.suback, packetId, codes, filterCount)
      : encodeSuback(answer, 0, packetId, codes, filterCount);
    this.#send(conn, answer, length);
  }

  get #is5(): boolean {
    return this.#level === PROTOCOL_LEVEL_5;
  }

  #send(conn: Conn, bytes: Uint8Array, length: number): void {
    this.reactor?.send(conn, bytes, 0, length);
  }
}

/** The number in 'm/<eight digits>'; -1 for any other topic. */
function mailboxNumber(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== MAILBOX_BYTES || bytes[start] !== LETTER_M) return -1;
  let value = 0;
  for (let i = start + 2; i < end; i++) value = value * 10 + bytes[i]! - DIGIT_0;
  return value;
}
