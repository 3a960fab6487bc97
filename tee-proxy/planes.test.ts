// Both planes against a model: production must look like a wire, a shadow like a wire that may end.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { SimulatedReactor } from '#tee-proxy/test/simulated-reactor.ts';
import { FLOWS, type Pair, SHADOW_PORTS, SimulatedTee } from '#tee-proxy/test/simulated-tee.ts';

const OPS = [
  'connect',
  'connect',
  'upstream accepts',
  'upstream accepts',
  'upstream refuses',
  'client sends',
  'client sends',
  'client sends',
  'upstream sends',
  'upstream sends',
  'client ends',
  'upstream ends',
  'client resets',
  'upstream resets',
  'client reads',
  'upstream reads',
  'upstream reads',
  'production deadline',
  'shadow accepts',
  'shadow accepts',
  'shadow refuses',
  'shadow reads',
  'shadow reads',
  'shadow answers',
  'shadow ends',
  'shadow resets',
  'shadow deadline',
  'turns',
  'turns',
  'time',
  'share',
] as const;

function play(tee: SimulatedTee, op: (typeof OPS)[number], pick: number, size: number): void {
  const { production, shadow } = tee;
  const recent = tee.pairs.slice(-FLOWS);
  const pair = recent[pick % Math.max(1, recent.length)];
  const peers = shadow.peers.slice(-4 * FLOWS);
  const peer = peers[pick % Math.max(1, peers.length)];
  if (op === 'connect' && tee.pairs.length < 250) tee.open();
  else if (op === 'turns') tee.turns();
  else if (op === 'time') tee.clock.advance(size);
  else if (op === 'share') {
    tee.setShare((pick % 11) / 10);
  } else if (op.startsWith('shadow')) {
    if (peer === undefined) return;
    if (op === 'shadow accepts') shadow.finishConnect(peer, 0);
    else if (op === 'shadow refuses' && pick % 3 === 0) shadow.finishConnect(peer, 111);
    else if (op === 'shadow reads') shadow.take(peer, size);
    else if (op === 'shadow answers') shadow.deliver(peer, new Uint8Array(size));
    else if (op === 'shadow ends') shadow.endPeer(peer);
    else if (op === 'shadow resets') shadow.resetPeer(peer);
    else if (op === 'shadow deadline' && pick % 3 === 0) shadow.passDeadline(peer);
  } else if (pair !== undefined) playProduction(tee, production, op, pair, pick, size);
}

function playProduction(
  tee: SimulatedTee,
  production: SimulatedReactor,
  op: (typeof OPS)[number],
  pair: Pair,
  pick: number,
  size: number,
): void {
  if (op === 'upstream accepts') production.finishConnect(pair.upstream, 0);
  else if (op === 'upstream refuses' && pick % 5 === 0 && !pair.upstream.isConnected) {
    pair.upstreamReset = true;
    production.finishConnect(pair.upstream, 111);
  } // Now and then big ones, so that back-pressure sets in.
  else if (op === 'client sends') tee.say(pair, 'client', pick % 7 === 0 ? size * 90 : size);
  else if (op === 'upstream sends') tee.say(pair, 'upstream', size * 90);
  else if (op === 'client ends') tee.end(pair, 'client');
  else if (op === 'upstream ends') tee.end(pair, 'upstream');
  else if (op === 'client reads') production.take(pair.client, size * 200);
  else if (op === 'upstream reads') production.take(pair.upstream, size * 200);
  else if (op === 'client resets' && pick % 3 === 0) tee.reset(pair, 'client');
  else if (op === 'upstream resets' && pick % 3 === 0) tee.reset(pair, 'upstream');
  else if (op === 'production deadline' && pick % 5 === 0 && pair.upstream.hasDeadline) {
    pair.upstreamReset = true;
    production.passDeadline(pair.upstream);
  }
}

test('whatever anybody does: production is a wire, a shadow gets a prefix, the books balance', () => {
  const step = fc.record({
    op: fc.constantFrom(...OPS),
    pick: fc.nat(1000),
    size: fc.integer({ min: 1, max: 700 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), fc.boolean(), (steps, late) => {
      const tee = new SimulatedTee(SHADOW_PORTS, late);
      for (const { op, pick, size } of steps) {
        play(tee, op, pick, size);
        tee.check();
      }
      tee.finish();
      tee.check();
      assert.equal(tee.production.connections, 0, 'no production connection is left');
      assert.equal(tee.shadow.connections, 0, 'no shadow connection is left');
      for (const name of ['connections', 'shadow.connections', 'shadow.queued_bytes']) {
        assert.equal(tee.figure(name), 0, name);
      }
      const copies = tee.figure('shadow.sampled') * SHADOW_PORTS.length;
      assert.equal(
        copies,
        tee.figure('shadow.completed') + tee.figure('shadow.shed_connections'),
        'every chosen copy was completed or shed, once',
      );
    }),
    { numRuns: 150 },
  );
});
