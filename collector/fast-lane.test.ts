// The fast lane: a row made of ten readings says what a row of one reading says, and what that one hides.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCollection } from '#collector/collection.ts';
import type { SampleTable } from '#collector/sample-table.ts';
import { Sampler } from '#collector/sampler.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter, derivedRate, gauge } from '#collector/source/metric-shape.ts';
import { Freshness, type Source } from '#collector/source/source.ts';
import { VirtualClock } from '#core/clock/clock.ts';

const START_MS = 1_700_000_000_000;
const COUNT = 'test.count';
const HALF = 'test.half';
const LEVEL = 'test.level';

/** A counter, what is derived from its difference, and a gauge; all at the hands of the test. */
class Model implements Source {
  readonly id = 'model';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  count = 0;
  level = 0;
  isBroken = false;
  isStale = false;
  reads = 0;
  #slots: number[] = [];

  probe() {
    return { state: 'ok' as const };
  }

  declare(metrics: MetricScope): void {
    const more = { decays: true };
    this.#slots = [
      counter(COUNT, 'c', '1', 'counted', more),
      gauge(LEVEL, 'l', '1', 'level', more),
      derivedRate(HALF, 'h', '1', 'half of what was counted', more),
    ].map((spec) => metrics.declare(spec));
  }

  sample(table: SampleTable): number {
    this.reads++;
    if (this.isBroken) throw new Error('broken');
    if (this.isStale) return Freshness.stale;
    table.counterNumber(this.#slots[0]!, this.count);
    table.gauge(this.#slots[1]!, this.level);
    return Freshness.now;
  }

  derive(table: SampleTable): void {
    table.set(this.#slots[2]!, table.delta(this.#slots[0]!) / 2);
  }

  close(): void {}
}

interface Lane {
  clock: VirtualClock;
  model: Model;
  rows: Record<string, number>[];
  missed: number[];
  decay(name: string, horizon: number): number;
}

function lane(hasFastLane: boolean): Lane {
  const clock = new VirtualClock(START_MS);
  const model = new Model();
  const sampler = new Sampler(clock, [model], hasFastLane);
  const { registry, table } = sampler;
  const rows: Record<string, number>[] = [];
  const missed: number[] = [];
  startCollection({
    clock,
    periodMs: 1000,
    sampler,
    tickRecord: { lateUs: 0, missedTicks: 0 },
    uptimeS: () => clock.monoUs() / 1e6,
    followsWallClock: true,
    hasFastLane,
    onTick: ({ missedTicks }) => {
      missed.push(missedTicks);
      rows.push(
        Object.fromEntries(
          registry.definitions().map(({ name }) => [name, table.value(registry.slotOf(name))]),
        ),
      );
    },
  });
  const decay = (name: string, horizon: number): number =>
    table.decays.value(registry.slotOf(name), horizon);
  return { clock, model, rows, missed, decay };
}

test('a burst of a tenth is in the mean of the row and in its highest tenth', () => {
  const { clock, model, rows } = lane(true);
  clock.advance(1450);
  model.count += 50;
  model.level = 9;
  clock.advance(100);
  model.level = 2;
  clock.advance(1450);
  const row = rows[1]!;
  assert.equal(row[COUNT], 50);
  assert.equal(row[HALF], 25, 'derived of the whole row');
  assert.equal(row[LEVEL], 2);
  assert.ok(Math.abs(row[`${COUNT}{max=100ms}`]! - 500) < 1e-6);
  assert.equal(row[`${LEVEL}{max=100ms}`], 9);
  assert.equal(rows[2]![`${COUNT}{max=100ms}`], 0, 'each row has its own');
  assert.equal(model.reads, 1 + 30);
});

test('means and gaps are those without the lane, whatever the stalls', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const [fast, slow] = [lane(true), lane(false)];
    for (const { clock, model } of [fast, slow]) {
      let random = seed;
      for (let i = 0; i < 60; i++) {
        random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
        const ms = (random >>> 8) % 1700;
        model.count += ms * 7;
        if (random % 5 === 0) clock.stall(ms);
        else clock.advance(ms);
      }
    }
    assert.deepEqual(
      fast.rows.map((row) => row[COUNT]?.toFixed(6)),
      slow.rows.map((row) => row[COUNT]?.toFixed(6)),
      `seed ${seed}`,
    );
    assert.deepEqual(fast.missed, slow.missed, `seed ${seed}`);
  }
});

test('the decay of one second follows within the second', () => {
  const { clock, model, decay } = lane(true);
  clock.advance(5000);
  model.count += 1000;
  clock.advance(500);
  const expected = 10_000 * -Math.expm1(-0.1) * Math.exp(-0.4);
  assert.ok(Math.abs(decay(COUNT, 0) / expected - 1) < 0.02, `${decay(COUNT, 0)}, ${expected}`);
});

test('a counter that starts over makes its row unknown, and only that one', () => {
  const { clock, model, rows } = lane(true);
  model.count = 1000;
  clock.advance(1350);
  model.count = 10;
  clock.advance(1700);
  assert.ok(Number.isNaN(rows[1]![COUNT]));
  assert.equal(rows[2]![COUNT], 0);
});

test('what was not readable for some tenths is covered by the next reading', () => {
  const { clock, model, rows } = lane(true);
  clock.advance(1150);
  model.isStale = true;
  model.count += 70;
  clock.advance(400);
  model.isStale = false;
  clock.advance(500);
  assert.equal(rows[1]![COUNT], 70);
});

test('a source that fails pauses in the fast lane too, and shows no peak meanwhile', () => {
  const { clock, model, rows } = lane(true);
  clock.advance(1050);
  model.isBroken = true;
  clock.advance(100);
  model.isBroken = false;
  const { reads } = model;
  clock.advance(900);
  assert.equal(model.reads, reads, 'paused for a second');
  assert.ok(Number.isNaN(rows[1]![COUNT]) && Number.isNaN(rows[1]![`${LEVEL}{max=100ms}`]));
  clock.advance(1000);
  assert.ok(rows[2]![COUNT]! >= 0);
});
