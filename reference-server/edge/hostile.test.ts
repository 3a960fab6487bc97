// Hostile clients by the thousand: mutated and random packets in random pieces from many connections at
// once. Nothing throws, others are served, and what they held is given back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as encode from '#core/wire/mqtt/encode.ts';
import { CLOSE_CAUSES } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';
import { SimulatedClient } from '#reference-server/test/simulated-client.ts';
import { SMALL_LIMITS, simulateCluster } from '#reference-server/test/simulated-cluster.ts';

const LIMITS = { ...SMALL_LIMITS, usersMax: 16, mailboxMessagesMax: 8, messagesMax: 64 };
const NAMES = ['a', 'b', 'c', 'victim', ''];

type Writer = (out: Uint8Array, at: number) => number;

const name = fc.constantFrom(...NAMES);
const packetId = fc.integer({ min: 1, max: 6 });
const packet: fc.Arbitrary<Writer> = fc.oneof(
  fc.tuple(name, fc.boolean()).map(
    ([clientId, cleanSession]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeConnect(out, at, { clientId, cleanSession, keepAliveS: 1 }),
  ),
  fc.tuple(name, fc.nat(2), packetId).map(([to, qos, id]) => (out: Uint8Array, at: number) => {
    const topic = Buffer.from(`m/${to}`);
    const { length } = topic;
    return encode.encodePublish(out, at, topic, length, qos, id, false, true, topic, 0, length);
  }),
  fc.tuple(packetId, name, name).map(
    ([id, first, second]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeSubscribe(out, at, id, [`m/${first || 'x'}`, `r/${second || 'x'}`], id % 3),
  ),
  fc.tuple(packetId, name).map(
    ([id, first]) =>
      (out: Uint8Array, at: number) =>
        encode.encodeUnsubscribe(out, at, id, [`m/${first || 'x'}`]),
  ),
  packetId.map((id) => (out: Uint8Array, at: number) => encode.encodePuback(out, at, id)),
  fc.constant<Writer>(encode.encodePingreq),
  fc.constant<Writer>(encode.encodeDisconnect),
);

const stream = fc.record({
  worker: fc.nat(2),
  clientId: name,
  logsIn: fc.boolean(),
  packets: fc.array(packet, { maxLength: 12 }),
  damage: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
  cuts: fc.array(fc.nat(), { maxLength: 4 }),
  isCutOff: fc.boolean(),
  advanceMs: fc.constantFrom(0, 0, 0, 50, 1000, 6000),
});

for (const workers of [1, 3]) {
  test(`${workers} worker(s): mutated streams from many connections`, () => {
    fc.assert(
      fc.property(fc.array(stream, { minLength: 5, maxLength: 25 }), (streams) => {
        const cluster = simulateCluster(workers, LIMITS, 512);
        const clients: SimulatedClient[] = [];
        const out = new Uint8Array(4000);
        for (const { worker, clientId, logsIn, packets, damage, cuts, ...rest } of streams) {
          const connect = { clientId, cleanSession: true, keepAliveS: 2 };
          let end = logsIn ? encode.encodeConnect(out, 0, connect) : 0;
          for (const write of packets) end = write(out, end);
          if (end === 0) continue;
          for (const [where, value] of damage) out[where % end] = value;
          const client = new SimulatedClient(cluster.workers[worker % workers]!);
          client.sendBytes(out.slice(0, end), cuts);
          if (rest.isCutOff) client.hangUp(end % 2 === 0);
          clients.push(client);
          cluster.clock.advance(rest.advanceMs);
          cluster.workers[worker % workers]!.reactor.turn();
        }
        serveOneMore(cluster);
        for (const client of clients) client.hangUp();
        for (let i = 0; i < 10; i++) cluster.turn();
        for (const { edge, reactor } of cluster.workers) {
          assert.equal(reactor.connections, 0);
          assert.equal(edge.partials.usedBytes, 0);
        }
        const ended = CLOSE_CAUSES.map((_, cause) => cluster.stat(STAT_CLOSED + cause));
        assert.equal(
          ended.reduce((sum, count) => sum + count, 0),
          clients.length + 1,
        );
        assert.equal(cluster.stat(STAT.sessions), 0);
        assert.equal(
          cluster.stat(STAT.enqueued) - cluster.stat(STAT.dequeued),
          cluster.stat(STAT.queued),
        );
      }),
      { numRuns: 400 },
    );
  });
}

/** An ordinary client is served beside all of them. */
function serveOneMore(cluster: ReturnType<typeof simulateCluster>): void {
  const friend = new SimulatedClient(cluster.workers[0]!);
  friend.connect('', true);
  friend.ping();
  for (let i = 0; i < 10 && friend.pingresps === 0; i++) {
    cluster.turn();
    friend.push();
    friend.read();
  }
  assert.ok(friend.pingresps === 1 || friend.connack?.code === 3);
  friend.hangUp();
}
