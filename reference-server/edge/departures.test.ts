// Users are sent elsewhere: who logs in, who is here (so many a second and no more), who is on a worker that gets no
// connections any more. Heard by npm mqtt-packet in virtual time, and by npm mqtt at a running server.

import assert from 'node:assert/strict';
import { type EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import mqtt from 'mqtt';
import type { IDisconnectPacket } from 'mqtt-packet';
import { Departures } from '#reference-server/edge/departures.ts';
import { readOptions } from '#reference-server/serve-command.ts';
import { Server } from '#reference-server/server.ts';
import { serverKnobs } from '#reference-server/server-knobs.ts';
import { CLOSE_CAUSE } from '#reference-server/statistics/close-cause.ts';
import { STAT, STAT_CLOSED } from '#reference-server/statistics/worker-stats.ts';
import { PacketClient } from '#reference-server/test/packet-client.ts';
import {
  type SimulatedCluster,
  simulateCluster,
} from '#reference-server/test/simulated-cluster.ts';
import { DEFAULT_SETTINGS, type WorkerSettings } from '#reference-server/worker/worker-control.ts';

function turn(all: SimulatedCluster, part: Partial<WorkerSettings>, reference = ''): void {
  for (const [self, { edge }] of all.workers.entries()) {
    edge.departures.set({ ...DEFAULT_SETTINGS, ...part }, self, all.workers.length);
    edge.departures.reference = reference;
  }
}

function crowd(all: SimulatedCluster, count: number, version: 4 | 5 = 5): PacketClient[] {
  return Array.from({ length: count }, (_, i) => {
    const client = new PacketClient(all, i, version);
    client.connect(`v${version}-${i}`);
    return client;
  });
}

const open = (clients: PacketClient[]): number => clients.filter(({ isOpen }) => isOpen).length;

test('refuse: logins are told where to go, who is here stays', () => {
  const all = simulateCluster(2);
  const here = crowd(all, 4);
  turn(all, { drain: 'refuse' }, 'other.example:1883');
  const late = new PacketClient(all, 0);
  const answer = late.connect('late');
  assert.deepEqual(
    [answer['reasonCode'], answer['properties']],
    [0x9c, { serverReference: 'other.example:1883' }],
  );
  assert.equal(late.isOpen, false);
  // One that takes no long packets is told the reason alone; MQTT 3 knows "unavailable".
  const small = new PacketClient(all, 1).connect('s', { properties: { maximumPacketSize: 64 } });
  assert.deepEqual([small['reasonCode'], small['properties']], [0x9c, undefined]);
  assert.equal(new PacketClient(all, 1, 4).connect('old')['returnCode'], 3);
  all.clock.advance(5000);
  for (const client of here) client.settle();
  assert.equal(open(here), 4);
  assert.equal(all.stat(STAT.loginsRefused), 3);
  assert.equal(all.stat(STAT_CLOSED + CLOSE_CAUSE.anotherServer), 3);
  turn(all, {});
  assert.equal(new PacketClient(all, 0).connect('late')['reasonCode'], 0);
});

test('move: so many a second and no more, each told where to; sessions wait', () => {
  const all = simulateCluster(2);
  const here = [...crowd(all, 30), ...crowd(all, 10, 4)];
  const kept = new PacketClient(all, 0, 5);
  kept.connect('kept', { clean: false, properties: { sessionExpiryInterval: 1000 } });
  kept.subscribe('m/kept', 1);
  here.push(kept);
  turn(all, { drain: 'move', drainPerS: 20 }, 'a.example b.example');
  all.turn();
  assert.equal(open(here), 41, 'nobody at once');
  for (let second = 1; second <= 3; second++) {
    for (let tick = 0; tick < 100; tick++) {
      all.clock.advance(10);
      all.turn();
    }
    const left = Math.max(0, 41 - second * 20);
    assert.ok(Math.abs(open(here) - left) <= 2, `${open(here)} after ${second} s, not ${left}`);
  }
  assert.equal(open(here), 0);
  for (const client of here.slice(0, 30)) {
    const { reasonCode, properties } = client.take('disconnect') as IDisconnectPacket;
    assert.deepEqual([reasonCode, properties?.serverReference], [0x9d, 'a.example b.example']);
  }
  assert.equal(all.stat(STAT_CLOSED + CLOSE_CAUSE.serverMoved), 41);
  turn(all, {});
  const again = new PacketClient(all, 1, 5);
  assert.equal(
    again.connect('kept', { clean: false, properties: { sessionExpiryInterval: 1000 } })[
      'sessionPresent'
    ],
    true,
  );
});

test('spread: only workers without new connections let theirs go, and logins go on', () => {
  const all = simulateCluster(3);
  const here = crowd(all, 30);
  turn(all, { drain: 'spread', acceptWorkers: 1, drainPerS: 1000 });
  for (let tick = 0; tick < 20; tick++) {
    all.clock.advance(10);
    all.turn();
  }
  assert.deepEqual(
    here.map(({ isOpen }) => isOpen),
    here.map((_, i) => i % 3 === 0),
  );
  assert.equal((here[1]!.take('disconnect') as IDisconnectPacket).reasonCode, 0x98);
  assert.equal(new PacketClient(all, 0).connect('late')['reasonCode'], 0);
  assert.equal(all.stat(STAT_CLOSED + CLOSE_CAUSE.spread), 20);
});

test('npm mqtt hears both at a running server, by its knobs', async (t) => {
  const given = { port: [0], host: '127.0.0.1', workers: 2, connections: 100 };
  const server = await Server.start(readOptions({ ...given, serverReference: 'b.example' }));
  t.after(() => server.stop());
  const knobs = new Map(serverKnobs(server).map((knob) => [knob.def.name, knob]));
  const url = `mqtt://127.0.0.1:${server.ports[0]}`;
  const options = { protocolVersion: 5, reconnectPeriod: 0 } as const;
  const ann = await mqtt.connectAsync(url, { ...options, clientId: 'ann' });
  t.after(() => void ann.end(true));
  assert.equal(knobs.get('drain.reference')!.read(), 'b.example');
  const told = once(ann as unknown as EventEmitter, 'disconnect') as Promise<[IDisconnectPacket]>;
  await knobs.get('drain.rate')!.apply(100_000);
  await knobs.get('drain')!.apply('move');
  const [{ reasonCode, properties }] = await told;
  assert.deepEqual([reasonCode, properties?.serverReference], [0x9d, 'b.example']);
  await knobs.get('drain.reference')!.apply('c.example:1884');
  const bob = mqtt.connect(url, { ...options, clientId: 'bob' });
  t.after(() => void bob.end(true));
  bob.on('error', () => {});
  const [packet] = await once(bob as unknown as EventEmitter, 'packetreceive');
  assert.deepEqual(
    [packet.cmd, packet.reasonCode, packet.properties?.serverReference],
    ['connack', 0x9c, 'c.example:1884'],
  );
});

test('few users in a large table leave as fast as they are told to', () => {
  const departures = new Departures();
  departures.set({ ...DEFAULT_SETTINGS, drain: 'move', drainPerS: 10 }, 0, 1);
  const online = new Set(Array.from({ length: 10 }, (_, i) => 9000 * i + 8999));
  const of = {
    capacity: 100_000,
    isOnline: (conn: number) => online.has(conn),
    end: (conn: number) => void online.delete(conn),
  };
  let nowUs = 1e6;
  for (const endUs = nowUs + 2.5e6; nowUs < endUs; ) nowUs += departures.onTurn(nowUs, of);
  assert.deepEqual([...online], []);
});
