// Rules of single listeners (mount points, files of topics) and of retained messages whose publisher lost its
// right, as clients meet them: servers of one and three workers in one thread, spoken with npm mqtt-packet.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONFORMANCE, type ListenerRules } from '#reference-server/access/access-rules.ts';
import { parseAcl } from '#reference-server/access/acl.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const [PLAIN, MOUNTED, GUARDED] = [0, 1, 2];

interface World {
  all: SimulatedCluster;
  rules: ListenerRules[];
}

function world(workers: number, acl = 'topic readwrite t\n', checks = true): World {
  const rules: ListenerRules[] = [
    { name: '1883', mountPoint: '', acl: undefined },
    { name: '1884', mountPoint: 'house/', acl: undefined },
    { name: '1885', mountPoint: '', acl: parseAcl(acl, 'acl') },
  ];
  const broker = { ...SMALL_LIMITS.broker, checksRetainSource: checks };
  const access = { ...CONFORMANCE, listeners: rules };
  return { all: simulateCluster(workers, { ...SMALL_LIMITS, broker }, undefined, access), rules };
}

let turn = 0;

function client(
  all: SimulatedCluster,
  name: string,
  listener: number,
  more: object = {},
): PacketClient {
  const one = new PacketClient(all, turn++, 5, listener);
  assert.equal(one.connect(name, more)['reasonCode'], 0);
  return one;
}

function topics(one: PacketClient): unknown[] {
  one.settle();
  return one.heard
    .splice(0)
    .filter(({ cmd }) => cmd === 'publish')
    .map(({ topic }) => topic);
}

for (const workers of [1, 3]) {
  describe(`rules of listeners, ${workers} worker(s)`, () => {
    test('a mount point: before what its clients publish and subscribe, gone from what they get', () => {
      const { all } = world(workers);
      const outside = client(all, 'outside', PLAIN);
      const inside = client(all, 'inside', MOUNTED);
      outside.subscribe('#', 1);
      inside.subscribe('#', 1);
      inside.publish('door', 'x', 1);
      assert.deepEqual([topics(outside), topics(inside)], [['house/door'], ['door']]);
      outside.publish('house/window', 'x', 1);
      outside.publish('garden', 'x', 1);
      assert.deepEqual([topics(outside), topics(inside)], [['house/window', 'garden'], ['window']]);
      inside.send({ cmd: 'unsubscribe', messageId: 3, unsubscriptions: ['#'] });
      assert.deepEqual(inside.take('unsuback')['granted'], [0]);
      outside.publish('house/window', 'x', 1);
      assert.deepEqual(topics(inside), []);
    });

    test('a mount point: wills, retained messages, shared subscriptions, names of mailboxes', () => {
      const { all } = world(workers);
      const outside = client(all, 'outside', PLAIN);
      outside.subscribe('#', 1);
      const payload = Buffer.from('bye');
      const will = { topic: 'gone', payload, qos: 1, retain: false };
      client(all, 'mortal', MOUNTED, { will }).hangUp();
      const inside = client(all, 'inside', MOUNTED);
      inside.publish('kept', 'x', 1, { retain: true });
      inside.publish('m/outside', 'x', 1);
      assert.deepEqual(topics(outside), ['house/gone', 'house/kept', 'house/m/outside']);
      inside.subscribe('$share/s/+', 1);
      inside.subscribe('m/inside', 1);
      inside.subscribe('kept', 1);
      assert.deepEqual(topics(inside), ['kept']);
      outside.publish('house/one', 'x', 1);
      outside.publish('m/inside', 'x', 1);
      outside.publish('house/m/inside', 'x', 1);
      assert.deepEqual(topics(inside), ['one', 'm/inside']);
    });

    test('a topic that is too long behind its mount point is refused', () => {
      const { all } = world(workers);
      const long = 'x'.repeat(SMALL_LIMITS.broker.topicLengthMax - 2);
      const inside = client(all, 'inside', MOUNTED);
      inside.publish(long, '', 1);
      assert.equal(inside.take('puback')['reasonCode'], 0x90);
      const outside = client(all, 'outside', PLAIN);
      outside.publish(long, '', 1);
      assert.equal(outside.take('puback')['reasonCode'], 0x10);
    });

    test('a file of topics: of its listener, for who comes by it', () => {
      const { all } = world(workers);
      const free = client(all, 'free', PLAIN);
      free.subscribe('#', 1);
      const bound = client(all, 'bound', GUARDED, { clean: false, properties: kept });
      bound.subscribe('#', 1);
      free.publish('other', 'x', 1);
      free.publish('t', 'x', 1);
      assert.deepEqual(topics(bound), ['t']);
      bound.publish('other', 'x', 1);
      assert.equal(bound.take('puback')['reasonCode'], 0x87);
      bound.hangUp();
      topics(free);
      free.publish('other', 'x', 1);
      // The same client, by another door.
      const again = client(all, 'bound', PLAIN, { clean: false, properties: kept });
      assert.deepEqual(topics(again), ['t'], 'again, and none that it could not read');
      free.publish('other', 'x', 1);
      assert.deepEqual(topics(again), ['other']);
    });

    for (const checks of [true, false]) {
      test(`retained, and the right to write is lost: ${checks ? 'hidden' : 'stays'}`, () => {
        const { all, rules } = world(workers, 'user ann\ntopic readwrite t\n', checks);
        const free = client(all, 'free', PLAIN);
        const ann = client(all, 'a1', GUARDED, { username: 'ann' });
        ann.publish('t', 'x', 1, { retain: true });
        free.publish('u', 'x', 1, { retain: true });
        for (let i = 0; i < workers; i++) {
          const reader = client(all, `r${i}`, PLAIN);
          reader.subscribe('#');
          assert.deepEqual(topics(reader), ['t', 'u']);
        }
        rules[GUARDED]!.acl = parseAcl('user ann\ntopic read t\n', 'acl');
        for (let i = 0; i < workers; i++) {
          const reader = client(all, `s${i}`, PLAIN);
          reader.subscribe('#');
          assert.deepEqual(topics(reader), checks ? ['u'] : ['t', 'u']);
        }
        rules[GUARDED]!.acl = parseAcl('user ann\ntopic readwrite t\n', 'acl');
        free.subscribe('t');
        assert.deepEqual(topics(free), ['t'], 'and seen again when it is given back');
      });
    }
  });
}

const kept = { sessionExpiryInterval: 60 };
