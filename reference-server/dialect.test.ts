// Each departure of dialect.ts, as clients meet it with a file of mosquitto and without: servers in one thread,
// spoken with npm mqtt-packet.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONFORMANCE } from '#reference-server/access/access-rules.ts';
import { type Dialect, MOSQUITTO, STANDARD } from '#reference-server/dialect.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const DIALECTS: [string, Dialect][] = [
  ['the standard', STANDARD],
  ['mosquitto', MOSQUITTO],
];

/** Two workers, so that wills and logins also cross threads. */
function cluster(dialect: Dialect, more: object = {}): SimulatedCluster {
  const broker = { ...SMALL_LIMITS.broker, levelsMax: 4, dialect };
  return simulateCluster(2, { ...SMALL_LIMITS, ...more, broker }, undefined, CONFORMANCE);
}

function pass(all: SimulatedCluster, ms: number): void {
  all.clock.advance(ms);
  all.turn();
}

function reader(all: SimulatedCluster, properties?: object): PacketClient {
  const one = new PacketClient(all, 0);
  one.connect('reader', properties === undefined ? {} : { properties });
  one.subscribe('#', 1);
  return one;
}

interface Stay {
  clean: boolean;
  expiryS: number;
}

function withWill(all: SimulatedCluster, { clean, expiryS }: Stay, delayS: number): PacketClient {
  const one = new PacketClient(all, 1);
  const properties = { willDelayInterval: delayS };
  const will = { topic: 'gone', payload: Buffer.from('bye'), qos: 1, retain: false, properties };
  one.connect('ann', { clean, properties: { sessionExpiryInterval: expiryS }, will } as object);
  return one;
}

const away = { clean: true, expiryS: 0 };
const kept = { clean: false, expiryS: 60 };

for (const [name, dialect] of DIALECTS) {
  const isStandard = dialect === STANDARD;
  describe(`dialect: ${name}`, () => {
    test('a will with a delay, of a session that ends with its connection', () => {
      const all = cluster(dialect);
      const bob = reader(all);
      withWill(all, away, 3).hangUp();
      assert.deepEqual(bob.texts(), isStandard ? ['bye'] : []);
      pass(all, 2900);
      assert.deepEqual(bob.texts(), []);
      pass(all, 300);
      assert.deepEqual(bob.texts(), isStandard ? [] : ['bye']);
      for (const { home } of all.workers) {
        assert.equal(home.broker.session(0)?.will, undefined);
      }
      assert.equal(
        all.workers.reduce((sum, { home }) => sum + home.users.count, 0),
        1,
      );
    });

    test('a session that only waits for its will is not found by who comes back', () => {
      const all = cluster(dialect);
      const bob = reader(all);
      const first = withWill(all, { clean: false, expiryS: 0 }, 3);
      first.subscribe('own', 1);
      first.hangUp();
      const second = new PacketClient(all, 0);
      assert.equal(second.connect('ann', { clean: false })['sessionPresent'], false);
      bob.publish('own', 'x', 1);
      assert.deepEqual(second.texts(), [], 'nor are its subscriptions');
      pass(all, 4000);
      assert.deepEqual(bob.texts(), isStandard ? ['bye', 'x'] : ['x']);
    });

    const returns: [string, Stay, number, Stay, boolean][] = [
      ['a kept session goes on', kept, 0, kept, isStandard],
      ['a kept session, with delay', kept, 3, kept, false],
      ['a clean start over a kept session', kept, 0, away, true],
      ['the same, with delay', kept, 3, away, isStandard],
      ['a session without expiry', away, 0, kept, true],
    ];
    for (const [what, before, delayS, after, isPublished] of returns) {
      test(`taken over: ${what}: the will is ${isPublished ? '' : 'not '}published`, () => {
        const all = cluster(dialect);
        const bob = reader(all);
        withWill(all, before, delayS);
        const again = new PacketClient(all, 0);
        const { clean, expiryS } = after;
        again.connect('ann', { clean, properties: { sessionExpiryInterval: expiryS } });
        pass(all, 4000);
        assert.deepEqual(bob.texts(), isPublished ? ['bye'] : []);
      });
    }

    test('a payload above the limit', () => {
      const all = cluster(dialect, { payloadBytesMax: 2 });
      reader(all);
      // By hand: npm mqtt-packet takes no PUBACK with 0x95.
      const { reactor } = all.workers[0]!;
      const [connection] = [...reactor.open.values()];
      reactor.receive(connection!, Buffer.from('3209000174000700616263', 'hex'));
      all.turn();
      const [type, , high, low, reason] = connection!.output;
      assert.deepEqual([type, high, low], [0x40, 0, 7]);
      assert.equal(reason, isStandard ? 0x97 : 0x95);
    });

    test('a topic, and a filter, with too many levels', () => {
      const all = cluster(dialect);
      const bob = reader(all);
      bob.publish('a/b/c/d/e', 'x', 1);
      if (isStandard) assert.equal(bob.take('puback')['reasonCode'], 0x90);
      else assert.equal(bob.take('disconnect')['reasonCode'], 0x81);
      const old = new PacketClient(all, 0, 4);
      old.connect('old');
      const packet = { cmd: 'subscribe', messageId: 1 } as const;
      old.send({ ...packet, subscriptions: [{ topic: 'a/b/c/d', qos: 0 }] });
      assert.deepEqual(old.take('suback')['granted'], [0]);
      old.send({ ...packet, subscriptions: [{ topic: '////', qos: 0 }] });
      if (isStandard) assert.deepEqual(old.take('suback')['granted'], [0x80]);
      else assert.equal(old.isOpen, false);
    });

    test('Maximum Packet Size', () => {
      const all = cluster(dialect);
      const bob = reader(all, { maximumPacketSize: 20 });
      const ann = new PacketClient(all, 1);
      ann.connect('ann');
      // 2 bytes of header, 3 of topic, 1 of properties.
      for (const size of [14, 15, 16]) ann.publish('t', 'x'.repeat(size));
      const lengths = bob.texts().map(({ length }) => length);
      assert.deepEqual(lengths, isStandard ? [14] : [14, 15]);
    });
  });
}
