// Servers that only send back what they get (raw TCP, WebSocket echo), made to look like an MQTT server to
// a population: a login is granted here, a message goes out in the framing of the target and comes back
// to its own sender, where it counts as acknowledged and received. So plan, latency, lateness, gates and
// report are the same for every target.
//
//   length   u32 big-endian, then that many bytes: the payload as it is
//   line     the 36 bytes of the payload's header in base64, filler '.', '\n'
//
// Cost: one copy a message each way; the bytes of packet-reader.ts a connection.

import type { CloseReason, Conn } from '#core/socket/reactor.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import {
  encodeConnack,
  encodePingresp,
  encodePuback,
  encodePublish,
  encodeSuback,
} from '#core/wire/mqtt/encode.ts';
import { FLAW, PACKET } from '#core/wire/mqtt/packet.ts';
import { PacketReader } from '#loadgen/packet-reader.ts';
import { Layer } from '#loadgen/transport/layer.ts';
import { PAYLOAD_BYTES_MIN } from '#loadgen/user-packets.ts';

export const FRAMINGS = ['length', 'line'] as const;
export type Framing = (typeof FRAMINGS)[number];

const LENGTH_BYTES = 4;
const HEADER_TEXT_BYTES = (PAYLOAD_BYTES_MIN / 3) * 4;
const NEWLINE = 0x0a;
const FILLER = 0x2e;
const CUT_PACKETS_MAX = 4096;
const TOPIC = new TextEncoder().encode('m/00000000');
/** Answers that are due at the next turn. */
const ANSWER = { login: 0, ping: 1 } as const;

export class EchoLayer extends Layer {
  readonly #framing: Framing;
  readonly #frameBytes: number;
  readonly #reader: PacketReader;
  readonly #fields = new PublishFields();
  readonly #out: Uint8Array;
  readonly #header = Buffer.alloc(PAYLOAD_BYTES_MIN);
  readonly #answer = new Uint8Array(128);
  readonly #codes = Uint8Array.of(1, 1);
  /** Connection and kind, by turns. At most two a connection. */
  readonly #due: number[] = [];
  #packetId = 0;

  constructor(framing: Framing, connections: number, payloadBytes: number) {
    super();
    this.#framing = framing;
    const filler = payloadBytes - PAYLOAD_BYTES_MIN;
    this.#frameBytes =
      framing === 'length' ? LENGTH_BYTES + payloadBytes : HEADER_TEXT_BYTES + filler + 1;
    this.#out = new Uint8Array(this.#frameBytes);
    this.#reader = new PacketReader(
      connections,
      Math.min(connections, CUT_PACKETS_MAX),
      (conn, bytes, start, end) => this.#echoed(conn, bytes, start, end),
      (bytes, start, end) => this.#measure(bytes, start, end),
    );
  }

  override send(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const type = bytes[start]! >>> 4;
    if (type === PACKET.publish) return this.#sendMessage(conn, bytes, start, end);
    if (type === PACKET.disconnect) this.lower.endOutput(conn);
    else if (type === PACKET.connect) this.#due.push(conn, ANSWER.login);
    else if (type === PACKET.pingreq) this.#due.push(conn, ANSWER.ping);
    return true;
  }

  override onData(conn: Conn, bytes: Uint8Array, start: number, end: number): void {
    if (this.#reader.feed(conn, bytes, start, end) < 0) this.lower.abort(conn);
  }

  override onClose(conn: Conn, reason: CloseReason, errno: number): void {
    this.#reader.drop(conn);
    for (let i = 0; i < this.#due.length; i += 2) if (this.#due[i] === conn) this.#due[i] = -1;
    this.upper.onClose(conn, reason, errno);
  }

  override onTurn(nowUs: number): number {
    for (let i = 0; i < this.#due.length; i += 2) {
      const conn = this.#due[i]!;
      // Its connection has gone since.
      if (conn >= 0) this.#grant(conn, this.#due[i + 1]!);
    }
    this.#due.length = 0;
    const waitUs = this.upper.onTurn(nowUs);
    return this.#due.length > 0 ? 0 : waitUs;
  }

  #grant(conn: Conn, kind: number): void {
    const out = this.#answer;
    let end: number;
    if (kind === ANSWER.ping) end = encodePingresp(out, 0);
    else end = encodeSuback(out, encodeConnack(out, 0, false, 0), 1, this.#codes, 2);
    this.upper.onData(conn, out, 0, end);
  }

  #sendMessage(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const fields = this.#fields;
    decodePublish(bytes, start, end, fields);
    const from = fields.payloadStart;
    const out = this.#out;
    if (this.#framing === 'length') {
      const length = end - from;
      out[0] = length >>> 24;
      out[1] = (length >>> 16) & 0xff;
      out[2] = (length >>> 8) & 0xff;
      out[3] = length & 0xff;
      for (let i = 0; i < length; i++) out[LENGTH_BYTES + i] = bytes[from + i]!;
    } else {
      for (let i = 0; i < PAYLOAD_BYTES_MIN; i++) this.#header[i] = bytes[from + i]!;
      const text = this.#header.toString('base64');
      for (let i = 0; i < HEADER_TEXT_BYTES; i++) out[i] = text.charCodeAt(i);
      out.fill(FILLER, HEADER_TEXT_BYTES, this.#frameBytes - 1);
      out[this.#frameBytes - 1] = NEWLINE;
    }
    return this.lower.send(conn, out, 0, this.#frameBytes);
  }

  /** All frames of a run are of one length; anything else is no echo. */
  #measure(bytes: Uint8Array, start: number, end: number): number {
    if (this.#framing === 'line') return this.#frameBytes;
    if (end - start < LENGTH_BYTES) return 0;
    const length =
      bytes[start]! * 2 ** 24 +
      ((bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!);
    return length + LENGTH_BYTES === this.#frameBytes ? this.#frameBytes : FLAW.tooLarge;
  }

  /** A frame has come back (its head at least): acknowledgement and message in one. */
  #echoed(conn: Conn, bytes: Uint8Array, start: number, end: number): boolean {
    const out = this.#answer;
    let header: Uint8Array = this.#header;
    let from = 0;
    if (this.#framing === 'line') {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, HEADER_TEXT_BYTES);
      header = Buffer.from(text.toString('latin1'), 'base64');
    } else {
      header = bytes;
      from = start + LENGTH_BYTES;
    }
    const until = Math.min(header.length, from + PAYLOAD_BYTES_MIN);
    if (from > end && header === bytes) return false;
    this.#packetId = (this.#packetId % 65_535) + 1;
    const at = encodePuback(out, 0, this.#packetId);
    const topicLength = TOPIC.length;
    const length = encodePublish(
      out,
      at,
      TOPIC,
      topicLength,
      0,
      0,
      false,
      false,
      header,
      from,
      until,
    );
    this.upper.onData(conn, out, 0, length);
    return true;
  }
}
