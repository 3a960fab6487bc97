import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricRegistry, type MetricSpec, NO_SLOT } from '#core/metric/registry.ts';

const metric = (name: string, more: Partial<MetricSpec> = {}): MetricSpec => ({
  name,
  short: name,
  unit: '1',
  kind: 'gauge',
  help: `what ${name} is`,
  ...more,
});

test('slots count up, names lead back to them, each declaration is a new version', () => {
  const registry = new MetricRegistry();
  assert.equal(registry.declare(metric('a')), 0);
  assert.equal(registry.declare(metric('b{cpu=0}')), 1);
  assert.equal(registry.slotOf('b{cpu=0}'), 1);
  assert.equal(registry.slotOf('c'), NO_SLOT);
  assert.equal(registry.version, 2);
  assert.throws(() => registry.declare(metric('a')), /declared once/);
});

test('the definitions are what the bus shows: nothing hidden, nothing of the sampler', () => {
  const registry = new MetricRegistry();
  registry.declare(metric('raw', { isHidden: true, counter: { width: 64 } }));
  registry.declare(metric('x', { kind: 'rate', decays: true, scale: 1024, max: 9 }));
  assert.deepEqual(registry.definitions(), [
    { name: 'x', short: 'x', unit: '1', kind: 'rate', decays: true, help: 'what x is' },
  ]);
});

test('a full registry refuses and counts', () => {
  const registry = new MetricRegistry(1);
  registry.declare(metric('a'));
  assert.equal(registry.declare(metric('b')), NO_SLOT);
  assert.equal(registry.refused, 1);
});

test('a slot can be given to another instance', () => {
  const registry = new MetricRegistry();
  registry.declare(metric('a'));
  const slot = registry.declare(metric('rx{device=veth1}'));
  registry.redeclare(slot, metric('rx{device=veth2}'));
  assert.equal(registry.slotOf('rx{device=veth2}'), slot);
  assert.equal(registry.slotOf('rx{device=veth1}'), NO_SLOT);
  assert.throws(() => registry.redeclare(slot, metric('a')), /declared once/);
});
