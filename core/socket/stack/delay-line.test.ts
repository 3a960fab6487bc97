// Networks of single clients, on virtual time: what one class meets, another does not.

import assert from 'node:assert/strict';
import test from 'node:test';
import {
  LINK_BYTES_PER_S_MIN,
  QUEUE_MS_MAX,
  ROUND_TRIP_MS_MAX,
} from '#core/socket/stack/delay-line.ts';
import { type NetworkClass, NO_NETWORK } from '#core/socket/stack/network-classes.ts';
import { Simulation, type Told } from '#core/socket/stack/test/simulation.ts';
import { pattern } from '#core/socket/test/subject.ts';

const KIB = 1024;
const LARGE = { outputBytesMax: 512 * KIB };

function simulation(...classes: Partial<NetworkClass>[]): Simulation {
  const mix = { classes: classes.map((one) => ({ ...NO_NETWORK, ...one })), seed: 3 };
  return new Simulation({ network: mix, reactor: LARGE });
}

/** Virtual ms until `count` bytes have come back. */
function echoMs(sim: Simulation, told: Told, count: number): number {
  const fromUs = sim.nowUs;
  const before = told.receivedBytes;
  assert.ok(sim.stack.life.send(told.conn, pattern(count), 0, count));
  sim.until(() => told.receivedBytes === before + count);
  return (sim.nowUs - fromUs) / 1000;
}

test('each client has the round trip of its own class, also while others have another', () => {
  const sim = simulation({ roundTripMs: 100 }, { roundTripMs: 400, jitterMs: 40 }, {});
  const clients = [0, 1, 2].map((network) => sim.open(network));
  for (let round = 0; round < 20; round++) {
    const times = clients.map((told) => echoMs(sim, told, 10));
    assert.ok(times[0]! >= 100 && times[0]! <= 105, `${times[0]}`);
    assert.ok(times[1]! >= 360 && times[1]! <= 445, `${times[1]}`);
    assert.ok(times[2]! <= 5, `${times[2]}`);
  }
});

test('loss meets only those whose network loses', () => {
  const sim = simulation({ lossRatio: 0.2, roundTripMs: 10 }, {});
  const good = sim.open(1);
  echoMs(sim, good, 100 * KIB);
  assert.equal(sim.count('lost'), 0);
  const bad = sim.open(0);
  echoMs(sim, bad, 20 * KIB);
  assert.ok(sim.count('lost') > 0);
  assert.equal(sim.count('queueRefused'), 0);
});

test('a link carries what it carries, each way its own, and each client has one', () => {
  const bound = { downBytesPerS: 20_000, upBytesPerS: 100_000 };
  const sim = simulation(bound, {});
  const [one, other, free] = [sim.open(0), sim.open(0), sim.open(1)];
  // 4 KB up at 100 KB/s and back at 20 KB/s; with headers of 40 B a segment a little more.
  const ms = echoMs(sim, one, 4000);
  assert.ok(ms >= 200 && ms < 270, `${ms} ms`);
  assert.ok(echoMs(sim, free, 4000) < 20);
  const fromUs = sim.nowUs;
  for (const told of [one, other]) sim.stack.life.send(told.conn, pattern(4000), 0, 4000);
  sim.until(() => one.receivedBytes === 8000 && other.receivedBytes === 4000);
  const bothMs = (sim.nowUs - fromUs) / 1000;
  assert.ok(bothMs < 270, `${bothMs} ms: they do not share it`);
});

test('the queue before a link is bounded, what does not fit is dropped, counted and sent again', () => {
  const sim = simulation({ downBytesPerS: 4000, roundTripMs: 20 });
  const told = sim.open();
  const ms = echoMs(sim, told, 30_000);
  assert.ok(sim.count('queueRefused') > 0, 'a window of 64 KiB is far more than the queue takes');
  assert.ok(ms >= 30_000 / 4, `${ms} ms`);
  const late = sim.open();
  assert.ok(echoMs(sim, late, 10) < QUEUE_MS_MAX, 'another client does not wait for this one');
});

test('a small receive window bounds what is on its way to a client', () => {
  const sim = simulation({ roundTripMs: 100, windowBytes: 2000 }, { roundTripMs: 100 });
  const [small, large] = [sim.open(0), sim.open(1)];
  // 2,000 bytes a round trip, so 20,000 take ten; the other has them in two or three.
  const [slowMs, fastMs] = [echoMs(sim, small, 20_000), echoMs(sim, large, 20_000)];
  assert.ok(slowMs >= 900, `${slowMs} ms`);
  assert.ok(fastMs < slowMs / 2, `${fastMs} ms`);
});

test('one byte a connection with several classes, none with one', () => {
  const bytes = (sim: Simulation): number => sim.stack.bytesPerConnection;
  const plain = bytes(new Simulation());
  assert.equal(bytes(simulation({ roundTripMs: 5 })), plain);
  assert.equal(bytes(simulation({ roundTripMs: 5 }, {})), plain + 1);
});

test('the same seed meets the same fate, packet by packet', () => {
  const run = (): number[] => {
    const sim = simulation({ roundTripMs: 30, jitterMs: 20, lossRatio: 0.1 }, { lossRatio: 0.02 });
    for (const network of [0, 1, 0]) echoMs(sim, sim.open(network), 10_000);
    return [sim.nowUs, ...sim.counters];
  };
  assert.deepEqual(run(), run());
});

test('the slowest link on the longest way takes its time; a slower one is none', () => {
  const slow = { roundTripMs: ROUND_TRIP_MS_MAX, upBytesPerS: LINK_BYTES_PER_S_MIN };
  const sim = simulation(slow);
  sim.peer.echoes = false;
  const told = sim.open();
  // Two packets of 1,500 B, each behind the other for 1.5 s, then 4 s of way.
  const fromUs = sim.nowUs;
  sim.stack.life.send(told.conn, pattern(2 * 1460), 0, 2 * 1460);
  const one = [...sim.peer.connections.values()][0]!;
  sim.until(() => one.received.length === 2 * 1460, 60);
  const ms = (sim.nowUs - fromUs) / 1000;
  assert.ok(ms >= 7000 && ms < 7100, `${ms}`);
  assert.throws(
    () => simulation({ ...slow, upBytesPerS: LINK_BYTES_PER_S_MIN - 1 }),
    /wheel holds/,
  );
  assert.throws(() => simulation({ ...slow, downBytesPerS: 125 }), /wheel holds/);
});
