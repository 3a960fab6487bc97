// The other workers, as one worker's broker sees them. Who may be interested in a topic is told by counters
// in memory that all share: a filter counts in one of its worker's slots, by the hash of the whole filter
// when it has no wildcard, of its first level when only that is certain, or in a slot for all topics.
// A store there stands before the SUBACK leaves, so whoever publishes after seeing it finds it: no question
// and no answer travels. Two names in one slot cost a frame for nothing, never a message.
//
//   words 0..1      version of the last retained message, 64 bits
//   word 2          subscriptions to p/..., of all workers
//   then, for each worker: 1 slot for all topics, SLOTS for whole filters, SLOTS for first levels
//   then the directory of groups (home/group-directory.ts)

import type { Clock } from '#core/clock/clock.ts';
import { PublishFields } from '#core/wire/mqtt/decode-publish.ts';
import { encodePublish5, publishLength5 } from '#core/wire/mqtt/encode-5.ts';
import { PROPERTY } from '#core/wire/mqtt/properties.ts';
import { PropertyWriter } from '#core/wire/mqtt/property-writer.ts';
import type { BrokerPeers } from '#reference-server/broker/broker.ts';
import { type Message, messageOfPacket } from '#reference-server/broker/message.ts';
import { writeSource } from '#reference-server/broker/message-source.ts';
import { GroupDirectory, groupDirectoryBytes } from '#reference-server/home/group-directory.ts';
import type { Exchange } from '#reference-server/worker/exchange.ts';

const SLOTS = 4096;
const SLOTS_PER_WORKER = 1 + 2 * SLOTS;
const HEAD_WORDS = 4;
const WATCHERS = 2;
const EXPIRY_BYTES = 5;

/** The memory that the workers share. */
export function createInterest(workers: number): SharedArrayBuffer {
  const words = HEAD_WORDS + workers * SLOTS_PER_WORKER;
  const bytes = words * Int32Array.BYTES_PER_ELEMENT;
  return new SharedArrayBuffer(bytes + groupDirectoryBytes(workers));
}

export interface PeersOptions {
  exchange: Exchange;
  clock: Clock;
  interest: SharedArrayBuffer;
  limits: { packetBytesMax: number };
}

export class Peers implements BrokerPeers {
  readonly #exchange: Exchange;
  readonly #clock: Clock;
  readonly #version: BigInt64Array;
  readonly #head: Int32Array;
  readonly #counts: Int32Array;
  readonly #interest: SharedArrayBuffer;
  readonly #fields = new PublishFields();
  readonly #properties: PropertyWriter;
  #out: Uint8Array;

  constructor({ exchange, clock, interest, limits }: PeersOptions) {
    this.#exchange = exchange;
    this.#clock = clock;
    this.#version = new BigInt64Array(interest, 0, 1);
    this.#head = new Int32Array(interest, 0, HEAD_WORDS);
    this.#counts = new Int32Array(interest, HEAD_WORDS * 4, exchange.workers * SLOTS_PER_WORKER);
    this.#interest = interest;
    this.#properties = new PropertyWriter(limits.packetBytesMax + EXPIRY_BYTES);
    this.#out = new Uint8Array(limits.packetBytesMax + 64);
  }

  /** The directory of groups, which lies behind the counters. */
  groups(hashSeed: number): GroupDirectory {
    const { workers, self } = this.#exchange;
    const offset = this.#counts.byteOffset + this.#counts.byteLength;
    return new GroupDirectory(this.#interest, offset, workers, self, hashSeed);
  }

  nextVersion(): number {
    return Number(Atomics.add(this.#version, 0, 1n)) + 1;
  }

  interest(filter: string, change: 1 | -1): void {
    const base = this.#exchange.self * SLOTS_PER_WORKER;
    Atomics.add(this.#counts, base + slotOfFilter(filter), change);
    if (filter.startsWith('p/')) Atomics.add(this.#head, WATCHERS, change);
  }

  /** Whether anybody subscribed to the presence of anybody. */
  get isAnyoneWatching(): boolean {
    return Atomics.load(this.#head, WATCHERS) > 0;
  }

  subscribersOf(filter: string): number {
    const slot = slotOfFilter(filter);
    let count = 0;
    for (let worker = 0; worker < this.#exchange.workers; worker++) {
      count += Atomics.load(this.#counts, worker * SLOTS_PER_WORKER + slot);
    }
    return count;
  }

  get self(): number {
    return this.#exchange.self;
  }

  share(key: string, online: number, all: number): void {
    const { workers, self } = this.#exchange;
    if (workers === 1) return;
    const text = Buffer.from(key);
    for (let worker = 0; worker < workers; worker++) {
      if (worker !== self) this.#exchange.share(worker, online, all, text, 0, text.length);
    }
  }

  forwardShared(worker: number, key: string, message: Message): void {
    const text = Buffer.from(key);
    const length = this.#write(message);
    const bytes = new Uint8Array(text.length + length);
    bytes.set(text);
    bytes.set(this.#out.subarray(0, length), text.length);
    this.#exchange.routeShared(worker, text.length, bytes, 0, bytes.length);
  }

  forward(message: Message, version: number): boolean {
    const { workers, self } = this.#exchange;
    if (workers === 1) return false;
    const whole = 1 + hashOf(message.topicText);
    const first = 1 + SLOTS + hashOf(firstLevel(message.topicText));
    let isAnyInterested = false;
    let length = 0;
    let sourceBytes = 0;
    for (let worker = 0; worker < workers; worker++) {
      if (worker === self) continue;
      const base = worker * SLOTS_PER_WORKER;
      const isInterested =
        Atomics.load(this.#counts, base) > 0 ||
        Atomics.load(this.#counts, base + whole) > 0 ||
        Atomics.load(this.#counts, base + first) > 0;
      isAnyInterested ||= isInterested;
      if (!isInterested && !message.retain) continue;
      if (length === 0) {
        length = this.#write(message);
        sourceBytes = this.#addSource(message, length);
      }
      this.#exchange.route(worker, version, sourceBytes, this.#out, 0, length + sourceBytes);
    }
    return isAnyInterested;
  }

  /** The message in a frame that another worker's `forward` has sent. */
  read(bytes: Uint8Array, start: number, end: number, nowMs: number): Message {
    return messageOfPacket(bytes, start, end, this.#fields, nowMs);
  }

  /** Writes who published the message behind it; returns how long that is. */
  #addSource({ source }: Message, at: number): number {
    if (source === undefined) return 0;
    const bytes = writeSource(source);
    const size = at + bytes.length;
    if (size > this.#out.length) {
      const grown = new Uint8Array(size);
      grown.set(this.#out.subarray(0, at));
      this.#out = grown;
    }
    this.#out.set(bytes, at);
    return bytes.length;
  }

  #write(message: Message): number {
    const { topic, payload, properties, qos, retain } = message;
    const writer = this.#properties.clear().raw(properties, 0, properties.length);
    const leftS = message.secondsLeft(this.#clock.monoUs() / 1000);
    if (leftS !== undefined) writer.four(PROPERTY.messageExpiry, leftS);
    const { length } = payload;
    const size = publishLength5(topic.length, qos, writer.length, length);
    if (size > this.#out.length) this.#out = new Uint8Array(size);
    const id = qos === 0 ? 0 : 1;
    const out = this.#out;
    const { length: name } = topic;
    return encodePublish5(out, 0, topic, name, qos, id, false, retain, writer, payload, 0, length);
  }
}

function slotOfFilter(filter: string): number {
  if (!/[+#]/.test(filter)) return 1 + hashOf(filter);
  const first = firstLevel(filter);
  return first === '+' || first === '#' ? 0 : 1 + SLOTS + hashOf(first);
}

function firstLevel(topic: string): string {
  const slash = topic.indexOf('/');
  return slash < 0 ? topic : topic.slice(0, slash);
}

/** FNV-1a over the units of the text, below SLOTS. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0) % SLOTS;
}
