import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACKOFF_MS_MAX, FAILURES_MAX } from '#tee-proxy/breaker.ts';
import { CONTROL } from '#tee-proxy/tee-memory.ts';
import type { SimulatedPeer } from '#tee-proxy/test/simulated-reactor.ts';
import { type Pair, SHADOW_BUFFER, SimulatedTee } from '#tee-proxy/test/simulated-tee.ts';

const PORT = 1001;

/** A client that talks, with its production side taken care of and its copy begun. */
function talking(tee: SimulatedTee, bytes = 100): { pair: Pair; copy: SimulatedPeer | undefined } {
  const before = tee.shadow.peers.length;
  const pair = tee.open()!;
  tee.production.finishConnect(pair.upstream, 0);
  tee.say(pair, 'client', bytes);
  tee.production.take(pair.upstream, 1e9);
  tee.turns();
  return { pair, copy: tee.shadow.peers[before] };
}

test('a healthy shadow gets the same bytes and the same end; its answers go nowhere', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair, copy } = talking(tee);
  tee.shadow.finishConnect(copy!, 0);
  tee.shadow.take(copy!, 1e9);
  tee.shadow.deliver(copy!, new Uint8Array(777));
  assert.deepEqual(copy!.received, pair.fromClient);
  assert.equal(tee.figure('shadow.discarded_bytes'), 777);
  assert.equal(pair.client.output.length, 0);
  tee.end(pair, 'client');
  tee.turns();
  tee.shadow.take(copy!, 0);
  assert.ok(copy!.gotEnd);
  tee.finish();
  tee.check();
  assert.equal(tee.figure('shadow.completed'), 1);
});

test('a reset client resets its copy, after the bytes before it', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair, copy } = talking(tee);
  tee.shadow.finishConnect(copy!, 0);
  tee.reset(pair, 'client');
  tee.turns();
  assert.ok(!copy!.gotReset);
  tee.shadow.take(copy!, 1e9);
  assert.ok(copy!.gotReset && !copy!.gotEnd);
  assert.equal(copy!.received.length, 100);
  tee.check();
  assert.equal(tee.figure('shadow.completed'), 1);
});

test('a shadow that does not read is cut whole, and production stops copying for it', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair, copy } = talking(tee, SHADOW_BUFFER - 10);
  tee.shadow.finishConnect(copy!, 0);
  tee.say(pair, 'client', 100);
  tee.turns();
  assert.ok(copy!.gotReset && copy!.received.length === 0);
  assert.equal(tee.figure('shadow.shed_connections.slow'), 1);
  tee.say(pair, 'client', 5000);
  assert.equal(tee.figure('shadow.queued_bytes'), 0, 'nothing goes into the ring any more');
  tee.production.take(pair.upstream, 1e9);
  assert.deepEqual(pair.upstream.received, pair.fromClient);
  tee.check();
});

test('a shadow that resets is counted, with what was lost', () => {
  const tee = new SimulatedTee([PORT]);
  const { copy } = talking(tee, 500);
  tee.shadow.finishConnect(copy!, 0);
  tee.shadow.take(copy!, 200);
  tee.shadow.resetPeer(copy!);
  tee.turns();
  tee.check();
  assert.equal(tee.figure('shadow.shed_connections.reset'), 1);
  assert.equal(tee.figure('shadow.sent_bytes'), 200);
  assert.equal(tee.figure('shadow.shed_bytes'), 300);
});

test('a dead shadow opens the breaker; when it is back, copying is back within the longest backoff', () => {
  const tee = new SimulatedTee([PORT]);
  const leave = (pair: Pair): void => tee.reset(pair, 'client');
  for (let failure = 0; failure < FAILURES_MAX; failure++) {
    const { pair, copy } = talking(tee);
    tee.shadow.finishConnect(copy!, 111);
    leave(pair);
  }
  assert.equal(tee.figure('shadow.breakers_open'), 1);
  const before = tee.shadow.peers.length;
  for (let client = 0; client < 50; client++) leave(talking(tee).pair);
  assert.equal(tee.shadow.peers.length, before, 'no attempt while it is open');
  assert.equal(tee.figure('shadow.shed_connections.breaker'), 50);
  tee.clock.advance(BACKOFF_MS_MAX);
  const { copy } = talking(tee);
  tee.shadow.finishConnect(copy!, 0);
  assert.equal(tee.figure('shadow.breakers_open'), 0);
  assert.ok(talking(tee).copy !== undefined);
  tee.finish();
  tee.check();
});

test('a shadow that swallows the connection attempt times out', () => {
  const tee = new SimulatedTee([PORT]);
  const { copy } = talking(tee);
  tee.shadow.passDeadline(copy!);
  assert.ok(copy!.isGone);
  tee.turns();
  tee.check();
  assert.equal(tee.figure('shadow.shed_connections.timeout'), 1);
});

test('a lowered share gives running copies up, a raised one copies new connections only', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair, copy } = talking(tee);
  tee.shadow.finishConnect(copy!, 0);
  tee.setShare(0);
  tee.turns();
  assert.ok(copy!.gotReset);
  assert.equal(tee.figure('shadow.shed_connections.share'), 1);
  const offered = tee.figure('shadow.offered_bytes');
  tee.setShare(1);
  tee.turns();
  tee.say(pair, 'client', 100);
  assert.equal(tee.figure('shadow.offered_bytes'), offered, 'no copy begins in the middle');
  assert.ok(talking(tee).copy !== undefined);
  tee.finish();
  tee.check();
});

test('when the shadow plane is lost, copies are over and production goes on', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair } = talking(tee);
  tee.say(pair, 'client', 50);
  Atomics.add(tee.memory.control, CONTROL.epoch, 1);
  tee.production.turn(0);
  assert.equal(Atomics.load(tee.memory.clearedEpoch, 0), 1);
  assert.equal(tee.figure('shadow.shed_connections.lost'), 1);
  tee.say(pair, 'client', 50);
  tee.production.take(pair.upstream, 1e9);
  assert.deepEqual(pair.upstream.received, pair.fromClient);
  assert.equal(tee.figure('shadow.queued_bytes'), 100, 'what the dead plane had taken');
  assert.equal(tee.figure('shadow.shed_bytes'), 100);
});

test('a copy whose shadow swallows everything and never finishes is not complete', () => {
  const tee = new SimulatedTee([PORT]);
  const { pair, copy } = talking(tee);
  tee.shadow.finishConnect(copy!, 0);
  tee.shadow.take(copy!, 1e9);
  for (const side of ['client', 'upstream'] as const) tee.end(pair, side);
  tee.turns();
  assert.ok(copy!.hasDeadline && copy!.gotEnd);
  tee.shadow.passDeadline(copy!);
  tee.turns();
  tee.check();
  assert.equal(tee.figure('shadow.completed'), 0);
  assert.equal(tee.figure('shadow.shed_connections.slow'), 1);
});

test('at the end, what waits may leave; what cannot is counted', () => {
  const tee = new SimulatedTee([PORT, PORT + 1]);
  const { pair, copy } = talking(tee);
  const stuck = tee.shadow.peers[1]!;
  tee.shadow.finishConnect(copy!, 0);
  tee.shadow.finishConnect(stuck, 0);
  Atomics.store(tee.memory.control, CONTROL.stopProduction, 1);
  tee.production.turn(0);
  Atomics.store(tee.memory.control, CONTROL.stopShadow, 1);
  tee.shadow.turn(1);
  assert.ok(!tee.shadow.isStopped);
  tee.shadow.take(copy!, 1e9);
  tee.shadow.endPeer(copy!);
  tee.shadow.turn(1_000_000);
  assert.ok(tee.shadow.isStopped && tee.shadow.connections === 0);
  assert.deepEqual(copy!.received, pair.fromClient);
  tee.check();
  assert.equal(tee.figure('shadow.completed'), 1);
  assert.equal(tee.figure('shadow.shed_connections.stopped'), 1);
});
