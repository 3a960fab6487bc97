// The client side of bench:server, the same for every broker: one thread, engine ring, plain MQTT 3.1.1.
// usage: mqtt-client.ts PORT CAPACITY [USER PASSWORD]; reads one order a line (JSON) from stdin and answers
// each with one line when it is done; ends with its stdin.
//
//   open     users, first, clean, filter: own | fan | none    logs in (a window at a time) and subscribes,
//            messages                                         then waits until so many have arrived
//   talk     users, qos, rate | tokens, seconds               one-to-one messages: open loop at a rate, or closed
//   fan      users, receivers, seconds                        one publish at a time to all who subscribed `fan`
//   store    users, messages                                  QoS 1 messages to users who are away
//   close                                                     all say DISCONNECT
//
// A message carries the time it was due, so that latencies count from the plan (no coordinated omission).

import { readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { systemClock } from '#core/clock/clock.ts';
import { createHistogram, type Histogram } from '#core/metric/histogram.ts';
import { createReactor } from '#core/socket/create-reactor.ts';
import type { Reactor, ReactorHandler } from '#core/socket/reactor.ts';
import {
  type ConnectPacket,
  encodeConnect,
  encodeDisconnect,
  encodePuback,
  encodePublish,
  encodeSubscribe,
} from '#core/wire/mqtt/encode.ts';
import { frameLength } from '#core/wire/mqtt/frame.ts';
import { PACKET } from '#core/wire/mqtt/packet.ts';

/** Ports of one source address that are used, below the kernel's own range. */
const PORTS_PER_SOURCE = 20_000;
const PORT_FIRST = 10_000;
/** Source ports that may turn out to be taken. */
const TAKEN_MAX = 1000;
/** Below the listen backlog of every broker (mosquitto: 100): a dropped SYN costs a second. */
const LOGINS_MAX = 64;
const PAYLOAD_BYTES = 64;
/** Messages of order `store` that wait for their PUBACK. */
const STORE_WINDOW = 200;
/** User numbers have seven digits, so every topic is as long as every other. */
const UID_FIRST = 1_000_000;
const FAN_TOPIC = 'fan/out';
/** Packet ids in turn: as many are never on their way at a time. */
const PACKET_IDS = 60_000;
/** Without a message for so long a closed loop or a drain is over. */
const SILENCE_US_MAX = 5_000_000;

export type Order =
  | {
      do: 'open';
      users: number;
      first: number;
      clean: boolean;
      filter: 'own' | 'fan' | 'none';
      messages?: number;
      /** Logins a second; default: as fast as they are answered. */
      perS?: number;
    }
  | {
      do: 'talk';
      users: number;
      qos: 0 | 1;
      rate?: number;
      tokens?: number;
      /** Closed loop: who has received sends the next one, so that PUBACK and PUBLISH leave in one segment. */
      chain?: boolean;
      seconds: number;
    }
  | { do: 'fan'; receivers: number; seconds: number }
  | { do: 'store'; users: number; first: number; messages: number }
  | { do: 'close' };

export interface Answer {
  /** Logged in, delivered, stored or closed. */
  count: number;
  seconds: number;
  failed: number;
  latencyUs?: { p50: number; p99: number };
}

const [port, capacity] = process.argv.slice(2, 4).map(Number) as [number, number];
const [username, password] = process.argv.slice(4);

class Client implements ReactorHandler {
  reactor!: Reactor;
  #order: Order | undefined;
  readonly #userOf = new Int32Array(capacity);
  readonly #connOf = new Int32Array(capacity).fill(-1);
  readonly #kept: (Uint8Array | undefined)[] = new Array(capacity).fill(undefined);
  readonly #out = new Uint8Array(4096);
  readonly #topic = Buffer.from(`m/${UID_FIRST}`);
  readonly #fanTopic = Buffer.from(FAN_TOPIC);
  readonly #payload = new Uint8Array(PAYLOAD_BYTES);
  readonly #times = new DataView(this.#payload.buffer);
  #latency: Histogram = createHistogram();
  #random = 12_345;
  #packetId = 0;
  #nextSource = 0;
  #started = 0;
  #taken = 0;
  #ready = 0;
  #failed = 0;
  #open = 0;
  #sent = 0;
  #acked = 0;
  #received = 0;
  #startUs = 0;
  #dueUs = 0;
  #lastUs = 0;

  onAccept(): void {}
  onDrain(): void {}
  onDeadline(): void {}
  onWake(): void {}
  onEnd(conn: number): void {
    this.reactor.close(conn);
  }

  onConnect(conn: number, errno: number): void {
    if (errno !== 0) {
      // Somebody listens on that port on all addresses.
      const isTaken = errno === constants.errno.EADDRINUSE && this.#taken++ < TAKEN_MAX;
      if (!isTaken || !this.#connect(this.#userOf[conn]!)) this.#failed++;
      return;
    }
    this.#open++;
    const order = this.#order as Extract<Order, { do: 'open' }>;
    const packet: ConnectPacket = {
      clientId: String(UID_FIRST + this.#userOf[conn]!),
      keepAliveS: 0,
      cleanSession: order.clean,
    };
    if (username !== undefined) {
      packet.username = username;
      packet.password = Buffer.from(password ?? '');
    }
    this.#send(conn, encodeConnect(this.#out, 0, packet));
  }

  onClose(conn: number): void {
    this.#open--;
    this.#connOf[this.#userOf[conn]!] = -1;
    this.#kept[conn] = undefined;
    if (this.#order?.do === 'open') this.#failed++;
  }

  onData(conn: number, bytes: Uint8Array, start: number, end: number): void {
    const kept = this.#kept[conn];
    if (kept !== undefined) {
      this.#kept[conn] = undefined;
      const whole = Buffer.concat([kept, bytes.subarray(start, end)]);
      this.#packets(conn, whole, 0, whole.length);
    } else this.#packets(conn, bytes, start, end);
  }

  onTurn(turnUs: number): number {
    const isNew = this.#order === undefined;
    if (isNew && !this.#begin()) return Number.POSITIVE_INFINITY;
    // Waiting for the order took as long as it took: the turn's time is that of before.
    const nowUs = isNew ? this.#startUs : turnUs;
    const order = this.#order!;
    if (order.do === 'open') return this.#openSome(order, nowUs);
    if (order.do === 'talk') return this.#talk(order, nowUs);
    if (order.do === 'close') {
      if (this.#open === 0) this.#answer(this.#started, nowUs);
      return 10_000;
    }
    return this.#await(order, nowUs);
  }

  #begin(): boolean {
    const line = nextLine();
    if (line === undefined) {
      this.reactor.stop();
      return false;
    }
    const order = JSON.parse(line) as Order;
    this.#order = order;
    this.#latency = createHistogram();
    const nowUs = systemClock.monoUs();
    this.#startUs = this.#dueUs = this.#lastUs = nowUs;
    this.#started = this.#ready = this.#failed = this.#sent = this.#acked = this.#received = 0;
    if (order.do === 'talk') for (let i = 0; i < (order.tokens ?? 0); i++) this.#talkOnce(nowUs);
    if (order.do === 'fan') this.#fanOnce(nowUs);
    if (order.do === 'store') for (let i = 0; i < STORE_WINDOW; i++) this.#storeOne(order, nowUs);
    if (order.do === 'close') this.#closeAll();
    return true;
  }

  #answer(count: number, nowUs: number, withLatency = false): void {
    const answer: Answer = {
      count,
      seconds: (nowUs - this.#startUs) / 1e6,
      failed: this.#failed,
    };
    if (withLatency) {
      answer.latencyUs = { p50: this.#latency.percentile(50), p99: this.#latency.percentile(99) };
    }
    writeSync(1, `${JSON.stringify(answer)}\n`);
    this.#order = undefined;
  }

  #openSome(order: Extract<Order, { do: 'open' }>, nowUs: number): number {
    while (
      this.#started < Math.min(order.users, this.#dueLogins(order, nowUs)) &&
      this.#started - this.#ready - this.#failed < LOGINS_MAX
    ) {
      if (!this.#connect(order.first + this.#started)) return 1000;
      this.#started++;
    }
    if (this.#ready + this.#failed < order.users) return 1000;
    const wanted = order.messages ?? 0;
    const isSilent = nowUs - this.#lastUs > SILENCE_US_MAX;
    if (this.#received < wanted && !isSilent) return 1000;
    this.#failed += Math.max(0, wanted - this.#received);
    this.#answer(this.#ready, nowUs);
    return 0;
  }

  /** From the next source; false when the reactor is full. */
  #connect(user: number): boolean {
    const source = this.#nextSource++;
    const conn = this.reactor.connect({
      remoteAddress: 0x7f000001,
      remotePort: port,
      localAddress: 0x7f040001 + Math.floor(source / PORTS_PER_SOURCE),
      localPort: PORT_FIRST + (source % PORTS_PER_SOURCE),
    });
    if (conn < 0) return false;
    this.#userOf[conn] = user;
    this.#connOf[user] = conn;
    return true;
  }

  #dueLogins(order: Extract<Order, { do: 'open' }>, nowUs: number): number {
    if (order.perS === undefined) return order.users;
    return Math.floor(((nowUs - this.#startUs) / 1e6) * order.perS) + 1;
  }

  #talk(order: Extract<Order, { do: 'talk' }>, nowUs: number): number {
    const leftUs = this.#startUs + order.seconds * 1e6 - nowUs;
    if (leftUs <= 0) {
      // What is still on its way is waited for, so that CPU and messages belong together.
      if (this.#received >= this.#sent || nowUs - this.#lastUs > SILENCE_US_MAX) {
        this.#failed = this.#sent - this.#received;
        this.#answer(this.#received, nowUs, true);
      }
      return 1000;
    }
    if (order.rate === undefined) return Math.min(leftUs, 100_000);
    while (this.#dueUs <= nowUs) {
      this.#talkOnce(this.#dueUs);
      this.#dueUs += (-Math.log(1 - this.#draw(1 << 24) / (1 << 24)) * 1e6) / order.rate;
    }
    return this.#dueUs - nowUs;
  }

  /** One message from `from`, else a random user, to another, due at `dueUs`. */
  #talkOnce(dueUs: number, sender?: number): void {
    const order = this.#order as Extract<Order, { do: 'talk' }>;
    const from = sender ?? this.#draw(order.users);
    const to = (from + 1 + this.#draw(order.users - 1)) % order.users;
    this.#publishTo(this.#connOf[from]!, to, order.qos, dueUs);
  }

  #publishTo(conn: number, user: number, qos: number, dueUs: number): void {
    let number = UID_FIRST + user;
    for (let at = 8; at >= 2; at--, number = Math.floor(number / 10)) {
      this.#topic[at] = 0x30 + (number % 10);
    }
    this.#publish(conn, this.#topic, qos, dueUs);
  }

  #publish(conn: number, topic: Uint8Array, qos: number, dueUs: number): void {
    this.#times.setFloat64(0, dueUs);
    this.#packetId = (this.#packetId % PACKET_IDS) + 1;
    const payload = this.#payload;
    const end = encodePublish(
      this.#out,
      0,
      topic,
      topic.length,
      qos,
      this.#packetId,
      false,
      false,
      payload,
      0,
      payload.length,
    );
    this.#sent++;
    this.#send(conn, end);
  }

  #fanOnce(nowUs: number): void {
    this.#publish(this.#connOf[0]!, this.#fanTopic, 0, nowUs);
  }

  #storeOne(order: Extract<Order, { do: 'store' }>, nowUs: number): void {
    if (this.#sent >= order.messages) return;
    this.#publishTo(this.#connOf[0]!, order.first + (this.#sent % order.users), 1, nowUs);
  }

  #await(order: Extract<Order, { do: 'fan' | 'store' }>, nowUs: number): number {
    const isSilent = nowUs - this.#lastUs > SILENCE_US_MAX;
    if (order.do === 'fan') {
      const isOver = nowUs - this.#startUs > order.seconds * 1e6;
      if (isSilent || (isOver && this.#received >= this.#sent * order.receivers)) {
        this.#failed = this.#sent * order.receivers - this.#received;
        this.#answer(this.#received, nowUs, true);
      }
      return 10_000;
    }
    if (isSilent || this.#acked >= order.messages) {
      this.#failed = order.messages - this.#acked;
      this.#answer(this.#acked, nowUs);
    }
    return 1000;
  }

  #closeAll(): void {
    for (const conn of this.#connOf) {
      if (conn < 0) continue;
      this.#started++;
      this.#send(conn, encodeDisconnect(this.#out, 0));
      this.reactor.close(conn);
    }
  }

  #packets(conn: number, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      const length = frameLength(bytes, at, end, 1 << 20);
      if (length < 0) throw new Error('the broker sent what is no MQTT');
      if (length === 0) {
        this.#kept[conn] = Buffer.from(bytes.subarray(at, end));
        return;
      }
      this.#packet(conn, bytes, at);
      at += length;
    }
  }

  #packet(conn: number, bytes: Uint8Array, at: number): void {
    const type = bytes[at]! >>> 4;
    if (type === PACKET.publish) this.#arrived(conn, bytes, at);
    else if (type === PACKET.puback) this.#acknowledged();
    else if (type === PACKET.connack) this.#loggedIn(conn, bytes[at + 3]!);
    else if (type === PACKET.suback) {
      if (bytes[at + 4]! === 0x80) this.#failed++;
      else this.#ready++;
    }
  }

  #loggedIn(conn: number, code: number): void {
    const order = this.#order as Extract<Order, { do: 'open' }>;
    if (code !== 0) this.#failed++;
    else if (order.filter === 'none') this.#ready++;
    else {
      const filter = order.filter === 'fan' ? FAN_TOPIC : `m/${UID_FIRST + this.#userOf[conn]!}`;
      this.#send(conn, encodeSubscribe(this.#out, 0, 1, [filter], 1));
    }
  }

  #acknowledged(): void {
    this.#acked++;
    const order = this.#order;
    if (order?.do !== 'store') return;
    this.#lastUs = systemClock.monoUs();
    this.#storeOne(order, this.#lastUs);
  }

  /** The packet's header has two bytes: all messages of this client are short. */
  #arrived(conn: number, bytes: Uint8Array, at: number): void {
    const qos = (bytes[at]! >>> 1) & 3;
    let body = at + 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
    if (qos === 1) {
      this.#send(conn, encodePuback(this.#out, 0, (bytes[body]! << 8) | bytes[body + 1]!));
      body += 2;
    }
    const nowUs = systemClock.monoUs();
    const dueUs = new DataView(bytes.buffer, bytes.byteOffset + body, 8).getFloat64(0);
    this.#received++;
    this.#lastUs = nowUs;
    this.#latency.record(Math.max(1, nowUs - dueUs));
    const order = this.#order;
    const isRunning = (seconds: number): boolean => nowUs - this.#startUs < seconds * 1e6;
    if (order?.do === 'talk' && order.tokens !== undefined && isRunning(order.seconds)) {
      this.#talkOnce(nowUs, order.chain === true ? this.#userOf[conn]! : undefined);
    } else if (order?.do === 'fan' && this.#received === this.#sent * order.receivers) {
      if (isRunning(order.seconds)) this.#fanOnce(nowUs);
    }
  }

  #send(conn: number, end: number): void {
    if (!this.reactor.send(conn, this.#out, 0, end)) throw new Error('the client is behind');
  }

  #draw(below: number): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (this.#random >>> 7) % below;
  }
}

/** The next line of stdin, waited for: between orders there is nothing else to do. */
function nextLine(): string | undefined {
  let line = '';
  const byte = Buffer.alloc(1);
  while (readSync(0, byte) === 1) {
    if (byte[0] === 0x0a) return line;
    line += byte.toString('latin1');
  }
  return undefined;
}

const client = new Client();
client.reactor = createReactor({
  engine: 'ring',
  capacity,
  handler: client,
  outputBytesMax: 1024 * 1024,
  receiveBufferBytes: 16 * 1024,
  arming: 'recv',
});
await client.reactor.run();
