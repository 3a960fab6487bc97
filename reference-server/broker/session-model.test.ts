// Sessions of the general lane against a model of them as lists: random subscribing, publishing, acknowledging,
// leaving, coming back, taking over and waiting, with one worker and with three. After every step each client has
// heard exactly what the model says: which messages, in which order, at which QoS, marked as repeated or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CONFORMANCE } from '#reference-server/access/access-rules.ts';
import { isMatch } from '#reference-server/broker/topic-tree.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const WINDOW = 3;
const QUEUE_MAX = 7;
const SESSION_S = 100;
const MESSAGE_S = 40;
const LIMITS = {
  ...SMALL_LIMITS,
  keepAliveMaxS: 0,
  broker: { ...SMALL_LIMITS.broker, queueMessagesMax: QUEUE_MAX, inflightMax: WINDOW },
};
const NAMES = ['ann', 'bob', 'cid'];
const TOPICS = ['t', 't/1', 't/2', 'u'];
const FILTERS = ['t', 't/1', 't/+', '#', 'u'];

interface Waiting {
  text: string;
  qos: number;
  expiresMs: number;
  wasSent: boolean;
}

/** What the standard says of one client. */
class Person {
  client: PacketClient | undefined;
  hasSession = false;
  /** While it is away. */
  endsMs = Number.POSITIVE_INFINITY;
  readonly filters = new Map<string, number>();
  readonly queue: Waiting[] = [];
  /** What it must have heard since the last look: text, QoS, whether marked. */
  readonly expected: [string, number, boolean][] = [];
  /** Packet ids of what it has heard and not acknowledged, in order. */
  ids: { text: string; id: number; qos: number }[] = [];

  endSession(): void {
    this.hasSession = false;
    this.filters.clear();
    this.queue.length = 0;
  }

  /** Sends what the window allows. */
  pump(nowMs: number): void {
    if (this.client === undefined) return;
    for (let at = this.queue.findIndex(({ wasSent }) => !wasSent); at >= 0 && at < WINDOW; ) {
      const next = this.queue[at];
      if (next === undefined) return;
      if (next.expiresMs < nowMs) {
        this.queue.splice(at, 1);
        continue;
      }
      next.wasSent = true;
      this.expected.push([next.text, next.qos, false]);
      at++;
    }
  }
}

class World {
  readonly all: SimulatedCluster;
  readonly people = NAMES.map(() => new Person());
  serial = 0;
  heard = 0;
  repeated = 0;

  constructor(workers: number) {
    this.all = simulateCluster(workers, LIMITS, 4096, CONFORMANCE);
  }

  get nowMs(): number {
    return this.all.clock.monoUs() / 1000;
  }

  connect(index: number, worker: number, isClean: boolean): void {
    const person = this.people[index]!;
    if (isClean) person.endSession();
    const client = new PacketClient(this.all, worker);
    const connack = client.connect(NAMES[index]!, {
      clean: isClean,
      properties: { sessionExpiryInterval: SESSION_S },
    });
    assert.equal(connack['reasonCode'], 0);
    assert.equal(connack['sessionPresent'], person.hasSession, 'session present');
    person.client = client;
    person.hasSession = true;
    person.ids = [];
    for (const { text, qos, wasSent } of person.queue) {
      if (wasSent) person.expected.push([text, qos, true]);
    }
    person.pump(this.nowMs);
    this.look();
  }

  subscribe(index: number, filter: string, qos: 0 | 1 | 2): void {
    const person = this.people[index]!;
    if (person.client === undefined) return;
    const { granted } = person.client.subscribe(filter, qos) as { granted?: number[] };
    assert.deepEqual(granted, [qos]);
    person.filters.set(filter, qos);
    this.look();
  }

  unsubscribe(index: number, filter: string): void {
    const person = this.people[index]!;
    if (person.client === undefined) return;
    person.client.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: [filter] });
    const had = person.filters.delete(filter);
    const { granted } = person.client.take('unsuback') as { granted?: number[] };
    assert.deepEqual(granted, [had ? 0 : 0x11]);
    this.look();
  }

  publish(index: number, topic: string, qos: 0 | 1 | 2, expires: boolean): void {
    const { client } = this.people[index]!;
    if (client === undefined) return;
    const text = `${this.serial++}`;
    const expiresMs = expires ? this.nowMs + MESSAGE_S * 1000 : Number.POSITIVE_INFINITY;
    const properties = expires ? { messageExpiryInterval: MESSAGE_S } : {};
    for (const person of this.people) {
      const matching = [...person.filters].filter(([filter]) => isMatch(filter, topic));
      if (matching.length === 0) continue;
      const level = Math.min(qos, Math.max(...matching.map(([, one]) => one)));
      if (level > 0) {
        if (person.queue.length < QUEUE_MAX) {
          person.queue.push({ text, qos: level, expiresMs, wasSent: false });
        }
      } else if (person.client !== undefined) person.expected.push([text, 0, false]);
      person.pump(this.nowMs);
    }
    client.publish(topic, text, qos, { messageId: qos === 0 ? undefined : 900, properties });
    if (qos === 2) client.send({ cmd: 'pubrel', messageId: 900, reasonCode: 0 });
    this.look();
  }

  /** Acknowledges one of those that were heard, whole. */
  acknowledge(index: number, which: number): void {
    const person = this.people[index]!;
    const { client, ids } = person;
    if (client === undefined || ids.length === 0) return;
    const [{ text, id, qos }] = ids.splice(which % ids.length, 1) as [(typeof ids)[0]];
    person.queue.splice(
      person.queue.findIndex((one) => one.text === text),
      1,
    );
    person.pump(this.nowMs);
    if (qos === 1) client.send({ cmd: 'puback', messageId: id, reasonCode: 0 });
    else {
      client.send({ cmd: 'pubrec', messageId: id, reasonCode: 0 });
      client.send({ cmd: 'pubcomp', messageId: id, reasonCode: 0 });
    }
    this.look();
  }

  leave(index: number, isOrderly: boolean): void {
    const person = this.people[index]!;
    if (person.client === undefined) return;
    if (isOrderly) person.client.disconnect();
    else person.client.hangUp();
    person.client = undefined;
    person.endsMs = this.nowMs + SESSION_S * 1000;
  }

  wait(seconds: number): void {
    this.all.clock.advance(seconds * 1000);
    for (let i = 0; i < 4; i++) this.all.turn();
    for (const person of this.people) {
      if (person.client === undefined && person.endsMs <= this.nowMs) person.endSession();
    }
    this.look();
  }

  /** What was heard is what the model says. */
  look(): void {
    for (const [index, person] of this.people.entries()) {
      const { client, expected } = person;
      if (client === undefined) continue;
      client.settle();
      const got = client.heard.filter(({ cmd }) => cmd === 'publish');
      client.heard.length = 0;
      assert.deepEqual(
        got.map(({ payload, qos, dup }) => [String(payload), qos, dup]),
        expected,
        NAMES[index],
      );
      for (const { payload, qos, messageId } of got) {
        if (qos === 0) continue;
        person.ids.push({ text: String(payload), id: messageId!, qos: qos as number });
      }
      this.heard += got.length;
      this.repeated += got.filter(({ dup }) => dup).length;
      expected.length = 0;
    }
  }
}

const person = fc.nat(NAMES.length - 1);
const filter = fc.constantFrom(...FILTERS);
const level = fc.constantFrom(0 as const, 1 as const, 2 as const);
/** A method of World and what it is called with. */
type Step = {
  [K in Move]: readonly [K, ...Parameters<World[K]>];
}[Move];
type Move = 'connect' | 'subscribe' | 'unsubscribe' | 'publish' | 'acknowledge' | 'leave' | 'wait';
const move = <K extends Move>(kind: K): fc.Arbitrary<K> => fc.constant(kind);
const topic = fc.constantFrom(...TOPICS);
const seldom = fc.constantFrom(true, false, false, false);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(move('connect'), person, fc.nat(2), seldom) },
  { weight: 4, arbitrary: fc.tuple(move('subscribe'), person, filter, level) },
  { weight: 1, arbitrary: fc.tuple(move('unsubscribe'), person, filter) },
  { weight: 8, arbitrary: fc.tuple(move('publish'), person, topic, level, seldom) },
  { weight: 6, arbitrary: fc.tuple(move('acknowledge'), person, fc.nat()) },
  { weight: 2, arbitrary: fc.tuple(move('leave'), person, fc.boolean()) },
  { weight: 1, arbitrary: fc.tuple(move('wait'), fc.constantFrom(7, 23, 61)) },
);

for (const workers of [1, 3]) {
  test(`${workers} worker(s): clients hear what a model of their sessions says`, () => {
    let heard = 0;
    let repeated = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 60, maxLength: 160, size: 'max' }), (steps) => {
        const world = new World(workers);
        for (const [index] of NAMES.entries()) world.connect(index, index, false);
        for (const [kind, ...given] of steps) {
          (world[kind] as (...values: unknown[]) => void).apply(world, given);
        }
        heard += world.heard;
        repeated += world.repeated;
      }),
      { numRuns: 100 },
    );
    assert.ok(heard > 1500 && repeated > 100, `heard ${heard}, repeated ${repeated}: too tame`);
  });
}
