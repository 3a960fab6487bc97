// What arrives in an order that no well-behaved network makes, and handlers that end a connection within its bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { NO_NETWORK, WINDOW_BYTES_MAX } from '#core/socket/stack/network-classes.ts';
import { TCP_FLAG } from '#core/socket/stack/packet.ts';
import type { ModelConnection } from '#core/socket/stack/test/model-peer.ts';
import { Simulation } from '#core/socket/stack/test/simulation.ts';
import { pattern } from '#core/socket/test/subject.ts';

const FIN_ACK = TCP_FLAG.fin | TCP_FLAG.ack;
const STREAM = Buffer.from(pattern(4000, 3));

const theOne = (sim: Simulation): ModelConnection => [...sim.peer.connections.values()].at(-1)!;

/** The peer sends bytes [start, end) of the stream, whatever came before them. */
function piece(sim: Simulation, start: number, end: number, flags: number = TCP_FLAG.ack): void {
  const one = theOne(sim);
  one.output = STREAM.subarray(0, Math.max(end, one.output.length));
  one.sent = one.output.length;
  const acknowledged = (one.theirFirst + 1) >>> 0;
  const sequence = (one.first + 1 + start) >>> 0;
  sim.peer.forge(one, sequence, flags, acknowledged, STREAM.subarray(start, end));
}

for (const arrival of ['with FIN', 'with FIN, filling a gap', 'filling a gap'] as const) {
  test(`a handler that pauses and aborts within bytes ${arrival}: nothing of them stays behind`, () => {
    const sim: Simulation = new Simulation({
      offer: { sack: true },
      reactor: { capacity: 1 },
      handler: {
        onData: (conn) => {
          sim.stack.life.pauseReceive(conn);
          sim.stack.life.release(conn, CLOSE_REASON.aborted, 0);
        },
      },
    });
    for (let round = 0; round < 3; round++) {
      const told = sim.open();
      if (arrival !== 'with FIN') piece(sim, 100, 200);
      sim.pass(2);
      const before = sim.count('pureAcks');
      piece(sim, 0, 100, arrival === 'filling a gap' ? TCP_FLAG.ack : FIN_ACK);
      sim.pass(3);
      assert.equal(told.closeReason, CLOSE_REASON.aborted);
      assert.equal(sim.count('pureAcks'), before, 'the reset was the last word');
      sim.assertEmpty();
    }
  });
}

test('a handler that aborts within kept bytes has said the last word with its reset', () => {
  const sim: Simulation = new Simulation({
    offer: { sack: true },
    handler: {
      onData: (conn) => sim.stack.life.release(conn, CLOSE_REASON.aborted, 0),
    },
  });
  const { conn } = sim.open();
  sim.stack.life.pauseReceive(conn);
  piece(sim, 0, 100);
  sim.pass(2);
  sim.stack.life.resumeReceive(conn);
  const before = sim.count('pureAcks');
  // Taken in before those who resumed get theirs: it is kept behind them.
  piece(sim, 100, 200);
  sim.pass(2);
  assert.equal(sim.count('pureAcks'), before);
  sim.assertEmpty();
});

test('a FIN that was kept behind a gap and comes again with what was missing is taken once', () => {
  const sim = new Simulation({ offer: { sack: true } });
  sim.peer.endsAfter = false;
  const told = sim.open();
  piece(sim, 0, 100);
  sim.pass(2);
  piece(sim, 150, 200, FIN_ACK);
  sim.pass(2);
  piece(sim, 100, 200, FIN_ACK);
  sim.pass(50);
  assert.equal(told.hasEnded, true);
  assert.ok(Buffer.concat(told.chunks).equals(STREAM.subarray(0, 200)));
  const one = theOne(sim);
  assert.equal(sim.stack.table.expected[told.conn], (one.first + 1 + 200 + 1) >>> 0);
});

for (const lateSegments of [0, 1]) {
  test(`what came twice tells nothing of what followed, unless that was acknowledged too: ${lateSegments} late`, () => {
    const bytes = 1460;
    const sim = new Simulation({ delayMs: 5, offer: { sack: true } });
    sim.peer.echoes = false;
    const told = sim.open();
    const one = theOne(sim);
    sim.stack.life.send(told.conn, STREAM, 0, 1);
    sim.until(() => sim.stack.outputBytes === 0);
    // All is lost but the first, of which only the acknowledgement is.
    sim.lossRatio = 1;
    const sent = pattern(10 * bytes);
    sim.stack.life.send(told.conn, sent, 0, sent.length);
    sim.until(() => sim.count('timeouts') === 1);
    sim.lossRatio = 0;
    const count = (1 + lateSegments) * bytes;
    one.received = Buffer.concat([one.received, sent.subarray(0, count)]);
    one.twice = [1, 1 + bytes];
    sim.peer.acknowledge(one);
    sim.pass(10);
    const again = sim.count('retransmits');
    if (lateSegments > 0) assert.equal(again, 1, 'the others are on their way');
    else assert.ok(again > 1, 'the others are sent again at once');
    sim.until(() => one.received.length === 1 + sent.length, 5);
    if (lateSegments === 0) assert.equal(sim.count('timeouts'), 1);
  });
}

test('with a window of 1 MiB all that comes behind a gap is kept, none of it comes again', () => {
  const network = { ...NO_NETWORK, windowBytes: WINDOW_BYTES_MAX };
  const sim = new Simulation({
    offer: { sack: true, windowShift: 5 },
    network: { classes: [network], seed: 1 },
  });
  const told = sim.open();
  const one = theOne(sim);
  const sent = Buffer.from(pattern(400_000));
  const put = (start: number, end: number): void =>
    sim.peer.forge(
      one,
      (one.first + 1 + start) >>> 0,
      TCP_FLAG.ack,
      (one.theirFirst + 1) >>> 0,
      sent.subarray(start, end),
    );
  one.output = sent;
  one.sent = sent.length;
  for (let start = 1000; start < sent.length; start += 1000) put(start, start + 1000);
  sim.pass(3);
  put(0, 1000);
  sim.pass(3);
  assert.deepEqual([sim.count('kept'), sim.count('keptRefused')], [399, 0]);
  assert.ok(Buffer.concat(told.chunks).equals(sent));
});

test('what came twice behind a gap is kept once, and what is closing finds no room to be refused', () => {
  const sim = new Simulation({ offer: { sack: true } });
  sim.peer.endsAfter = false;
  const { conn } = sim.open();
  const counts = (): number[] =>
    (['kept', 'duplicates', 'keptRefused'] as const).map((name) => sim.count(name));
  piece(sim, 100, 200);
  piece(sim, 100, 200);
  sim.pass(3);
  assert.deepEqual(counts(), [1, 1, 0]);
  piece(sim, 150, 250);
  sim.pass(3);
  assert.deepEqual(counts(), [2, 1, 0]);
  sim.stack.life.close(conn);
  piece(sim, 300, 400);
  sim.pass(3);
  assert.deepEqual(counts(), [2, 1, 0]);
});
