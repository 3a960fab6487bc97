import assert from 'node:assert/strict';
import test from 'node:test';
import { WsarError } from '#core/errors.ts';
import { parseSources } from '#loadgen/address-block.ts';
import { choosePorts, type PortNeed, parsePorts } from '#loadgen/port-plan.ts';
import { addressesUsed, type HostPorts, sourceAddress, sourcePort } from '#loadgen/source-plan.ts';

/** A kernel that gives out 1,000 ports. */
const HOST: HostPorts = {
  listening: new Set(),
  localMin: 40_000,
  localMax: 40_999,
  unprivilegedMin: 1024,
};
const OUTSIDE = 65_536 - 1024 - 1000;

function choose(users: number, more: Partial<PortNeed> = {}) {
  const usual = { ask: parsePorts('auto'), blocks: parseSources('127.1.2.3'), targetPorts: [80] };
  return choosePorts({
    ...usual,
    users,
    host: HOST,
    whyNoWindow: undefined,
    runDraw: 0.5,
    ...more,
  });
}

const refusal = (sentence: RegExp) => (error: unknown) =>
  error instanceof WsarError && error.code === 'WSAR_ERR_LIMIT' && sentence.test(error.message);

test('auto: explicit where its ports suffice, else what the kernel can find fast, and the plan says which', () => {
  assert.equal(choose(OUTSIDE).kind, 'explicit');
  const narrow = { host: { ...HOST, localMin: 1025, localMax: 65_535 } };
  assert.equal(choose(32_000, narrow).kind, 'explicit');
  const wide = choose(60_000, narrow);
  assert.deepEqual([wide.kind, wide.window], ['window', { min: 1025, max: 65_535 }]);
  assert.equal(choose(950, { blocks: [] }).kind, 'window');
  const old = { blocks: [], whyNoWindow: 'an old kernel' };
  assert.equal(choose(500, old).kind, 'kernel');
});

test('a plan that would cross its cliff is refused with what it holds', () => {
  const blocks = parseSources('127.1.2.3,127.1.2.4');
  const window = { ask: parsePorts('window'), blocks };
  assert.equal(choose(1900, window).kind, 'window');
  assert.throws(() => choose(1901, window), refusal(/2 addresses .* 1900 connections \(95 % of/));
  const kernel = { ask: parsePorts('kernel'), blocks };
  assert.equal(choose(1000, kernel).kind, 'kernel');
  assert.throws(() => choose(1001, kernel), refusal(/1000 connections \(half of its range\)/));
  assert.throws(() => choose(501, { blocks: [], whyNoWindow: 'old' }), refusal(/from one address/));
  const two = { ...kernel, targetPorts: [80, 81] };
  assert.equal(choose(2000, two).targets, 2);
  assert.throws(() => choose(2001, two), refusal(/to 2 target ports/));
  const few = { ask: parsePorts('explicit:20000-20009'), targetPorts: [80, 81, 82] };
  assert.equal(choose(30, few).ports.length, 10);
  assert.throws(() => choose(31, few), refusal(/has 30 \(1 addresses of 10 ports for 3 target/));
});

test('what cannot be had is said: windows, explicit ports without addresses, windows beside the range', () => {
  const window = { ask: parsePorts('window'), whyNoWindow: 'this kernel has none' };
  assert.throws(() => choose(1, window), /--ports window cannot be had: this kernel has none/);
  const bare = { ask: parsePorts('explicit'), blocks: [] };
  assert.throws(() => choose(1, bare), /need the addresses/);
  const beside = { ask: parsePorts('window:41000-42000') };
  assert.throws(() => choose(1, beside), /window 41000-42000 .* 40000-40999/);
});

test('where the kernel chooses the port, users are spread evenly over addresses', () => {
  const plan = choose(900, { ask: parsePorts('kernel'), blocks: parseSources('127.1.0.0/30') });
  const counts = new Map<number, number>();
  for (let user = 0; user < 900; user++) {
    const address = sourceAddress(plan, user, 7);
    counts.set(address, (counts.get(address) ?? 0) + 1);
    assert.equal(sourcePort(plan, user, 7), 0);
  }
  assert.deepEqual([...counts.values()], [450, 450]);
  assert.equal(addressesUsed(plan), 2);
  const anywhere = choose(10, { blocks: [] });
  assert.deepEqual([sourceAddress(anywhere, 3, 0), addressesUsed(anywhere)], [0, 0]);
});

test('port plans are read as people write them', () => {
  assert.deepEqual(parsePorts('window:40000-40001').range, { min: 40_000, max: 40_001 });
  for (const bad of [
    '',
    'all',
    'kernel:1-2',
    'auto:2000-3000',
    'explicit:3000-2000',
    'window:1-2',
  ]) {
    assert.throws(() => parsePorts(bad), WsarError, bad);
  }
});
