import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FLOWS, type Pair, SimulatedTee } from '#tee-proxy/test/simulated-tee.ts';

test('production imports nothing of the shadow plane', () => {
  const seen = new Set<string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const text = readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');
    for (const [, imported] of text.matchAll(/from '#tee-proxy\/([^']+)'/g)) visit(imported!);
  };
  visit('production-plane.ts');
  assert.ok(seen.has('copy-ring.ts'));
  for (const name of seen) assert.doesNotMatch(name, /shadow|breaker/, name);
});

function joined(tee: SimulatedTee): Pair {
  const pair = tee.open()!;
  tee.production.finishConnect(pair.upstream, 0);
  return pair;
}

test('a client waits unread until its upstream is there; what was under way is kept, in order', () => {
  const tee = new SimulatedTee();
  const pair = tee.open()!;
  assert.ok(pair.client.isPaused, 'not read before the upstream is there');
  for (const part of ['\0ear', 'ly']) {
    assert.ok(tee.production.deliver(pair.client, Buffer.from(part), true));
    pair.fromClient = Buffer.concat([pair.fromClient, Buffer.from(part)]);
  }
  tee.production.finishConnect(pair.upstream, 0);
  assert.ok(!pair.client.isPaused);
  tee.say(pair, 'client', 10);
  tee.production.take(pair.upstream, 1e9);
  assert.deepEqual(pair.upstream.received, pair.fromClient);
  tee.finish();
  tee.check();
  assert.equal(tee.figure('shadow.completed'), 2);
});

test('a refused upstream resets the client, is counted, and nothing is copied', () => {
  const tee = new SimulatedTee();
  const pair = tee.open()!;
  tee.production.finishConnect(pair.upstream, 111);
  assert.ok(pair.client.gotReset && pair.client.isGone);
  assert.deepEqual(
    ['upstream_failed', 'connections', 'shadow.sampled'].map((name) => tee.figure(name)),
    [1, 0, 0],
  );
});

test('an upstream that never answers fails at the deadline', () => {
  const tee = new SimulatedTee();
  const pair = tee.open()!;
  assert.ok(pair.upstream.hasDeadline);
  tee.production.passDeadline(pair.upstream);
  assert.ok(pair.client.gotReset);
  assert.equal(tee.figure('upstream_failed'), 1);
});

test('a client that leaves while its upstream connects is no failure of the upstream', () => {
  const tee = new SimulatedTee();
  const pair = tee.open()!;
  tee.reset(pair, 'client');
  assert.ok(pair.upstream.isGone);
  assert.equal(tee.figure('upstream_failed'), 0);
  assert.equal(tee.production.connections, 0);
});

test('a full table stops accepting and starts again when a place is free', () => {
  const tee = new SimulatedTee();
  const pairs = Array.from({ length: FLOWS }, () => joined(tee));
  assert.ok(!tee.production.isAccepting);
  assert.equal(tee.figure('connections'), FLOWS);
  // One that was on its way is turned away.
  tee.production.isAccepting = true;
  assert.ok(tee.production.accept()!.gotReset);
  assert.equal(tee.figure('refused_full'), 1);
  tee.reset(pairs[0]!, 'client');
  assert.ok(tee.production.isAccepting);
  assert.equal(tee.figure('connections'), FLOWS - 1);
});

test('a slow reader pauses the other side, and only that, until its output is empty', () => {
  for (const [slow, fast] of [
    ['client', 'upstream'],
    ['upstream', 'client'],
  ] as const) {
    const tee = new SimulatedTee([]);
    const pair = joined(tee);
    let sent = 0;
    while (!pair[fast].isPaused) {
      tee.say(pair, fast, 16_384);
      sent += 16_384;
      assert.ok(sent < 2 ** 20, 'the pause comes');
    }
    assert.ok(!pair[slow].isPaused);
    // One receive buffer may still come.
    assert.ok(tee.production.deliver(pair[fast], new Uint8Array(65_536), true));
    const sender = slow === 'client' ? 'fromUpstream' : 'fromClient';
    pair[sender] = Buffer.concat([pair[sender], new Uint8Array(65_536)]);
    assert.equal(tee.figure(`pauses.${slow}`), 1);
    assert.equal(tee.figure(`pauses.${fast}`), 0);
    tee.production.take(pair[slow], 65_536);
    assert.ok(pair[fast].isPaused, 'not before it is empty');
    tee.production.take(pair[slow], 1e9);
    assert.ok(!pair[fast].isPaused);
    tee.check();
  }
});

test('half-close: each direction ends by itself, after its last byte', () => {
  const tee = new SimulatedTee();
  const pair = joined(tee);
  tee.say(pair, 'client', 100);
  tee.end(pair, 'client');
  assert.ok(!pair.upstream.gotEnd, 'the bytes come first');
  tee.production.take(pair.upstream, 1e9);
  assert.ok(pair.upstream.gotEnd && !pair.client.gotEnd);
  tee.say(pair, 'upstream', 50);
  tee.production.take(pair.client, 1e9);
  assert.equal(pair.client.received.length, 50);
  tee.end(pair, 'upstream');
  assert.ok(pair.client.isGone && pair.upstream.isGone);
  assert.ok(!pair.client.gotReset && !pair.upstream.gotReset);
  tee.finish();
  tee.check();
});

test('a reset is passed on after the bytes before it, or when the other end does not take them', () => {
  const tee = new SimulatedTee();
  const reading = joined(tee);
  tee.say(reading, 'upstream', 1000);
  tee.reset(reading, 'upstream');
  assert.ok(!reading.client.gotReset);
  tee.production.take(reading.client, 1e9);
  assert.equal(reading.client.received.length, 1000);
  assert.ok(reading.client.gotReset);

  const stuck = joined(tee);
  tee.say(stuck, 'upstream', 1000);
  tee.reset(stuck, 'upstream');
  assert.ok(!stuck.client.gotReset && stuck.client.hasDeadline);
  tee.production.passDeadline(stuck.client);
  assert.ok(stuck.client.gotReset);
  assert.equal(tee.production.connections, 0);
});
