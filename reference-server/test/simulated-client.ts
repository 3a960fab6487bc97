// An MQTT client of a simulated cluster: speaks through the codec, keeps what it was told.

import { decodePacketId, decodeSuback, SubackFields } from '#core/wire/mqtt/decode-acknowledge.ts';
import { ConnackFields, decodeConnack } from '#core/wire/mqtt/decode-connect.ts';
import { decodePublish, PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import * as encode from '#core/wire/mqtt/encode.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PACKET } from '#core/wire/mqtt/packet.ts';
import type {
  SimulatedConnection,
  SimulatedWorker,
} from '#reference-server/test/simulated-cluster.ts';

export interface Delivery {
  topic: string;
  text: string;
  qos: number;
  packetId: number;
  dup: boolean;
}

export class SimulatedClient {
  readonly deliveries: Delivery[] = [];
  readonly pubacks: number[] = [];
  readonly subacks: number[][] = [];
  connack: { present: boolean; code: number } | undefined;
  pingresps = 0;
  readonly #worker: SimulatedWorker;
  readonly connection: SimulatedConnection;
  readonly #out = new Uint8Array(200_000);
  #unread = new Uint8Array(0);
  /** Bytes that the server does not read now. */
  #unsent: Uint8Array[] = [];

  constructor(worker: SimulatedWorker) {
    this.#worker = worker;
    this.connection = worker.reactor.accept();
  }

  get isOpen(): boolean {
    return this.#worker.reactor.isOpen(this.connection);
  }

  connect(clientId: string, cleanSession: boolean, keepAliveS = 0): void {
    this.send(encode.encodeConnect(this.#out, 0, { clientId, cleanSession, keepAliveS }));
  }

  subscribe(packetId: number, filters: string[], qos: number): void {
    this.send(encode.encodeSubscribe(this.#out, 0, packetId, filters, qos));
  }

  unsubscribe(packetId: number, filters: string[]): void {
    this.send(encode.encodeUnsubscribe(this.#out, 0, packetId, filters));
  }

  publish(topic: string, qos: number, packetId: number, text: string): void {
    const name = Buffer.from(topic);
    const payload = Buffer.from(text);
    const { length } = payload;
    this.send(
      encode.encodePublish(
        this.#out,
        0,
        name,
        name.length,
        qos,
        packetId,
        false,
        false,
        payload,
        0,
        length,
      ),
    );
  }

  puback(packetId: number): void {
    this.send(encode.encodePuback(this.#out, 0, packetId));
  }

  ping(): void {
    this.send(encode.encodePingreq(this.#out, 0));
  }

  disconnect(): void {
    this.send(encode.encodeDisconnect(this.#out, 0));
  }

  hangUp(isReset = false): void {
    this.#worker.reactor.hangUp(this.connection, isReset);
  }

  /** Sends the first `length` bytes of the scratch buffer, in the given pieces when there are any. */
  send(length: number, cuts: number[] = []): void {
    this.sendBytes(this.#out.slice(0, length), cuts);
  }

  sendBytes(bytes: Uint8Array, cuts: number[] = []): void {
    let at = 0;
    for (const cut of [
      ...cuts.map((value) => value % bytes.length).sort((a, b) => a - b),
      bytes.length,
    ]) {
      if (cut > at) this.#unsent.push(bytes.slice(at, cut));
      at = Math.max(at, cut);
    }
    this.push();
  }

  /** Sends what the server did not read before. */
  push(): void {
    while (this.#unsent.length > 0) {
      if (!this.#worker.reactor.receive(this.connection, this.#unsent[0]!)) break;
      this.#unsent.shift();
    }
  }

  /** Reads what the server has sent. */
  read(): void {
    const fresh = Uint8Array.from(this.connection.output.splice(0));
    const bytes = new Uint8Array(this.#unread.length + fresh.length);
    bytes.set(this.#unread);
    bytes.set(fresh, this.#unread.length);
    let at = 0;
    for (;;) {
      const length = frameLength(bytes, at, bytes.length, 300_000);
      if (length < 0) throw new Error(`the server sent no packet: flaw ${length}`);
      if (length === 0) break;
      this.#packet(bytes, at, at + length);
      at += length;
    }
    this.#unread = bytes.slice(at);
  }

  #packet(bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start]! >>> 4;
    if (type === PACKET.connack) {
      const fields = new ConnackFields();
      if (decodeConnack(bytes, start, end, fields) !== 0) throw new Error('bad CONNACK');
      this.connack = { present: fields.sessionPresent, code: fields.returnCode };
    } else if (type === PACKET.publish) {
      const fields = new PublishFields();
      if (decodePublish(bytes, start, end, fields) !== 0) throw new Error('bad PUBLISH');
      const { qos, packetId, dup, topicStart, topicEnd, payloadStart, payloadEnd } = fields;
      const text = (from: number, to: number): string =>
        Buffer.from(bytes.slice(from, to)).toString();
      this.deliveries.push({
        topic: text(topicStart, topicEnd),
        text: text(payloadStart, payloadEnd),
        qos,
        packetId,
        dup,
      });
    } else if (type === PACKET.puback) this.pubacks.push(decodePacketId(bytes, start, end));
    else if (type === PACKET.suback) {
      const fields = new SubackFields();
      if (decodeSuback(bytes, start, end, fields) !== 0) throw new Error('bad SUBACK');
      this.subacks.push([...bytes.slice(fields.codesStart, fields.codesEnd)]);
    } else if (type === PACKET.pingresp) this.pingresps++;
    else if (type !== PACKET.unsuback) throw new Error(`the server sent type ${type}`);
  }
}
