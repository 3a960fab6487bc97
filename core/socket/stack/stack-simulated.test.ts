// The state machine on virtual time against a model peer: every segment may be lost, late or overtaken.

import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { CLOSE_REASON, LINGER_MS } from '#core/socket/reactor.ts';
import { TCP_FLAG } from '#core/socket/stack/packet.ts';
import type { ModelConnection } from '#core/socket/stack/test/model-peer.ts';
import { draws, Simulation, type Told } from '#core/socket/stack/test/simulation.ts';
import { pattern } from '#core/socket/test/subject.ts';

const { ECONNREFUSED, ECONNRESET, ETIMEDOUT, ECANCELED } = constants.errno;
const KIB = 1024;

const bytesOf = (told: Told): Buffer => Buffer.concat(told.chunks);
const theOne = (sim: Simulation): ModelConnection => [...sim.peer.connections.values()].at(-1)!;

for (const lossPercent of [0, 1, 5, 10, 20]) {
  test(`echo of 1 B to 256 KiB with ${lossPercent} % of packets lost and overtaken: every byte, in order`, () => {
    for (const count of [1, 1459, 1460, 1461, 20_000, 256 * KIB]) {
      const sim = new Simulation({
        seed: count + lossPercent,
        lossRatio: lossPercent / 100,
        delayMs: 5,
        jitterMs: 10,
        reactor: { outputBytesMax: 512 * KIB },
      });
      const told = sim.open();
      const sent = pattern(count, count);
      assert.ok(sim.stack.life.send(told.conn, sent, 0, count));
      sim.until(() => told.receivedBytes >= count, 3600);
      assert.ok(bytesOf(told).equals(sent), `${count} bytes`);
      assert.ok(theOne(sim).received.equals(sent));
      sim.stack.life.close(told.conn);
      sim.until(() => told.closeReason !== undefined);
      assert.equal(told.closeReason, CLOSE_REASON.orderly);
      sim.assertEmpty();
    }
  });
}

test('the same seed makes the same packets', () => {
  const run = (seed: number): number[] => {
    const sim = new Simulation({ seed, lossRatio: 0.1, delayMs: 3, jitterMs: 4 });
    const told = sim.open();
    sim.stack.life.send(told.conn, pattern(30_000), 0, 30_000);
    sim.until(() => told.receivedBytes === 30_000);
    return [sim.nowUs, ...sim.counters];
  };
  assert.deepEqual(run(7), run(7));
  assert.notDeepEqual(run(7), run(8));
});

test('SYN is sent again, and given up in the end', () => {
  const sim = new Simulation({ lossRatio: 1 });
  const told = sim.connect();
  sim.until(() => told.connectErrno !== undefined);
  assert.equal(told.connectErrno, ETIMEDOUT);
  assert.equal(sim.count('packetsOut'), 7, 'one and six repetitions, as Linux');
  sim.assertEmpty();
});

test('data that nobody answers is given up in the end', () => {
  const sim = new Simulation();
  const told = sim.open();
  sim.lossRatio = 1;
  sim.stack.life.send(told.conn, pattern(10), 0, 10);
  sim.until(() => told.closeReason !== undefined, 3600);
  assert.deepEqual([told.closeReason, told.closeErrno], [CLOSE_REASON.reset, ETIMEDOUT]);
  sim.assertEmpty();
});

test('a refused connect is told with its errno, and its number is free again', () => {
  const sim = new Simulation({ delayMs: 5, reactor: { capacity: 1 } });
  sim.peer.refuses = true;
  for (let round = 0; round < 3; round++) {
    const told = sim.connect();
    sim.until(() => told.connectErrno !== undefined, 1);
    assert.equal(told.connectErrno, ECONNREFUSED);
    sim.assertEmpty();
  }
});

test('a reset that does not answer our SYN is not believed', () => {
  const sim = new Simulation({ delayMs: 20 });
  const told = sim.connect();
  sim.pass(21);
  const one = theOne(sim);
  sim.peer.forge(one, 0, TCP_FLAG.rst | TCP_FLAG.ack, (one.theirFirst + 2) >>> 0);
  sim.peer.forge(one, 0, TCP_FLAG.rst, 0);
  sim.until(() => told.connectErrno !== undefined);
  assert.equal(told.connectErrno, 0);
});

test('a connect that is given up is told as cancelled; the answer that comes too late is reset', () => {
  const sim = new Simulation({ delayMs: 20 });
  const told = sim.connect();
  sim.stack.life.release(told.conn, CLOSE_REASON.aborted, 0);
  sim.step();
  assert.equal(told.connectErrno, ECANCELED);
  sim.pass(100);
  assert.equal(sim.peer.resetsReceived, 1);
  sim.assertEmpty();
});

test('a closed window is probed, and what waits leaves when it opens', () => {
  const sim = new Simulation({ reactor: { outputBytesMax: 256 * KIB } });
  const told = sim.open();
  sim.peer.windowBytes = 0;
  sim.peer.acknowledge(theOne(sim));
  sim.pass(5);
  const sent = pattern(100 * KIB);
  sim.stack.life.send(told.conn, sent, 0, sent.length);
  sim.pass(60_000);
  assert.ok(sim.count('windowProbes') >= 4, 'it asks');
  assert.ok(sim.count('windowProbes') <= 30, 'but ever more rarely');
  assert.equal(theOne(sim).received.length, 0);
  assert.equal(told.closeReason, undefined, 'a peer that answers is not given up');
  sim.peer.windowBytes = 65_535;
  sim.until(() => told.receivedBytes === sent.length, 60);
  assert.ok(bytesOf(told).equals(sent));
});

test('a window that opens in small steps is used without silly segments or a stall', () => {
  const sim = new Simulation({ seed: 3, delayMs: 2, reactor: { outputBytesMax: 256 * KIB } });
  sim.peer.windowBytes = 700;
  const told = sim.open();
  const sent = pattern(50_000, 5);
  sim.stack.life.send(told.conn, sent, 0, sent.length);
  sim.until(() => told.receivedBytes === sent.length);
  assert.ok(bytesOf(told).equals(sent));
  assert.equal(sim.count('retransmits'), 0);
});

test('three duplicate acknowledgements bring a lost segment back before its time', () => {
  const sim = new Simulation({ delayMs: 20, reactor: { outputBytesMax: 256 * KIB } });
  const told = sim.open();
  sim.stack.life.send(told.conn, pattern(1), 0, 1);
  sim.until(() => told.receivedBytes === 1);
  const sent = pattern(10 * 536);
  sim.lossRatio = 1;
  sim.stack.life.send(told.conn, sent, 0, 536);
  sim.step();
  sim.lossRatio = 0;
  sim.stack.life.send(told.conn, sent, 536, sent.length);
  const startUs = sim.nowUs;
  sim.until(() => told.receivedBytes === 1 + sent.length);
  assert.ok(sim.nowUs - startUs < 200_000, `${(sim.nowUs - startUs) / 1000} ms`);
  assert.deepEqual([sim.count('fastRetransmits'), sim.count('timeouts')], [1, 0]);
});

test('pause closes the window, resume loses nothing', () => {
  const sim = new Simulation({ delayMs: 3 });
  sim.peer.echoes = false;
  const told = sim.open();
  const sent = pattern(200_000, 9);
  sim.stack.life.pauseReceive(told.conn);
  sim.peer.write(theOne(sim), sent);
  sim.pass(2000);
  assert.equal(told.receivedBytes, 0);
  for (let round = 0; told.receivedBytes < sent.length; round++) {
    assert.ok(round < 1000);
    sim.stack.life.resumeReceive(told.conn);
    sim.pass(20);
    sim.stack.life.pauseReceive(told.conn);
    sim.pass(20);
  }
  assert.ok(bytesOf(told).equals(sent));
});

test('acknowledgements wait 40 ms for data to ride on, the second full segment does not', () => {
  const sim = new Simulation();
  const told = sim.open();
  sim.peer.echoes = false;
  sim.pass(100);
  const before = sim.count('pureAcks');
  sim.peer.write(theOne(sim), pattern(10));
  sim.pass(30);
  assert.equal(sim.count('pureAcks'), before, 'not yet');
  sim.pass(20);
  assert.equal(sim.count('pureAcks'), before + 1);
  sim.peer.write(theOne(sim), pattern(2000));
  sim.pass(3);
  assert.equal(sim.count('pureAcks'), before + 2, 'at once');
  assert.equal(told.receivedBytes, 2010);
});

for (const who of ['we', 'the peer', 'both at once'] as const) {
  test(`${who} close first: orderly, also when packets are lost`, () => {
    for (let seed = 0; seed < 40; seed++) {
      const sim = new Simulation({ seed, lossRatio: seed % 4 === 0 ? 0 : 0.2, delayMs: 10 });
      sim.peer.endsAfter = who === 'we';
      const told = sim.open();
      sim.stack.life.send(told.conn, pattern(3000), 0, 3000);
      sim.until(() => told.receivedBytes === 3000);
      const one = theOne(sim);
      if (who !== 'we') sim.peer.end(one);
      if (who === 'the peer') sim.until(() => told.hasEnded);
      sim.stack.life.endOutput(told.conn);
      sim.until(() => told.closeReason !== undefined && one.isOver);
      assert.deepEqual([told.closeReason, told.hasEnded], [CLOSE_REASON.orderly, true], `${seed}`);
      assert.equal(one.wasReset, false, `seed ${seed}: no reset was needed`);
      sim.pass(100);
      sim.assertEmpty();
    }
  });
}

test('half-closed on either side, bytes still go the other way', () => {
  const sim = new Simulation({ delayMs: 5, lossRatio: 0.1, seed: 4 });
  sim.peer.endsAfter = false;
  sim.peer.echoes = false;
  const told = sim.open();
  sim.stack.life.endOutput(told.conn);
  sim.until(() => theOne(sim).hasTheirFin);
  sim.peer.write(theOne(sim), pattern(5000));
  sim.until(() => told.receivedBytes === 5000);
  sim.peer.end(theOne(sim));
  sim.until(() => told.closeReason === CLOSE_REASON.orderly);
  const other = sim.open();
  sim.peer.end(theOne(sim));
  sim.until(() => other.hasEnded);
  sim.stack.life.send(other.conn, pattern(5000), 0, 5000);
  sim.stack.life.close(other.conn);
  sim.until(() => other.closeReason === CLOSE_REASON.orderly);
  assert.ok(theOne(sim).received.equals(pattern(5000)));
});

test('close waits for the FIN of the peer, but not for ever', () => {
  const sim = new Simulation();
  sim.peer.endsAfter = false;
  const told = sim.open();
  sim.stack.life.close(told.conn);
  const startUs = sim.nowUs;
  sim.until(() => told.closeReason !== undefined);
  assert.equal(told.closeReason, CLOSE_REASON.orderly);
  assert.ok(sim.nowUs - startUs >= LINGER_MS * 1000);
  sim.assertEmpty();
});

test('resets: in place they end it, beside they are questioned, from outside they are nothing', () => {
  const sim = new Simulation();
  sim.peer.echoes = false;
  const told = sim.open();
  const one = theOne(sim);
  const next = (one.first + 1) >>> 0;
  const acknowledged = (one.theirFirst + 1) >>> 0;
  const challengesBefore = sim.count('challenges');
  for (const beside of [1, 100, 65_000]) {
    sim.peer.forge(one, (next + beside) >>> 0, TCP_FLAG.rst, 0);
    sim.pass(2);
  }
  assert.equal(sim.count('challenges'), challengesBefore + 3);
  for (const outside of [-1, -1000, 70_000, 2 ** 31]) {
    sim.peer.forge(one, (next + outside) >>> 0, TCP_FLAG.rst, 0);
    sim.pass(2);
  }
  sim.peer.forge(one, (next + 5) >>> 0, TCP_FLAG.syn, 0);
  sim.peer.forge(one, next, TCP_FLAG.ack, (acknowledged + 1000) >>> 0);
  sim.pass(5);
  assert.equal(sim.count('challenges'), challengesBefore + 5);
  assert.equal(told.closeReason, undefined, 'it lives');
  sim.peer.forge(one, next, TCP_FLAG.rst, 0);
  sim.pass(2);
  assert.deepEqual([told.closeReason, told.closeErrno], [CLOSE_REASON.reset, ECONNRESET]);
  sim.assertEmpty();
});

test('answers to segments that prove nothing are limited', () => {
  const sim = new Simulation();
  sim.open();
  const one = theOne(sim);
  for (let index = 0; index < 1500; index++) {
    sim.peer.forge(one, (one.first + 100) >>> 0, TCP_FLAG.rst, 0);
    if (index % 500 === 0) sim.step();
  }
  sim.pass(3);
  assert.deepEqual([sim.count('challenges'), sim.count('challengesRefused')], [1000, 500]);
});

test('abort resets the peer and drops what waits', () => {
  const sim = new Simulation({ delayMs: 5 });
  const told = sim.open();
  sim.stack.life.send(told.conn, pattern(60_000), 0, 60_000);
  sim.pass(2);
  sim.stack.life.release(told.conn, CLOSE_REASON.aborted, 0);
  sim.until(() => told.closeReason === CLOSE_REASON.aborted);
  sim.until(() => theOne(sim).wasReset);
  sim.assertEmpty();
});

test('a FIN that is lost after we closed first is acknowledged again from TIME_WAIT', () => {
  const sim = new Simulation({ delayMs: 5 });
  const told = sim.open();
  sim.stack.life.close(told.conn);
  const one = theOne(sim);
  sim.until(() => told.closeReason !== undefined);
  sim.pass(20);
  // As if the last acknowledgement had been lost.
  one.isFinAcked = false;
  sim.until(() => one.isFinAcked, 5);
  assert.equal(sim.count('timeWaitAnswers'), 1);
  assert.equal(one.wasReset, false);
});

test('10,000 random steps on 20 connections with loss: bytes, ends and bounds as a plain model has them', (t) => {
  const seed = Number(process.env['WSAR_TEST_SEED'] ?? 42);
  t.diagnostic(`WSAR_TEST_SEED=${seed}`);
  const draw = draws(seed);
  const sim = new Simulation({
    seed,
    lossRatio: 0.05,
    delayMs: 2,
    jitterMs: 4,
    reactor: { capacity: 20, outputBytesMax: 20_000 },
  });
  const live: { told: Told; sent: Buffer[]; peer: ModelConnection; endedBy: string }[] = [];
  const done: typeof live = [];
  const finished = (): void => {
    for (let index = live.length - 1; index >= 0; index--) {
      if (live[index]!.told.closeReason !== undefined) done.push(...live.splice(index, 1));
    }
  };
  for (let step = 0; step < 10_000; step++) {
    const one = live[Math.floor(draw() * live.length)];
    const kind = draw();
    if (kind < 0.02 && live.length < 15) {
      const told = sim.open();
      live.push({ told, sent: [], peer: theOne(sim), endedBy: '' });
    } else if (one !== undefined && one.told.closeReason === undefined) {
      const { conn } = one.told;
      if (kind < 0.5) {
        const piece = pattern(1 + Math.floor(draw() * 3000), step);
        if (sim.stack.life.send(conn, piece, 0, piece.length)) one.sent.push(piece);
        assert.ok(sim.stack.life.outputBytes(conn) <= 20_000);
      } else if (kind < 0.505) {
        // Nothing is delivered after close: the echo may be cut.
        if (one.endedBy === '' || one.endedBy === 'half') one.endedBy = 'close';
        sim.stack.life.close(conn);
      } else if (kind < 0.51) {
        one.endedBy ||= 'half';
        sim.stack.life.endOutput(conn);
      } else if (kind < 0.515) {
        one.endedBy = 'abort';
        sim.stack.life.release(conn, CLOSE_REASON.aborted, 0);
      } else if (kind < 0.52) {
        one.endedBy = 'reset';
        sim.peer.reset(one.peer);
      } else if (kind < 0.56) sim.stack.life.pauseReceive(conn);
      else if (kind < 0.62) sim.stack.life.resumeReceive(conn);
    }
    sim.step();
    finished();
  }
  for (const { told } of live) sim.stack.life.resumeReceive(told.conn);
  for (const one of live) {
    if (one.endedBy === '') sim.stack.life.close(one.told.conn);
    one.endedBy ||= 'close';
  }
  sim.until(() => {
    finished();
    return live.length === 0;
  });
  assert.ok(done.length > 50, `${done.length} connections lived (seed ${seed})`);
  for (const { told, sent, peer, endedBy } of done) {
    const whole = Buffer.concat(sent);
    const got = bytesOf(told);
    assert.ok(whole.subarray(0, peer.received.length).equals(peer.received), `${endedBy}, ${seed}`);
    assert.ok(whole.subarray(0, got.length).equals(got), `${endedBy}: echo, seed ${seed}`);
    if (endedBy === 'close' || endedBy === 'half') {
      assert.equal(peer.received.length, whole.length, `${endedBy} flushes, seed ${seed}`);
    }
    if (endedBy === 'half') assert.equal(got.length, whole.length, `seed ${seed}`);
  }
  sim.assertEmpty();
});
