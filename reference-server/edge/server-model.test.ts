// The whole of a server (edges, homes, links) in one thread against a ledger of what clients saw:
// what was acknowledged is delivered, once unless marked DUP, in order, whoever hangs up when.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { SimulatedClient } from '#reference-server/test/simulated-client.ts';
import {
  type SimulatedCluster,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const USERS = ['491700', '491701', 'bob', 'x', 'a-rather-long-client-id-of-forty-characters'];

interface Sent {
  to: number;
  /** '<serial> <sender>, login <n>': order is promised within one login. */
  text: string;
  isAcknowledged: boolean;
}

/** One person, who may come and go. */
class Person {
  client: SimulatedClient | undefined;
  readonly name: string;
  readonly index: number;
  /** Texts whose delivery this person acknowledged. */
  readonly accepted = new Set<string>();
  /** Of these, those whose PUBACK has certainly reached the home. */
  final = new Set<string>();
  /** Texts seen so far, in order of the first sight. */
  readonly seen: string[] = [];
  readonly unacknowledged = new Map<number, string>();
  readonly pending = new Map<number, Sent>();
  readonly receipts: string[] = [];
  nextId = 1;
  logins = 0;

  constructor(index: number) {
    this.index = index;
    this.name = USERS[index]!;
  }
}

class Ledger {
  readonly cluster: SimulatedCluster;
  readonly people = USERS.map((_, index) => new Person(index));
  readonly sent: Sent[] = [];

  constructor(workers: number) {
    this.cluster = simulateCluster(workers, undefined, 1024);
  }

  login(person: Person, worker: number): void {
    const { workers } = this.cluster;
    // The old connection, if any, is taken over.
    const old = person.client;
    if (old !== undefined) this.#look(person);
    person.unacknowledged.clear();
    person.pending.clear();
    person.logins++;
    const client = new SimulatedClient(workers[worker % workers.length]!);
    person.client = client;
    client.connect(person.name, false);
    // Without waiting for CONNACK, as the standard allows.
    client.subscribe(this.#id(person), [`m/${person.name}`, `r/${person.name}`], 1);
  }

  publish(person: Person, to: number): void {
    const { client } = person;
    if (client === undefined) return;
    const text = `${this.sent.length} ${person.name}, login ${person.logins}`;
    const sent: Sent = { to, text, isAcknowledged: false };
    this.sent.push(sent);
    const id = this.#id(person);
    person.pending.set(id, sent);
    client.publish(`m/${USERS[to]}`, 1, id, text);
  }

  acknowledge(person: Person, choice: number): void {
    const ids = [...person.unacknowledged.keys()];
    const id = ids[choice % Math.max(1, ids.length)];
    // Of two logins at once the server may see the older one last; then this one was taken over.
    if (id === undefined || person.client?.isOpen !== true) return;
    person.accepted.add(person.unacknowledged.get(id)!);
    person.unacknowledged.delete(id);
    person.client.puback(id);
  }

  leave(person: Person, how: number): void {
    const { client } = person;
    if (client === undefined) return;
    if (how % 3 === 0) client.disconnect();
    else client.hangUp(how % 3 === 1);
    person.client = undefined;
  }

  turn(worker: number): void {
    const { workers } = this.cluster;
    workers[worker % workers.length]!.reactor.turn();
    for (const person of this.people) this.#look(person);
  }

  /** Turns until nothing is on its way. */
  settle(): void {
    const accepted = this.people.map((person) => new Set(person.accepted));
    for (let i = 0; i < 40; i++) {
      for (const person of this.people) person.client?.push();
      this.cluster.clock.advance(25);
      this.cluster.turn();
      for (const person of this.people) this.#look(person);
    }
    for (const person of this.people) person.final = accepted[person.index]!;
  }

  #look(person: Person): void {
    const { client } = person;
    if (client === undefined) return;
    client.push();
    client.read();
    for (const id of client.pubacks.splice(0)) {
      const sent = person.pending.get(id);
      assert.ok(sent !== undefined && !sent.isAcknowledged, 'a PUBACK answers a PUBLISH, once');
      sent.isAcknowledged = true;
    }
    for (const { topic, text, packetId, dup, qos } of client.deliveries.splice(0)) {
      if (topic === `r/${person.name}`) {
        for (const receipt of text.split('\n')) person.receipts.push(receipt);
        client.puback(packetId);
        continue;
      }
      assert.equal(topic, `m/${person.name}`);
      assert.equal(qos, 1);
      assert.ok(!person.final.has(text), `'${text}' was accepted and came again`);
      const isNew = !person.seen.includes(text);
      // A repetition is marked; one that was lost on its way with its connection is marked and new.
      assert.ok(isNew || dup, `'${text}' came twice without DUP`);
      if (isNew) person.seen.push(text);
      person.unacknowledged.set(packetId, text);
    }
  }

  #id(person: Person): number {
    person.nextId = (person.nextId % 65_535) + 1;
    return person.nextId;
  }
}

type Deed = 'login' | 'publish' | 'acknowledge' | 'leave';
type Step = [Deed | 'turn' | 'settle', number, number];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(fc.constant('login' as const), fc.nat(4), fc.nat(9)) },
  { weight: 8, arbitrary: fc.tuple(fc.constant('publish' as const), fc.nat(4), fc.nat(4)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('acknowledge' as const), fc.nat(4), fc.nat(30)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('leave' as const), fc.nat(4), fc.nat(2)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('turn' as const), fc.constant(0), fc.nat(9)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constant('settle' as const), fc.constant(0), fc.constant(0)),
  },
);

for (const workers of [1, 2, 3]) {
  test(`${workers} worker(s), random people: acknowledged means delivered, once, in order`, () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 30, maxLength: 250 }), (steps) => {
        const ledger = new Ledger(workers);
        for (const [kind, index, value] of steps) {
          const person = ledger.people[index]!;
          if (kind === 'turn') ledger.turn(value);
          else if (kind === 'settle') ledger.settle();
          else ledger[kind](person, value);
        }
        ledger.settle();
        // Everybody comes back, reads and acknowledges until nothing is left.
        for (const person of ledger.people) ledger.login(person, person.index);
        for (let round = 0; round < 60; round++) {
          ledger.settle();
          if (ledger.people.every(({ unacknowledged }) => unacknowledged.size === 0)) break;
          for (const person of ledger.people) {
            while (person.unacknowledged.size > 0) ledger.acknowledge(person, 0);
          }
        }
        checkLedger(ledger);
      }),
      { numRuns: 120 },
    );
  });
}

test('the same input and the same clock: the same queues after every step, the same packets', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 250 }), (steps) => {
      assert.equal(historyOf(steps), historyOf(steps));
    }),
    { numRuns: 10 },
  );
});

/** Hash of all counters and gauges after every step, and of what people got in the end. */
function historyOf(steps: Step[]): string {
  const ledger = new Ledger(2);
  const hash = createHash('sha256');
  for (const [kind, index, value] of steps) {
    if (kind === 'turn') ledger.turn(value);
    else if (kind === 'settle') ledger.settle();
    else ledger[kind](ledger.people[index]!, value);
    for (const { stats, home } of ledger.cluster.workers) {
      home.publishGauges();
      hash.update(stats);
    }
  }
  for (const { seen, receipts } of ledger.people) hash.update(JSON.stringify([seen, receipts]));
  return hash.digest('hex');
}

function checkLedger({ people, sent, cluster }: Ledger): void {
  for (const person of people) {
    const texts = new Set(person.seen);
    const lost = sent.filter(
      ({ to, text, isAcknowledged }) => isAcknowledged && to === person.index && !texts.has(text),
    );
    assert.deepEqual(lost, [], 'acknowledged and never delivered');
    assert.deepEqual([...texts].sort(), [...person.accepted].sort());
    const lastSerial = new Map<string, number>();
    for (const text of person.seen) {
      const [serial, sender] = text.split(/ (.*)/) as [string, string];
      assert.ok(Number(serial) > (lastSerial.get(sender) ?? -1), `${text} came too late`);
      lastSerial.set(sender, Number(serial));
    }
  }
  for (const { home } of cluster.workers) {
    assert.equal(home.mailboxes.messages, 0);
    assert.equal(home.mailboxes.arena.usedBytes, 0);
  }
  for (const { edge } of cluster.workers) assert.equal(edge.partials.usedBytes, 0);
  assert.equal(cluster.stat(STAT.enqueued), cluster.stat(STAT.dequeued));
  assert.equal(cluster.stat(STAT.sessions), USERS.length);
}
