// Selective acknowledgements, window scaling, timestamps, keep-alive and the open from both sides, on virtual time
// against the model peer, which checks what the stack reports.

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { KEPT_SEGMENTS_MIN } from '#core/socket/stack/kept-segments.ts';
import { NO_NETWORK } from '#core/socket/stack/network-classes.ts';
import type { TcpKnobs } from '#core/socket/stack/tcp-knobs.ts';
import type { ModelConnection, ModelOffer } from '#core/socket/stack/test/model-peer.ts';
import {
  Simulation,
  type SimulationOptions,
  type Told,
} from '#core/socket/stack/test/simulation.ts';
import { pattern } from '#core/socket/test/subject.ts';

const { ETIMEDOUT } = constants.errno;
const KIB = 1024;
const LARGE = { outputBytesMax: 1024 * KIB };
const EVERYTHING: ModelOffer = { sack: true, windowShift: 3, timestamps: true };

const bytesOf = (told: Told): Buffer => Buffer.concat(told.chunks);
const theOne = (sim: Simulation): ModelConnection => [...sim.peer.connections.values()].at(-1)!;

function send(sim: Simulation, told: Told, count: number, seed = 1): Buffer {
  const sent = pattern(count, seed);
  assert.ok(sim.stack.life.send(told.conn, sent, 0, count));
  return sent;
}

/** Virtual ms until the peer has so many bytes of us; the peer only reads. */
function uploadMs(count: number, options: SimulationOptions): number {
  const sim = new Simulation({ delayMs: 25, reactor: LARGE, ...options });
  sim.peer.echoes = false;
  const told = sim.open();
  const fromUs = sim.nowUs;
  const sent = send(sim, told, count);
  sim.until(() => theOne(sim).received.length === count, 3600);
  assert.ok(theOne(sim).received.equals(sent));
  const ms = (sim.nowUs - fromUs) / 1000;
  sim.stack.life.close(told.conn);
  sim.until(() => told.closeReason !== undefined, 3600);
  sim.assertEmpty();
  return ms;
}

for (const [ours, theirs] of [
  [{}, EVERYTHING],
  [{ timestamps: true }, EVERYTHING],
  [{ timestamps: true }, { ...EVERYTHING, timestamps: false }],
  [{ timestamps: true, scaling: false }, EVERYTHING],
  [{ timestamps: true, sack: false }, EVERYTHING],
  [{ timestamps: true }, { ...EVERYTHING, sack: false, windowShift: -1 }],
  [{ timestamps: true }, { ...EVERYTHING, windowShift: 0 }],
] as [Partial<TcpKnobs>, ModelOffer][]) {
  test(`what both offer is used, with 10 % lost and overtaken: ${JSON.stringify([ours, theirs])}`, () => {
    for (const count of [1, 1448, 1461, 20_000, 200 * KIB]) {
      const sim = new Simulation({
        ...{ seed: count, lossRatio: 0.1, delayMs: 5, jitterMs: 10 },
        ...{ tcp: ours, offer: theirs, reactor: LARGE },
      });
      const told = sim.open();
      const sent = send(sim, told, count, count);
      sim.until(() => told.receivedBytes >= count, 3600);
      assert.ok(bytesOf(told).equals(sent) && theOne(sim).received.equals(sent));
      assert.equal(theOne(sim).hasSack, ours.sack !== false && theirs.sack);
      assert.equal(theOne(sim).hasTimestamps, ours.timestamps === true && theirs.timestamps);
      if (!theOne(sim).hasSack) assert.equal(sim.peer.reports, 0);
      else if (count > 100_000) assert.ok(sim.peer.reports > 0, 'gaps were reported');
      sim.stack.life.close(told.conn);
      sim.until(() => told.closeReason === CLOSE_REASON.orderly, 600);
      sim.assertEmpty();
    }
  });
}

test('losses of 2 to 20 % cost an upload less with selective acknowledgements than without', (t) => {
  for (const [lossPercent, ratioMax, count] of [
    [2, 0.95, 300 * KIB],
    [5, 0.9, 300 * KIB],
    [10, 0.7, 200 * KIB],
    [20, 0.85, 60 * KIB],
  ] as const) {
    const sums = { with: 0, without: 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const offer = { sack: true, windowShift: 0 };
      const options = { seed, lossRatio: lossPercent / 100, offer };
      sums.with += uploadMs(count, options);
      sums.without += uploadMs(count, { ...options, tcp: { sack: false } });
    }
    const ratio = sums.with / sums.without;
    t.diagnostic(
      `${lossPercent} %: ${Math.round(sums.with / 20)} ms, ${ratio.toFixed(2)} of without`,
    );
    assert.ok(ratio < ratioMax, `${lossPercent} %: ${ratio}`);
  }
});

test('a download with gaps is kept, reported and given in order; nothing stays behind', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const sim = new Simulation({
      ...{
        seed,
        lossRatio: 0.1,
        delayMs: 10,
        jitterMs: 3,
        offer: { ...EVERYTHING, timestamps: false },
      },
    });
    sim.peer.echoes = false;
    const told = sim.open();
    const sent = pattern(100_000, seed);
    sim.peer.write(theOne(sim), sent);
    sim.until(() => told.receivedBytes === sent.length, 3600);
    assert.ok(bytesOf(told).equals(sent), `seed ${seed}`);
    assert.ok(sim.count('kept') > 0 && sim.peer.reports > 0);
    assert.equal(sim.stack.keeping, 0);
  }
});

test('what is kept of one connection is bounded; more is dropped, counted, and comes again', () => {
  const sim = new Simulation({ offer: { sack: true } });
  sim.peer.echoes = false;
  const told = sim.open();
  sim.lossRatio = 1;
  const first = pattern(10, 1);
  sim.peer.write(theOne(sim), first);
  sim.lossRatio = 0;
  const pieces = Array.from({ length: 200 }, (_, index) => pattern(10, index + 2));
  for (const piece of pieces) sim.peer.write(theOne(sim), piece);
  sim.pass(5);
  assert.equal(told.receivedBytes, 0);
  assert.equal(sim.count('kept'), KEPT_SEGMENTS_MIN);
  assert.equal(sim.count('keptRefused'), pieces.length - KEPT_SEGMENTS_MIN);
  sim.until(() => told.receivedBytes === 10 * (pieces.length + 1));
  assert.ok(bytesOf(told).equals(Buffer.concat([first, ...pieces])));
  assert.equal(sim.stack.keeping, 0);
});

test('what comes while reading is paused waits here, and needs no repetition', () => {
  const sim = new Simulation({ delayMs: 3, offer: { sack: true } });
  sim.peer.echoes = false;
  const told = sim.open();
  sim.stack.life.pauseReceive(told.conn);
  const sent = pattern(20_000, 9);
  sim.peer.write(theOne(sim), sent);
  sim.peer.end(theOne(sim));
  sim.pass(10);
  assert.equal(told.receivedBytes, 0);
  assert.equal(theOne(sim).acknowledged, sent.length, 'it is acknowledged');
  sim.stack.life.resumeReceive(told.conn);
  assert.equal(told.receivedBytes, 0, 'no handler is called from resume');
  sim.step();
  assert.ok(bytesOf(told).equals(sent) && told.hasEnded);
});

test('a peer that drops what it had reported is believed no more, and gets everything', () => {
  const sim = new Simulation({ seed: 5, delayMs: 10, reactor: LARGE, offer: { sack: true } });
  sim.peer.echoes = false;
  const told = sim.open();
  sim.lossRatio = 0.3;
  const sent = send(sim, told, 200 * KIB);
  for (let round = 0; theOne(sim).received.length < sent.length; round++) {
    assert.ok(round < 100_000);
    if (round === 2000) sim.lossRatio = 0.02;
    if (round < 2000 && theOne(sim).early.size > 3) {
      const ends = [...theOne(sim).early].map(([start, bytes]) => start + bytes.length);
      // All but the last one go.
      const last = Math.max(...ends);
      for (const [start, bytes] of theOne(sim).early) {
        if (start + bytes.length < last) theOne(sim).early.delete(start);
      }
    }
    sim.step();
  }
  assert.ok(theOne(sim).received.equals(sent));
  assert.ok(sim.count('sacksReneged') > 0);
});

test('what came twice is reported as such', () => {
  const sim = new Simulation({ delayMs: 400, offer: { sack: true } });
  const told = sim.open();
  sim.peer.echoes = false;
  sim.peer.write(theOne(sim), pattern(500));
  sim.until(() => told.receivedBytes === 500);
  sim.pass(2000);
  assert.ok(sim.count('duplicates') > 0, 'it was sent again before it could be acknowledged');
  assert.equal(sim.peer.duplicateReports, sim.count('duplicates'));
});

test('windows above 64 KiB are used both ways where both offer it, and only there', () => {
  const network = { classes: [{ ...NO_NETWORK, windowBytes: 256 * KIB }], seed: 1 };
  for (const scaling of [true, false]) {
    const options = { delayMs: 50, network, tcp: { scaling }, reactor: LARGE };
    const sim = new Simulation({ ...options, offer: { windowShift: 3 } });
    sim.peer.windowBytes = 256 * KIB;
    const told = sim.open();
    const sent = send(sim, told, 900 * KIB);
    let inFlightMax = 0;
    while (told.receivedBytes < sent.length) {
      sim.step();
      inFlightMax = Math.max(inFlightMax, sim.stack.inFlight(told.conn));
    }
    assert.ok(bytesOf(told).equals(sent));
    for (const bytes of [inFlightMax, sim.peer.inFlightMax]) {
      assert.ok(bytes <= (scaling ? 256 * KIB : 65_535), `${bytes}`);
      assert.ok(bytes > (scaling ? 128 * KIB : 60_000), `${bytes}`);
    }
  }
});

test('segments of long ago and those without a timestamp are no part of a connection that has them', () => {
  const sim = new Simulation({ tcp: { timestamps: true }, offer: EVERYTHING });
  const told = sim.open();
  sim.peer.echoes = false;
  const one = theOne(sim);
  sim.peer.write(one, pattern(10));
  sim.pass(100);
  assert.equal(told.receivedBytes, 10);
  sim.peer.timestampShift = -5000;
  sim.peer.write(one, pattern(10));
  sim.pass(100);
  assert.equal(told.receivedBytes, 10, 'an old one');
  assert.equal(sim.count('pawsRefused'), 1);
  sim.peer.timestampShift = 0;
  one.hasTimestamps = false;
  sim.peer.write(one, pattern(10));
  one.hasTimestamps = true;
  sim.pass(100);
  assert.equal(told.receivedBytes, 10, 'one without');
  assert.equal(sim.count('pawsRefused'), 2);
  sim.until(() => told.receivedBytes === 30, 5);
});

test('a way that has become longer is not taken for loss again and again', () => {
  const sim = new Simulation({ delayMs: 5, reactor: LARGE, offer: { sack: true } });
  sim.peer.echoes = false;
  const told = sim.open();
  send(sim, told, 10);
  sim.until(() => sim.stack.outputBytes === 0);
  // Longer than the timeout of some 210 ms, for good.
  sim.delayMs = 400;
  const segments = 40;
  for (let round = 1; round <= segments; round++) {
    send(sim, told, 1460, round);
    sim.until(() => sim.stack.outputBytes === 0);
  }
  assert.ok(sim.count('timeouts') >= 2, 'at first it is');
  assert.ok(sim.count('timeouts') <= 4, `${sim.count('timeouts')}`);
  assert.ok(sim.count('retransmits') <= 6, `${sim.count('retransmits')}`);
});

test('with timestamps the round trip of what was sent again is known', () => {
  const roundTripMs = (timestamps: boolean): number => {
    const sim = new Simulation({ delayMs: 150, tcp: { timestamps }, offer: EVERYTHING });
    sim.peer.echoes = false;
    const told = sim.open();
    const before = sim.stack.roundTripMs(told.conn);
    // Twice as far from now on, and every first packet is lost: nothing is timed that came once.
    for (let round = 0; round < 12; round++) {
      sim.lossRatio = 1;
      send(sim, told, 10);
      sim.step();
      sim.lossRatio = 0;
      sim.delayMs = 300;
      sim.until(() => theOne(sim).received.length === 10 * (round + 1));
      sim.until(() => sim.stack.outputBytes === 0);
    }
    assert.ok(before >= 300 && before < 310, `${before}`);
    return sim.stack.roundTripMs(told.conn);
  };
  assert.ok(roundTripMs(true) > 500, 'it is learned');
  assert.ok(roundTripMs(false) < 310, 'it cannot be (Karn)');
});

test('a silent peer is asked in time: it answers and is kept, or is given up', () => {
  const keepAlive = { idleS: 60, intervalS: 10, questionsMax: 3 };
  const sim = new Simulation({ delayMs: 5, tcp: { keepAlive } });
  const told = sim.open();
  sim.pass(58_000);
  assert.equal(sim.count('keepAlives'), 0);
  sim.pass(4000);
  assert.equal(sim.count('keepAlives'), 1);
  sim.pass(58_000);
  assert.equal(sim.count('keepAlives'), 1, 'the answer counts as life');
  sim.pass(4000);
  assert.equal(sim.count('keepAlives'), 2);
  sim.lossRatio = 1;
  const fromUs = sim.nowUs;
  sim.until(() => told.closeReason !== undefined, 200);
  const ms = (sim.nowUs - fromUs) / 1000;
  assert.ok(ms > 84_000 && ms < 92_000, `${ms}: 60 s, and three times 10 s`);
  assert.equal(sim.count('keepAlives'), 5);
  assert.deepEqual([told.closeReason, told.closeErrno], [CLOSE_REASON.reset, ETIMEDOUT]);
  sim.assertEmpty();
  const without = new Simulation();
  without.open();
  without.lossRatio = 1;
  without.pass(200_000);
  assert.equal(without.count('packetsOut'), 2, 'SYN and its acknowledgement: nobody is asked');
});

test('both sides open at once: one connection, whatever is lost', () => {
  for (let seed = 0; seed < 40; seed++) {
    const sim = new Simulation({
      ...{ seed, lossRatio: seed === 0 ? 0 : 0.2, delayMs: 10, jitterMs: 5, offer: EVERYTHING },
      tcp: { timestamps: true },
    });
    sim.peer.crosses = true;
    const told = sim.open();
    const sent = send(sim, told, 5000, seed);
    sim.until(() => told.receivedBytes === 5000);
    assert.ok(bytesOf(told).equals(sent));
    assert.deepEqual([sim.peer.connections.size, theOne(sim).wasReset], [1, false], `seed ${seed}`);
    sim.stack.life.close(told.conn);
    sim.until(() => told.closeReason === CLOSE_REASON.orderly);
    sim.pass(100);
    sim.assertEmpty();
  }
});

test('the options cost no more than they say, a connection', () => {
  const bytes = (tcp: Partial<TcpKnobs>): number =>
    new Simulation({ tcp }).stack.bytesPerConnection;
  const keepAlive = { idleS: 60, intervalS: 10, questionsMax: 3 };
  assert.equal(bytes({ sack: false, scaling: false }), 32);
  assert.deepEqual([bytes({}), bytes({ timestamps: true }), bytes({ keepAlive })], [32, 36, 35]);
});
