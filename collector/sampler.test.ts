import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildRow } from '#collector/row-shape.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { Sampler, type Supervision } from '#collector/sampler.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, gauge } from '#collector/source/metric-shape.ts';
import { OwnCostSource } from '#collector/source/own-cost.ts';
import { Freshness, type Source } from '#collector/source/source.ts';
import { hostSources } from '#collector/source/source-list.ts';
import { readTree } from '#collector/test/read-tree.ts';
import { VirtualClock } from '#core/clock/clock.ts';

/** A source that does what a test tells it: one counter, one gauge. */
class PuppetSource implements Source {
  readonly id = 'puppet';
  readonly budgetUs = 1000;
  /** What the next samples do. */
  count = 0;
  act: (nowUs: number) => number = () => Freshness.now;
  samples = 0;
  #counter = -1;
  #gauge = -1;
  probe = () => ({ state: 'ok' }) as const;
  declare(metrics: MetricScope): void {
    this.#counter = metrics.declare(counter('puppet.count', 'n', '1/s', 'n', { decays: true }));
    this.#gauge = metrics.declare(gauge('puppet.level', 'n', '1', 'n', { decays: true }));
  }
  sample(table: SampleTable, nowUs: number): number {
    this.samples++;
    const result = this.act(nowUs);
    table.counterNumber(this.#counter, this.count);
    table.gauge(this.#gauge, this.count);
    return result;
  }
  close(): void {}
}

function decaysOf(sampler: Sampler, name: string): number[] {
  const slot = sampler.registry.slotOf(name);
  return [0, 1, 2].map((horizon) => sampler.table.decays.value(slot, horizon));
}

test('a source that comes 300 ms late bends no rate: its own time counts', () => {
  const source = new PuppetSource();
  const { tick, value, clock } = readTree(source);
  const countNow = (): number => {
    source.count = Math.round(clock.monoUs());
    return Freshness.now;
  };
  source.act = countNow;
  tick();
  for (const lateMs of [0, 300, 0, 50]) {
    tick((1000 + lateMs) / 1000);
    assert.ok(Math.abs(value('puppet.count') / 1e6 - 1) < 1e-9);
  }
});

test('one that is held up while it reads is off by half of that at most, once', () => {
  const source = new PuppetSource();
  const { tick, value, clock } = readTree(source);
  source.act = () => {
    source.count = Math.round(clock.monoUs());
    return Freshness.now;
  };
  tick();
  const { act } = source;
  source.act = (nowUs) => {
    clock.stall(10);
    return act(nowUs);
  };
  tick();
  assert.ok(Math.abs(value('puppet.count') / 1e6 - 1) < 0.0051);
});

test('after a hole of ten ticks the rate is the true mean over the hole, the decays too', () => {
  const source = new PuppetSource();
  const { tick, value, sampler } = readTree(source);
  tick();
  source.count = 100;
  tick();
  source.count = 1200;
  tick(11);
  assert.equal(value('puppet.count'), 100);
  for (const decay of decaysOf(sampler, 'puppet.count')) assert.ok(Math.abs(decay - 100) < 1e-9);
});

test('a source that throws is left out longer and longer, the others do not notice', () => {
  const bad = new PuppetSource();
  bad.act = () => {
    throw new Error('torn');
  };
  const good = new (class extends PuppetSource {
    override declare(metrics: MetricScope): void {
      metrics.declare(gauge('good', 'good', '1', 'good'));
    }
    override sample(table: SampleTable): number {
      table.gauge(2, 1);
      return Freshness.now;
    }
  })();
  const { tick, value, sampler } = readTree(bad, good);
  for (let i = 0; i < 3600; i++) tick();
  // Pauses of 1, 2, 4 ... 512, 900, 900 s: 13 samples in an hour.
  assert.equal(bad.samples, 13);
  assert.equal(sampler.supervised[0]!.errors, 13);
  assert.equal(sampler.supervised[0]!.lastError, 'torn');
  assert.equal(value('good'), 1);
  assert.ok(Number.isNaN(value('puppet.count')));
  bad.act = () => Freshness.now;
  for (let i = 0; i < 901; i++) tick();
  bad.count = 5;
  tick();
  assert.equal(value('puppet.count'), 5);
});

test('a source over its budget five times in a row is read half as often until it behaves', () => {
  const source = new PuppetSource();
  const { tick, clock, sampler } = readTree(source);
  const slow = (): number => {
    clock.stall(2);
    return Freshness.now;
  };
  source.act = slow;
  for (let i = 0; i < 5; i++) tick();
  assert.equal(sampler.supervised[0]!.periodTicks, 2);
  for (let i = 0; i < 10; i++) tick();
  assert.equal(source.samples, 10);
  assert.equal(sampler.supervised[0]!.periodTicks, 4);
  source.act = () => Freshness.now;
  for (let i = 0; i < 200; i++) tick();
  assert.equal(sampler.supervised[0]!.periodTicks, 1);
});

test('once over budget now and then is no reason', () => {
  const source = new PuppetSource();
  const { tick, clock, sampler } = readTree(source);
  source.act = () => {
    if (source.samples % 5 === 0) clock.stall(2);
    return Freshness.now;
  };
  for (let i = 0; i < 100; i++) tick();
  assert.equal(sampler.supervised[0]!.periodTicks, 1);
});

test('what did not change stands; what is stale has no value and its decays age', () => {
  const source = new PuppetSource();
  const { tick, value, sampler } = readTree(source);
  tick();
  source.count = 10;
  tick();
  source.act = () => Freshness.unchanged;
  tick();
  assert.equal(value('puppet.level'), 10);
  source.act = () => Freshness.stale;
  tick();
  assert.ok(Number.isNaN(value('puppet.level')));
  const slot = sampler.registry.slotOf('puppet.count');
  const weight = sampler.table.decays.weight(slot, 1);
  tick();
  assert.ok(Math.abs(sampler.table.decays.weight(slot, 1) / weight - Math.exp(-0.1)) < 1e-12);
});

test("the collector's own row: lateness, gaps, time and errors of the sources", () => {
  const clock = new VirtualClock();
  const sampler = new Sampler(clock, [new PuppetSource()]);
  const record = { lateUs: 1234, missedTicks: 2 };
  sampler.add(new OwnCostSource(sampler.supervised, record));
  const puppet = sampler.supervised[0] as Supervision & { source: PuppetSource };
  puppet.source.act = () => {
    clock.stall(0.5);
    return Freshness.now;
  };
  for (let i = 0; i < 2; i++) {
    clock.stall(1000);
    sampler.sample();
  }
  const { values } = buildRow(sampler.table, { wallMs: 0, tick: 0, missedTicks: 0, intervalUs: 1 });
  assert.equal(values['wsar.collector.tick.lateness_us'], 1234);
  assert.equal(values['wsar.collector.tick.missed'], 2);
  assert.ok(Math.abs(values['wsar.collector.source_us{source=puppet}']! - 500) < 1);
  assert.equal(values['wsar.collector.source.errors'], 0);
  assert.ok(values['wsar.collector.rss']! > 1e6);
  assert.ok(values['wsar.collector.cpu_us']! >= 0);
});

test('a tick of the real sources leaves no more than a few KB of numbers to the garbage collector', (t) => {
  const { sampler } = readTree(...hostSources());
  t.after(() => sampler.close());
  for (let i = 0; i < 300; i++) sampler.sample();
  // The least of several windows: the compiler also leaves things on the heap, and collections shrink it.
  const perSample = Array.from({ length: 10 }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 100; i++) sampler.sample();
    return (process.memoryUsage().heapUsed - before) / 100;
  });
  const grown = perSample.filter((bytes) => bytes >= 0);
  assert.ok(Math.min(...grown) < 6144, `${perSample.map(Math.round)} bytes a sample`);
});
