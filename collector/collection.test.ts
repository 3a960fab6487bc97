import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCollection } from '#collector/collection.ts';
import type { RowFrame } from '#collector/row-shape.ts';
import { Sampler } from '#collector/sampler.ts';
import type { LabEvent } from '#core/bus/topic.ts';
import { VirtualClock } from '#core/clock/clock.ts';

const START_MS = 1_700_000_000_000;

interface Collected {
  clock: VirtualClock;
  frames: RowFrame[];
  events: LabEvent[];
  /** The machine sleeps: the wall clock and the uptime go on, nothing else does. */
  suspend(ms: number): void;
  stop(): void;
}

function collect(
  options: { startMs?: number; periodMs?: number; follows?: boolean } = {},
): Collected {
  const clock = new VirtualClock(options.startMs ?? START_MS);
  const frames: RowFrame[] = [];
  const events: LabEvent[] = [];
  let sleptMs = 0;
  const stop = startCollection({
    clock,
    periodMs: options.periodMs ?? 1000,
    sampler: new Sampler(clock),
    tickRecord: { lateUs: 0, missedTicks: 0 },
    uptimeS: () => (clock.monoUs() / 1000 + sleptMs) / 1000,
    followsWallClock: options.follows ?? true,
    onTick: (frame, found) => {
      frames.push(frame);
      events.push(...found);
    },
  });
  const suspend = (ms: number): void => {
    sleptMs += ms;
    clock.stepWall(ms);
  };
  return { clock, frames, events, suspend, stop };
}

const times = (frames: RowFrame[]): number[] => frames.map(({ wallMs }) => wallMs - START_MS);

test('rows stand on whole seconds, count up, and cover their true interval', () => {
  const { clock, frames, events } = collect({ startMs: START_MS + 250 });
  clock.advance(3750);
  assert.deepEqual(times(frames), [1000, 2000, 3000, 4000]);
  assert.deepEqual(
    frames.map(({ tick, missedTicks, intervalUs }) => [tick, missedTicks, intervalUs]),
    [
      [0, 0, 750_000],
      [1, 0, 1_000_000],
      [2, 0, 1_000_000],
      [3, 0, 1_000_000],
    ],
  );
  assert.deepEqual(events, []);
});

test('a first interval that would be too short goes on to the next whole second', () => {
  const { clock, frames } = collect({ startMs: START_MS + 990 });
  clock.advance(3010);
  assert.deepEqual(times(frames), [2000, 3000, 4000]);
  assert.deepEqual(
    frames.map(({ tick, intervalUs }) => [tick, intervalUs]),
    [
      [0, 1_010_000],
      [1, 1_000_000],
      [2, 1_000_000],
    ],
  );
});

test('an hour of ticks has not drifted', () => {
  const { clock, frames } = collect({ startMs: START_MS + 123 });
  clock.advance(3_600_000);
  assert.equal(frames.length, 3600);
  assert.equal(frames.at(-1)!.wallMs, START_MS + 3_600_000);
});

test('every tick is there as a row or inside one gap, whatever holds the collector up', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { clock, frames, events } = collect();
    let random = seed;
    for (let i = 0; i < 100; i++) {
      random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
      if (random % 3 === 0) clock.stall((random >>> 8) % 7000);
      else clock.advance((random >>> 8) % 2500);
    }
    clock.advance(1000);
    const covered = new Set(frames.map(({ tick }) => tick));
    for (const { kind, data } of events) {
      assert.equal(kind, 'gap', `seed ${seed}`);
      for (let tick = Number(data!['fromTick']); tick <= Number(data!['toTick']); tick++) {
        assert.ok(!covered.has(tick), `seed ${seed}: tick ${tick} twice`);
        covered.add(tick);
      }
    }
    assert.equal(covered.size, frames.at(-1)!.tick + 1, `seed ${seed}`);
    const sumUs = frames.reduce((sum, { intervalUs }) => sum + intervalUs, 0);
    assert.ok(clock.monoUs() - sumUs <= 1e6, 'the intervals cover the whole time');
  }
});

test('a gap says which ticks, and its row covers them all', () => {
  const { clock, frames, events } = collect();
  clock.advance(2000);
  clock.stall(5000);
  clock.advance(2000);
  assert.deepEqual(
    frames.map(({ tick, missedTicks, intervalUs }) => [tick, missedTicks, intervalUs]),
    [
      [0, 0, 1_000_000],
      [1, 0, 1_000_000],
      [6, 4, 5_000_000],
      [7, 0, 1_000_000],
      [8, 0, 1_000_000],
    ],
  );
  assert.deepEqual(events, [
    {
      wallMs: START_MS + 3000,
      kind: 'gap',
      text: '4 ticks were missed: the collector was stopped or got no CPU',
      data: { cause: 'missed', missedTicks: 4, fromTick: 2, toTick: 5, intervalUs: 5_000_000 },
    },
  ]);
});

test('alone, rows follow a wall clock that was set; ticks go on counting', () => {
  const { clock, frames, events } = collect();
  clock.advance(2000);
  clock.stepWall(3_600_300);
  clock.advance(3000);
  assert.deepEqual(times(frames), [1000, 2000, 3000, 3_604_000, 3_605_000]);
  assert.deepEqual(
    frames.map(({ tick }) => tick),
    [0, 1, 2, 3, 4],
  );
  assert.equal(frames[3]!.intervalUs, 700_000);
  assert.deepEqual(
    events.map(({ kind, text }) => `${kind}: ${text}`),
    ['note: the wall clock was set forward by 3600.300 s'],
  );
});

test('a clock that was set back is told, and labels go back with it', () => {
  const { clock, frames, events } = collect();
  clock.advance(2000);
  clock.stepWall(-10_000);
  clock.advance(2000);
  assert.deepEqual(times(frames), [1000, 2000, 3000, -6000]);
  assert.equal(events[0]!.text, 'the wall clock was set back by 10.000 s');
});

test('in a lab the ticks stay where those of the other parts are', () => {
  const { clock, frames, events } = collect({ follows: false });
  clock.advance(2000);
  clock.stepWall(3_600_300);
  clock.advance(2000);
  assert.deepEqual(times(frames), [1000, 2000, 3000, 4000]);
  assert.equal(events.length, 1);
});

test('a suspend is told apart from a clock that was set', () => {
  const { clock, events, suspend } = collect();
  clock.advance(2000);
  suspend(60_000);
  clock.advance(1000);
  assert.deepEqual(events, [
    {
      wallMs: START_MS + 63_000,
      kind: 'gap',
      text: 'the machine was suspended for 60.0 s',
      data: { cause: 'suspend', suspendMs: 60_000, stepMs: 60_000 },
    },
  ]);
});

test('other intervals stand on whole multiples of themselves', () => {
  const { clock, frames } = collect({ startMs: START_MS + 1_300, periodMs: 10_000 });
  clock.advance(30_000);
  assert.deepEqual(times(frames), [10_000, 20_000, 30_000]);
});

test('stopped is stopped', () => {
  const { clock, frames, stop } = collect();
  clock.advance(1000);
  stop();
  clock.advance(5000);
  assert.equal(frames.length, 1);
});
