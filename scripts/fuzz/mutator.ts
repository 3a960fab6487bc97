// Makes hostile packets out of sound ones: deterministic by its seed, without an allocation, so that a
// hundred million of them take minutes. A finding is repeated from the seed and its number.

import mqttPacket, { type Packet } from 'mqtt-packet';

export const PACKET_BYTES_MAX = 1024;
/** Values at the edges of lengths, counts and codes. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0x81, 0xc0, 0xf0, 0xfe, 0xff];

/** A small generator with a period of 2^32 - 1 (Marsaglia's xorshift, 13/17/5). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 0 || 1;
  }

  /** A whole number below `most`. */
  below(most: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % most;
  }
}

export class Mutator {
  /** The packet is [0, length) of it. */
  readonly bytes = new Uint8Array(PACKET_BYTES_MAX);
  length = 0;
  /** Version that the packet was written for. */
  level = 0;
  readonly #random: Random;
  readonly #corpus: readonly Seed[];

  constructor(random: Random, corpus: readonly Seed[]) {
    this.#random = random;
    this.#corpus = corpus;
  }

  /** Writes the next packet, with at most `damageMax` changes; the announced length is mended half the time. */
  next(damageMax = 4): void {
    const random = this.#random;
    const seed = this.#corpus[random.below(this.#corpus.length)]!;
    this.bytes.set(seed.bytes);
    this.length = seed.bytes.length;
    this.level = seed.level;
    for (let left = random.below(damageMax + 1); left > 0; left--) this.#damage();
    if (this.length >= 2 && this.length < 130 && random.below(2) === 0) {
      this.bytes[1] = this.length - 2;
    }
  }

  #damage(): void {
    const { bytes } = this;
    const random = this.#random;
    const at = random.below(this.length);
    switch (random.below(8)) {
      case 0:
        bytes[at]! ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
        bytes[at] = EDGES[random.below(EDGES.length)]!;
        break;
      case 3:
        bytes[at]! += random.below(2) === 0 ? 1 : -1;
        break;
      case 4:
        this.#remove(at, 1 + random.below(4));
        break;
      case 5:
        this.#repeat(at, 1 + random.below(16));
        break;
      case 6:
        if (this.length > 2) this.length = Math.max(2, at);
        break;
      default:
        this.#graft(at);
    }
  }

  #remove(at: number, count: number): void {
    const end = Math.min(this.length, at + count);
    this.bytes.copyWithin(at, end, this.length);
    this.length = Math.max(2, this.length - (end - at));
  }

  /** Puts a copy of what stands at `at` behind it. */
  #repeat(at: number, count: number): void {
    const length = Math.min(count, this.length - at, PACKET_BYTES_MAX - this.length);
    this.bytes.copyWithin(at + length, at, this.length);
    this.length += length;
  }

  /** Overwrites from `at` on with a piece of another packet. */
  #graft(at: number): void {
    const { bytes: other } = this.#corpus[this.#random.below(this.#corpus.length)]!;
    const from = this.#random.below(other.length);
    const length = Math.min(1 + this.#random.below(24), other.length - from, PACKET_BYTES_MAX - at);
    for (let i = 0; i < length; i++) this.bytes[at + i] = other[from + i]!;
    this.length = Math.max(this.length, at + length);
  }
}

export interface Seed {
  bytes: Uint8Array;
  level: number;
}

const TOPICS = [
  't',
  't/u',
  'm/a',
  'm/bob',
  'g/1',
  'p/a',
  'r/a',
  '$SYS/x',
  'ü/é',
  'long/'.repeat(20),
];
const FILTERS = ['t', 't/#', '#', '+/u', '$share/s/t/#', '$share/s/#', 'm/a', 'r/a', 'p/a', 'g/1'];
const TEXT = { userProperties: { a: 'b', c: ['d', 'e'] } };

/** Sound packets of every type that either side sends, of both versions, made by npm mqtt-packet. */
export function soundPackets(): Seed[] {
  const seeds: Seed[] = [];
  const add = (level: 4 | 5, packet: object): void => {
    const properties = level === 5 ? packet : { ...packet, properties: undefined };
    const bytes = mqttPacket.generate(properties as Packet, { protocolVersion: level });
    seeds.push({ bytes: new Uint8Array(bytes), level });
  };
  for (const level of [4, 5] as const) {
    for (const packet of [...connects(level), ...messages(), ...subscriptions(), ...answers()]) {
      add(level, packet);
    }
  }
  add(5, { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'x', ...TEXT } });
  add(5, { cmd: 'disconnect', reasonCode: 4, properties: { sessionExpiryInterval: 7, ...TEXT } });
  return seeds;
}

function connects(level: number): object[] {
  const base = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: level, keepalive: 30 };
  const will = {
    topic: 't',
    payload: Buffer.from('bye'),
    qos: 1,
    retain: true,
    properties: { willDelayInterval: 3, messageExpiryInterval: 9, contentType: 'x', ...TEXT },
  };
  const properties = {
    sessionExpiryInterval: 50,
    receiveMaximum: 3,
    maximumPacketSize: 200,
    topicAliasMaximum: 4,
    requestResponseInformation: true,
    ...TEXT,
  };
  return [
    { ...base, clientId: 'a', clean: true },
    { ...base, clientId: 'bob', clean: false, properties },
    { ...base, clientId: 'c', clean: true, will, username: 'ann', password: Buffer.from('pw') },
    { ...base, clientId: '', clean: true, properties },
  ];
}

function messages(): object[] {
  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 20,
    topicAlias: 1,
    responseTopic: 'r/a',
    correlationData: Buffer.from('c'),
    contentType: 'text',
    ...TEXT,
  };
  return TOPICS.flatMap((topic, index) =>
    [0, 1, 2].map((qos) => ({
      cmd: 'publish',
      topic,
      qos,
      messageId: 1 + index,
      dup: qos > 0 && index % 3 === 0,
      retain: index % 2 === 0,
      payload: Buffer.from('x'.repeat(index * 3)),
      ...(index % 2 === 0 ? {} : { properties }),
    })),
  );
}

function subscriptions(): object[] {
  return FILTERS.flatMap((topic, index) => [
    {
      cmd: 'subscribe',
      messageId: 7,
      subscriptions: [
        { topic, qos: index % 3, nl: index % 2 === 1 && !topic.startsWith('$'), rap: true, rh: 1 },
        { topic: 't/more', qos: 1, nl: false, rap: false, rh: 0 },
      ],
      properties: { subscriptionIdentifier: 200 + index },
    },
    { cmd: 'unsubscribe', messageId: 8, unsubscriptions: [topic, 't/more'] },
  ]);
}

function answers(): object[] {
  const acks = ['puback', 'pubrec', 'pubrel', 'pubcomp'].flatMap((cmd) =>
    [1, 2, 0x8000].map((messageId) => ({
      cmd,
      messageId,
      reasonCode: 0,
      ...(messageId === 2 ? { properties: { reasonString: 'so', ...TEXT } } : {}),
    })),
  );
  return [
    ...acks,
    { cmd: 'suback', messageId: 7, granted: [0, 1, 0x80] },
    { cmd: 'unsuback', messageId: 8, granted: [0, 0x11] },
    { cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: true },
    { cmd: 'pingreq' },
    { cmd: 'pingresp' },
    { cmd: 'disconnect', reasonCode: 0 },
  ];
}
