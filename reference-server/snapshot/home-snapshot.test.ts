// A server that is restarted against the same server that is not: random subscribing, publishing, acknowledging,
// leaving and waiting is done to both; now and then everybody leaves and one of them is written and read again, with
// another number of workers. What every client then hears must be the same, packet by packet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AccessRules,
  CONFORMANCE,
  OWN_MAILBOX,
} from '#reference-server/access/access-rules.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import { captured, restarted } from '#reference-server/test/restarted-cluster.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const RUNS = 40;
const NAMES = ['ann', 'bob', 'cid'];
const LIMITS = {
  ...SMALL_LIMITS,
  keepAliveMaxS: 0,
  broker: { ...SMALL_LIMITS.broker, inflightMax: 3 },
};

type Step =
  | { do: 'connect'; who: number; version: 4 | 5 }
  | { do: 'leave'; who: number }
  | { do: 'subscribe'; who: number; filter: string; qos: number }
  | { do: 'publish'; who: number; topic: string; qos: number; retain: boolean; expiryS: number }
  | { do: 'acknowledge'; who: number; count: number }
  | { do: 'wait'; ms: number }
  | { do: 'restart'; workers: number };

/** One of the two servers, and who is connected to it. */
class Side {
  all: SimulatedCluster;
  readonly #access: AccessRules;
  readonly #clients = new Map<number, PacketClient>();
  readonly #versions = new Map<number, 4 | 5>();
  readonly heard: string[] = [];
  #serial = 0;

  constructor(access: AccessRules) {
    this.#access = access;
    this.all = simulateCluster(2, LIMITS, undefined, access);
  }

  run(step: Step, restarts: boolean): void {
    if (step.do === 'wait') {
      this.all.clock.advance(step.ms);
      for (let i = 0; i < 4; i++) this.all.turn();
    } else if (step.do === 'restart') {
      for (const who of [...this.#clients.keys()]) this.#leave(who);
      for (let i = 0; i < 3; i++) {
        for (const { home } of this.all.workers) home.settle();
        this.all.turn();
      }
      if (!restarts) return;
      const records = captured(this.all);
      this.all = restarted(this.all, records, step.workers, LIMITS, this.#access);
    } else if (step.do === 'connect') this.#connect(step.who, step.version);
    else this.#act(step);
    for (const who of this.#clients.keys()) this.#listen(who);
  }

  #connect(who: number, version: 4 | 5): void {
    if (this.#clients.has(who)) return;
    const client = new PacketClient(this.all, who, version);
    const properties = { sessionExpiryInterval: 100 };
    const connack = client.connect(NAMES[who]!, {
      clean: false,
      ...(version === 5 ? { properties } : {}),
    });
    this.heard.push(`${NAMES[who]} present ${String(connack['sessionPresent'])}`);
    this.#clients.set(who, client);
    this.#versions.set(who, version);
  }

  #leave(who: number): void {
    this.#listen(who);
    this.#clients.get(who)?.hangUp();
    this.#clients.delete(who);
  }

  #act(step: Exclude<Step, { do: 'wait' | 'restart' | 'connect' }>): void {
    const client = this.#clients.get(step.who);
    if (client === undefined) return;
    const isV5 = this.#versions.get(step.who) === 5;
    const qos = 'qos' in step ? (step.qos as 0 | 1 | 2) : 0;
    if (step.do === 'leave') this.#leave(step.who);
    else if (step.do === 'acknowledge') this.#acknowledge(client, step.count);
    else if (step.do === 'subscribe') {
      const filter = step.filter.replace('SELF', NAMES[step.who]!);
      const properties = isV5 ? { subscriptionIdentifier: 5 } : undefined;
      client.subscribe(filter, qos, {}, properties);
    } else {
      const { topic, retain, expiryS } = step;
      const properties =
        isV5 && expiryS > 0
          ? { properties: { messageExpiryInterval: expiryS, contentType: 'x' } }
          : {};
      client.publish(topic, `${this.#serial++}`, qos, {
        retain,
        messageId: 100 + this.#serial,
        ...properties,
      });
    }
  }

  /** Answers what the client has heard, oldest first. */
  #acknowledge(client: PacketClient, count: number): void {
    const own = this.#waiting.get(client) ?? [];
    for (const { cmd, qos, messageId } of own.splice(0, count)) {
      const answer = cmd === 'pubrel' ? 'pubcomp' : qos === 1 ? 'puback' : 'pubrec';
      client.send({ cmd: answer, messageId: messageId as number, reasonCode: 0 } as never);
    }
  }

  readonly #waiting = new Map<PacketClient, { cmd: string; qos: unknown; messageId: unknown }[]>();

  #listen(who: number): void {
    const client = this.#clients.get(who)!;
    client.settle();
    const waiting = this.#waiting.get(client) ?? [];
    this.#waiting.set(client, waiting);
    for (const packet of client.heard.splice(0)) {
      const { cmd, qos, messageId } = packet;
      const isOwed = (cmd === 'publish' && qos !== 0) || cmd === 'pubrel';
      if (isOwed) waiting.push({ cmd, qos, messageId });
      // Answers come between messages where it happens, with another number of workers elsewhere.
      if (cmd !== 'publish' && cmd !== 'pubrel') continue;
      const { topic, dup, retain, properties, payload } = packet as Record<string, unknown>;
      const what = { cmd, topic, qos, messageId, dup, retain, properties };
      this.heard.push(`${NAMES[who]} ${JSON.stringify(what)} ${String(payload ?? '')}`);
    }
  }
}

const who = fc.nat(NAMES.length - 1);
const qos = fc.nat(2);

function steps(filters: string[], topics: string[], retains: boolean): fc.Arbitrary<Step[]> {
  const of = <D extends Step['do']>(name: D): fc.Arbitrary<D> => fc.constant(name);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: of('connect'), who, version: fc.constantFrom(4, 5) }) },
    { weight: 2, arbitrary: fc.record({ do: of('leave'), who }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: of('subscribe'),
        who,
        filter: fc.constantFrom(...filters),
        qos: fc.integer({ min: 1, max: 2 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: of('publish'),
        who,
        topic: fc.constantFrom(...topics),
        qos: retains ? qos : fc.nat(1),
        retain: retains ? fc.boolean() : fc.constant(false),
        expiryS: fc.constantFrom(0, 0, 3, 60),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: of('acknowledge'), who, count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: of('wait'), ms: fc.constantFrom(137, 1711, 61_003) }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: of('restart'), workers: fc.integer({ min: 1, max: 3 }) }),
    },
  ) as fc.Arbitrary<Step>;
  return fc.array(step, { minLength: 10, maxLength: 60 });
}

/** `own`: what everybody subscribes to at first. */
function sameAfterRestarts(
  access: AccessRules,
  all: fc.Arbitrary<Step[]>,
  own: string[] = ['t'],
): void {
  let restarts = 0;
  let heard = 0;
  fc.assert(
    fc.property(all, (random) => {
      const everybody = NAMES.map((_, at): Step => ({ do: 'connect', who: at, version: 5 }));
      const first = own.flatMap((filter) =>
        NAMES.map((_, at): Step => ({ do: 'subscribe', who: at, filter, qos: 1 })),
      );
      const last: Step[] = [{ do: 'restart', workers: 2 }, ...everybody];
      for (let i = 0; i < 40; i++) last.push({ do: 'acknowledge', who: i % 3, count: 9 });
      const [kept, killed] = [new Side(access), new Side(access)];
      for (const step of [...everybody, ...first, ...random, ...last]) {
        kept.run(step, false);
        killed.run(step, true);
        assert.deepEqual(killed.heard, kept.heard);
        if (step.do === 'restart') restarts++;
      }
      heard += kept.heard.length;
      const bytes = (side: Side): number =>
        side.all.workers.reduce((sum, { home }) => sum + home.broker.queues.bytes, 0);
      assert.equal(bytes(killed), bytes(kept));
    }),
    { numRuns: RUNS },
  );
  assert.ok(restarts > RUNS && heard > 5 * RUNS, `${restarts} restarts, ${heard} packets`);
}

test('topics: subscriptions, retained messages, queues of QoS 1 and 2, expiry', () => {
  const filters = ['t', 't/1', 't/+', '#', '$share/s/u', 'm/SELF'];
  sameAfterRestarts(CONFORMANCE, steps(filters, ['t', 't/1', 't/2', 'u', 'm/ann', 'm/bob'], true));
});

test('mailboxes: mail and receipts', () => {
  const own = ['m/SELF', 'r/SELF'];
  sameAfterRestarts(OWN_MAILBOX, steps(own, ['m/ann', 'm/bob', 'm/cid', 'm/dan'], false), own);
});

test('mailboxes: groups and their receipts', () => {
  const own = ['m/SELF', 'r/SELF', 'g/one'];
  const topics = ['g/one', 'g/two', 'm/ann'];
  sameAfterRestarts(OWN_MAILBOX, steps(['m/SELF', 'g/one', 'g/two'], topics, false), own);
});
