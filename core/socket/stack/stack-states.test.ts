// What a peer may say at the wrong time, in each state of a connection, and what is answered.

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { CLOSE_REASON } from '#core/socket/reactor.ts';
import { TCP_FLAG } from '#core/socket/stack/packet.ts';
import type { ModelConnection } from '#core/socket/stack/test/model-peer.ts';
import { Simulation, type Told } from '#core/socket/stack/test/simulation.ts';
import { pattern } from '#core/socket/test/subject.ts';

const { ECONNREFUSED, ECONNRESET } = constants.errno;
const { ack: ACK, fin: FIN, rst: RST, syn: SYN } = TCP_FLAG;
const URGENT = 32;

const theOne = (sim: Simulation): ModelConnection => [...sim.peer.connections.values()].at(-1)!;
/** What the stack has acknowledged next of the peer, and the peer of the stack. */
const nextOf = (one: ModelConnection): number =>
  (one.first + 1 + one.sent + (one.isFinSent ? 1 : 0)) >>> 0;
const expectedOf = (one: ModelConnection): number =>
  (one.theirFirst + 1 + one.received.length + (one.hasTheirFin ? 1 : 0)) >>> 0;

/** Brings a connection into a state of RFC 9293, 3.3.2. */
const STATES: Record<string, (sim: Simulation, told: Told) => void> = {
  ESTABLISHED: () => {},
  'FIN-WAIT-2': (sim, told) => sim.stack.life.endOutput(told.conn),
  'FIN-WAIT-2, closed': (sim, told) => sim.stack.life.close(told.conn),
  'CLOSE-WAIT': (sim) => sim.peer.end(theOne(sim)),
};

for (const [state, enter] of Object.entries(STATES)) {
  test(`a reset in ${state}: believed in its place, questioned within the window, nothing outside`, () => {
    const sim = new Simulation();
    sim.peer.echoes = false;
    sim.peer.endsAfter = false;
    const told = sim.open();
    enter(sim, told);
    sim.pass(100);
    const one = theOne(sim);
    const next = nextOf(one);
    const before = [sim.count('challenges'), sim.count('packetsOut')];
    for (const beside of [1, 65_534]) sim.peer.forge(one, (next + beside) >>> 0, RST, 0);
    sim.pass(2);
    assert.deepEqual(
      [sim.count('challenges') - before[0]!, sim.count('packetsOut') - before[1]!],
      [2, 2],
    );
    for (const outside of [-1, -70_000, 65_535, 2 ** 31])
      sim.peer.forge(one, (next + outside) >>> 0, RST, 0);
    sim.pass(2);
    assert.equal(sim.count('packetsOut') - before[1]!, 2);
    assert.equal(told.closeReason, undefined);
    sim.peer.forge(one, next, RST, 0);
    sim.pass(2);
    assert.deepEqual([told.closeReason, told.closeErrno], [CLOSE_REASON.reset, ECONNRESET]);
    assert.equal(sim.count('packetsOut') - before[1]!, 2, 'a reset is not answered');
    sim.assertEmpty();
  });
}

test('a reset behind bytes whose acknowledgement is owed is not answered', () => {
  const sim = new Simulation();
  sim.peer.echoes = false;
  const told = sim.open();
  sim.pass(100);
  const before = sim.count('packetsOut');
  sim.peer.write(theOne(sim), pattern(10));
  sim.peer.reset(theOne(sim));
  sim.pass(100);
  assert.deepEqual([told.receivedBytes, told.closeReason], [10, CLOSE_REASON.reset]);
  assert.equal(sim.count('packetsOut'), before);
  assert.equal(sim.count('strays'), 0);
});

test('the last acknowledgement is not answered after the end; a FIN and an old segment are', () => {
  const sim = new Simulation();
  const told = sim.open();
  sim.stack.life.close(told.conn);
  sim.until(() => told.closeReason !== undefined);
  sim.pass(10);
  const one = theOne(sim);
  const next = nextOf(one);
  const answers = (): number => sim.count('timeWaitAnswers');
  for (let twice = 0; twice < 2; twice++) sim.peer.forge(one, next, ACK, expectedOf(one));
  sim.pass(3);
  assert.equal(answers(), 0);
  sim.peer.forge(one, (next - 1) >>> 0, ACK | FIN, expectedOf(one));
  sim.pass(3);
  assert.equal(answers(), 1);
  sim.peer.forge(one, (next - 5) >>> 0, ACK, expectedOf(one));
  sim.pass(3);
  assert.equal(answers(), 2);
  sim.peer.forge(one, next, RST, 0);
  sim.pass(3);
  assert.deepEqual([answers(), sim.count('resetsSent')], [2, 0], 'RFC 1337');
});

test('old duplicates of the handshake change nothing and are answered once each', () => {
  const sim = new Simulation();
  sim.peer.echoes = false;
  const told = sim.open();
  sim.pass(100);
  const one = theOne(sim);
  const before = sim.count('packetsOut');
  sim.peer.forge(one, one.first, SYN | ACK, expectedOf(one));
  sim.peer.forge(one, (one.first - 5000) >>> 0, SYN | ACK, (expectedOf(one) - 9000) >>> 0);
  sim.peer.forge(one, (one.first + 7) >>> 0, SYN, 0);
  sim.pass(3);
  assert.equal(sim.count('packetsOut') - before, 3);
  sim.stack.life.send(told.conn, pattern(10), 0, 10);
  sim.until(() => one.received.length === 10, 1);
  assert.equal(told.closeReason, undefined);
});

test('urgent bytes are bytes', () => {
  const sim = new Simulation();
  sim.peer.echoes = false;
  const told = sim.open();
  const one = theOne(sim);
  one.output = Buffer.from('abc');
  one.sent = 3;
  sim.peer.forge(one, (one.first + 1) >>> 0, ACK | URGENT, expectedOf(one), one.output);
  sim.pass(60);
  assert.equal(Buffer.concat(told.chunks).toString(), 'abc');
  assert.equal(one.acknowledged, 3);
});

test('a window that shrinks below what is missing is used all the same', () => {
  const sim = new Simulation({ delayMs: 5, offer: { sack: true } });
  sim.peer.echoes = false;
  const told = sim.open();
  sim.stack.life.send(told.conn, pattern(1), 0, 1);
  sim.until(() => sim.stack.outputBytes === 0);
  const one = theOne(sim);
  const sent = pattern(2000);
  sim.lossRatio = 1;
  sim.stack.life.send(told.conn, sent, 0, 1000);
  sim.step();
  sim.lossRatio = 0;
  sim.stack.life.send(told.conn, sent, 1000, 2000);
  sim.pass(8);
  // It has reported what is behind the gap; now its window becomes smaller than the gap.
  sim.peer.windowBytes = 100;
  sim.peer.acknowledge(one);
  sim.until(() => one.received.length === 2001, 60);
  assert.ok(one.received.subarray(1).equals(sent));
  assert.ok(sim.count('timeouts') <= 30, `${sim.count('timeouts')}`);
});

test('a peer that never acknowledges is given up, though it talks on', () => {
  const sim = new Simulation();
  sim.peer.echoes = false;
  const told = sim.open();
  sim.pass(100);
  const one = theOne(sim);
  const acknowledged = expectedOf(one);
  sim.stack.life.send(told.conn, pattern(10), 0, 10);
  const take = sim.peer.take.bind(sim.peer);
  sim.peer.take = () => {};
  for (let ms = 0; told.closeReason === undefined; ms += 1000) {
    assert.ok(ms < 3_600_000);
    sim.peer.forge(one, (one.first + 1 + ms / 1000) >>> 0, ACK, acknowledged, Buffer.from('x'));
    sim.pass(1000);
  }
  sim.peer.take = take;
  assert.equal(told.closeErrno, constants.errno.ETIMEDOUT);
  assert.ok(told.receivedBytes > 100);
  sim.assertEmpty();
});

test('many on slow links that lose a fifth, with the least window, close at once: each is orderly', () => {
  const slow = { roundTripMs: 100, jitterMs: 50, lossRatio: 0.2, windowBytes: 536 };
  const link = { downBytesPerS: 8000, upBytesPerS: 8000 };
  const sim = new Simulation({
    network: { classes: [{ ...slow, ...link }], seed: 5 },
    offer: { sack: true },
    reactor: { capacity: 200 },
  });
  const all = Array.from({ length: 200 }, () => sim.connect());
  sim.until(() => all.every(({ connectErrno }) => connectErrno === 0), 300);
  const sent = pattern(2000);
  for (const { conn } of all) assert.ok(sim.stack.life.send(conn, sent, 0, sent.length));
  sim.until(() => all.every(({ receivedBytes }) => receivedBytes === sent.length), 600);
  assert.ok(all.every(({ chunks }) => Buffer.concat(chunks).equals(sent)));
  for (const { conn } of all) sim.stack.life.close(conn);
  sim.until(() => all.every(({ closeReason }) => closeReason === CLOSE_REASON.orderly), 600);
  // A FIN that comes again after its place in TIME_WAIT was taken meets a reset; both sides are finished then.
  const peers = [...sim.peer.connections.values()];
  assert.ok(peers.every(({ hasTheirFin }) => hasTheirFin));
  const resets = peers.filter(({ wasReset }) => wasReset).length;
  assert.ok(resets <= sim.count('timeWaitEvicted'), `${resets}`);
  sim.assertEmpty();
});

test('a reset while both open at once: believed in its place and as an answer to our SYN, else nothing', () => {
  for (const isAnswer of [true, false]) {
    const sim = new Simulation({ delayMs: 5 });
    const told = sim.connect();
    // Nothing comes of what the peer says by itself, from here on.
    sim.lossRatio = 1;
    sim.pass(6);
    sim.lossRatio = 0;
    sim.peer.take = () => {};
    sim.peer.tick = () => {};
    const one = theOne(sim);
    const before = sim.count('packetsOut');
    for (let twice = 0; twice < 2; twice++) sim.peer.forge(one, one.first, SYN, 0);
    sim.pass(7);
    assert.equal(sim.count('packetsOut') - before, 2, 'each SYN is answered');
    const next = (one.first + 1) >>> 0;
    const acknowledged = (one.theirFirst + 1) >>> 0;
    for (const beside of [-1, 1, 70_000]) sim.peer.forge(one, (next + beside) >>> 0, RST, 0);
    sim.peer.forge(one, next, RST | ACK, (acknowledged + 1) >>> 0);
    sim.pass(7);
    assert.deepEqual([told.connectErrno, sim.count('resetsSent')], [undefined, 0]);
    if (isAnswer) sim.peer.forge(one, 0, RST | ACK, acknowledged);
    else sim.peer.forge(one, next, RST, 0);
    sim.pass(7);
    assert.equal(told.connectErrno, ECONNREFUSED);
    sim.assertEmpty();
  }
});
