// A small part of what `npm run fuzz` does by the hundred million, with seeds of its own; docs/conformance.md has
// the figures of the long runs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PACKET } from '#core/wire/mqtt/packet.ts';
import { CodecTarget } from '#scripts/fuzz/codec-target.ts';
import { Mutator, Random, soundPackets } from '#scripts/fuzz/mutator.ts';
import { ServerTarget } from '#scripts/fuzz/server-target.ts';

test('hostile packets for the decoders: nothing throws, nothing is read outside, mqtt-packet agrees', () => {
  const target = new CodecTarget(7);
  for (let i = 0; i < 300_000; i++) target.execute();
  for (const type of Object.values(PACKET)) {
    assert.ok(target.accepted[type]! > 100, `type ${type}: ${target.accepted[type]} accepted`);
  }
  assert.ok(target.compared > 3000, `${target.compared} compared`);
});

test('hostile packets for the server: nothing throws, it sends packets, nothing is left', () => {
  const target = new ServerTarget(7);
  for (let i = 0; i < 40_000; i++) target.execute();
  assert.ok(target.closed > 1000, `${target.closed} closed: too tame`);
  assert.ok(target.routed > 1000, `${target.routed} routed: too tame`);
});

test('a seed repeats what it found', () => {
  const packets = [1, 1, 2].map((seed) => {
    const mutator = new Mutator(new Random(seed), soundPackets());
    for (let i = 0; i < 1000; i++) mutator.next();
    return Buffer.from(mutator.bytes.subarray(0, mutator.length)).toString('hex');
  });
  assert.equal(packets[0], packets[1]);
  assert.notEqual(packets[0], packets[2]);
});
