// What a file for mosquitto may set (conf-file/mosquitto-conf.ts), as clients meet it: each setting against a
// server in one thread, spoken with npm mqtt-packet, in both versions where they differ.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFORMANCE } from '#reference-server/access/access-rules.ts';
import { MOSQUITTO } from '#reference-server/dialect.ts';
import { STAT } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  SMALL_LIMITS,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';

const cluster = (broker: object, more: object = {}): SimulatedCluster =>
  simulateCluster(
    1,
    { ...SMALL_LIMITS, ...more, broker: { ...SMALL_LIMITS.broker, ...broker } },
    undefined,
    CONFORMANCE,
  );

function client(all: SimulatedCluster, name: string, version: 3 | 4 | 5 = 5): PacketClient {
  const one = new PacketClient(all, 0, version);
  const connack = one.connect(name);
  assert.equal(connack['reasonCode'] ?? connack['returnCode'], 0);
  return one;
}

const will = (more: object): object => ({
  will: { topic: 'gone', payload: Buffer.from('bye'), qos: 0, retain: false, ...more },
});

test('QoS 2 goes on when it is released, once, also over a new connection, and counts until then', () => {
  const all = cluster({ queueBytesMax: 700 });
  const bob = client(all, 'bob');
  bob.subscribe('t', 2);
  let ann = new PacketClient(all, 0);
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } };
  ann.connect('ann', kept);
  ann.publish('t', 'one', 2, { messageId: 1 });
  ann.take('pubrec');
  assert.deepEqual(bob.texts(), [], 'not before PUBREL');
  const { queues } = all.workers[0]!.home.broker;
  assert.ok(queues.bytes > 0, 'it is counted while it waits');
  ann.hangUp();
  ann = new PacketClient(all, 0);
  ann.connect('ann', kept);
  ann.publish('t', 'one', 2, { messageId: 1, dup: true });
  ann.take('pubrec');
  for (let i = 0; i < 2; i++) ann.send({ cmd: 'pubrel', messageId: 1, reasonCode: 0 });
  assert.deepEqual(bob.texts(), ['one']);
  ann.publish('t', 'x'.repeat(400), 2, { messageId: 2 });
  assert.equal(ann.take('pubrec')['reasonCode'], 0);
  ann.publish('t', 'x'.repeat(400), 2, { messageId: 3 });
  assert.equal(ann.take('pubrec')['reasonCode'], 0x97, 'no room for another');
  assert.equal(all.stat(STAT.queueRefused), 1);
  ann.disconnect(0, { sessionExpiryInterval: 0 });
  bob.disconnect();
  assert.equal(queues.bytes, 0);
});

test('repeats of a QoS 2 message: acknowledged so often, then the end', () => {
  const ann = client(cluster({ dialect: MOSQUITTO }), 'ann');
  ann.publish('t', 'x', 2, { messageId: 1 });
  ann.take('pubrec');
  ann.publish('t', 'x', 2, { messageId: 1, dup: true });
  ann.take('pubrec');
  ann.publish('t', 'x', 2, { messageId: 1, dup: true });
  assert.equal(ann.take('disconnect')['reasonCode'], 0x82);
  const patient = client(cluster({}), 'ann');
  for (let i = 0; i < 50; i++) patient.publish('t', 'x', 2, { messageId: 1, dup: i > 0 });
  assert.equal(patient.isOpen, true, 'without the setting each is acknowledged [MQTT-4.3.3-10]');
});

test('payloads above the limit are refused and their sender stays', () => {
  const all = cluster({}, { payloadBytesMax: 2 });
  for (const version of [4, 5] as const) {
    const bob = client(all, `bob${version}`);
    bob.subscribe('t', 2);
    const ann = client(all, `ann${version}`, version);
    ann.publish('t', 'ab', 0);
    ann.publish('t', 'abc', 0);
    ann.publish('t', 'abc', 1);
    const { reasonCode } = ann.take('puback');
    if (version === 5) assert.equal(reasonCode, 0x97);
    ann.publish('t', 'abc', 2);
    ann.take('pubrec');
    assert.deepEqual(bob.texts(), ['ab']);
    assert.equal(ann.isOpen, true);
    const eve = new PacketClient(all, 0, version);
    const connack = eve.connect('eve', will({}));
    assert.equal(connack['reasonCode'] ?? connack['returnCode'], version === 5 ? 0x95 : 5);
  }
  assert.equal(all.stat(STAT.tooLarge), 6);
});

test('nothing retained, highest QoS 1: told by CONNACK, and the end of who does it all the same', () => {
  const all = cluster({ retains: false, qosMax: 1 });
  const first = new PacketClient(all, 0);
  const { properties } = first.connect('first');
  const { retainAvailable, maximumQoS } = properties as Record<string, unknown>;
  assert.deepEqual([retainAvailable, maximumQoS], [false, 1]);
  first.publish('t', 'x', 0, { retain: true });
  assert.equal(first.take('disconnect')['reasonCode'], 0x9a);
  const second = client(all, 'second');
  second.publish('t', 'x', 2);
  assert.equal(second.take('disconnect')['reasonCode'], 0x9b);
  const third = new PacketClient(all, 0);
  assert.equal(third.connect('third', will({ retain: true }))['reasonCode'], 0x9a);
  const fourth = new PacketClient(all, 0);
  assert.equal(fourth.connect('fourth', will({ qos: 2 }))['reasonCode'], 0x9b);
});

test('outgoing QoS upgraded to that of the subscription: live, retained, shared', () => {
  const all = cluster({ upgradesQos: true });
  const [ann, bob] = [client(all, 'ann'), client(all, 'bob')];
  ann.publish('t', 'kept', 0, { retain: true });
  bob.subscribe('t', 1);
  assert.equal(bob.take('publish')['qos'], 1);
  ann.publish('t', 'live', 0);
  assert.equal(bob.take('publish')['qos'], 1);
  bob.subscribe('$share/s/u', 1);
  ann.publish('u', 'shared', 0);
  assert.equal(bob.take('publish')['qos'], 1);
});

test('bytes in flight: so many payload bytes, one message when it alone is larger', () => {
  const all = cluster({ inflightBytesMax: 16 });
  const [ann, bob] = [client(all, 'ann'), client(all, 'bob')];
  bob.subscribe('t', 1);
  for (const text of ['message1', 'message2', 'message3']) ann.publish('t', text, 1);
  bob.settle();
  const sent = bob.heard.filter(({ cmd }) => cmd === 'publish');
  assert.deepEqual(
    sent.map(({ payload }) => String(payload)),
    ['message1', 'message2'],
  );
  bob.heard.length = 0;
  bob.send({ cmd: 'puback', messageId: sent[0]!.messageId!, reasonCode: 0 });
  const third = bob.take('publish');
  assert.equal(String(third.payload), 'message3');
  ann.publish('t', 'x'.repeat(40), 1);
  for (const { messageId } of [sent[1]!, third]) {
    assert.deepEqual(bob.texts(), []);
    bob.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0 });
  }
  assert.equal(String(bob.take('publish').payload), 'x'.repeat(40));
});

test('retained messages come in the order of their topics, parents first', () => {
  const all = cluster({});
  const [ann, bob] = [client(all, 'ann'), client(all, 'bob')];
  for (const topic of ['1/2/3', '1/2', '0', '1']) {
    ann.publish(topic, topic, 0, { retain: true });
  }
  bob.subscribe('#', 0);
  assert.deepEqual(bob.texts(), ['0', '1', '1/2', '1/2/3']);
});

test('names with $: no will; of messages only what a bridge of mosquitto says of itself', () => {
  const all = cluster({});
  const eve = new PacketClient(all, 0);
  assert.throws(() => eve.connect('eve', will({ topic: '$CONTROL/x' })), /no connack/);
  assert.equal(eve.isOpen, false);
  const ann = client(all, 'ann');
  ann.publish('$SYS/broker/connection/me/state', '1', 1);
  assert.equal(ann.take('puback')['reasonCode'], 0x10);
  ann.publish('$SYS/broker/connection/me', '1', 1);
  assert.equal(ann.take('puback')['reasonCode'], 0x87);
});

test('MQTT 3.1 marks a repeated PUBREL, whole or in pieces', () => {
  const all = cluster({});
  const bob = client(all, 'bob');
  bob.subscribe('t', 0);
  const ann = client(all, 'ann', 3);
  for (const [id, pieces] of [
    [1, [[0x6a, 2, 0, 1]]],
    [2, [[0x6a], [2, 0], [2]]],
  ] as [number, number[][]][]) {
    ann.publish('t', `${id}`, 2, { messageId: id });
    ann.take('pubrec');
    for (const piece of pieces) ann.sendBytes(Uint8Array.from(piece));
    assert.equal(ann.take('pubcomp').messageId, id);
  }
  assert.deepEqual(bob.texts(), ['1', '2']);
});
