import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { startTicker, type Tick } from '#core/clock/ticker.ts';

function record(
  clock: VirtualClock,
  onTick?: (tick: Tick) => void,
): { ticks: Tick[]; stop(): void } {
  const ticks: Tick[] = [];
  const stop = startTicker(clock, 1000, (tick) => {
    ticks.push(tick);
    onTick?.(tick);
  });
  return { ticks, stop };
}

test('ticks stand on whole seconds of the wall clock, whenever the ticker starts', () => {
  const clock = new VirtualClock(1_700_000_000_250);
  const { ticks } = record(clock);
  clock.advance(3000);
  assert.deepEqual(
    ticks.map((tick) => tick.wallMs),
    [1_700_000_001_000, 1_700_000_002_000, 1_700_000_003_000],
  );
  assert.ok(ticks.every((tick) => tick.missedTicks === 0 && tick.lateUs === 0));
});

test('ticks that could not run are counted in the next one, and never made up in a burst', () => {
  const clock = new VirtualClock(1_700_000_000_000);
  const { ticks } = record(clock);
  clock.advance(2000);
  clock.stall(3500);
  clock.advance(1500);
  assert.deepEqual(
    ticks.map((tick) => [tick.index, tick.missedTicks]),
    [
      [0, 0],
      [1, 0],
      [4, 2],
      [5, 0],
      [6, 0],
    ],
  );
  assert.equal(ticks[2]!.lateUs, 500_000);
  assert.equal(ticks[2]!.wallMs, 1_700_000_005_000);
});

test('work that takes longer than a period shows as missed ticks, not as drift', () => {
  const clock = new VirtualClock(1_700_000_000_000);
  const { ticks } = record(clock, (tick) => {
    if (tick.index === 1) clock.stall(1300);
  });
  clock.advance(5000);
  assert.deepEqual(
    ticks.map((tick) => tick.wallMs - 1_700_000_000_000),
    [1000, 2000, 3000, 4000, 5000],
  );
  assert.equal(ticks[2]!.lateUs, 300_000);
});

test('a step of the wall clock moves no tick', () => {
  const clock = new VirtualClock(1_700_000_000_000);
  const { ticks } = record(clock);
  clock.advance(1000);
  clock.stepWall(-3_600_000);
  clock.advance(2000);
  assert.deepEqual(
    ticks.map((tick) => tick.monoUs),
    [1_000_000, 2_000_000, 3_000_000],
  );
});

test('a stopped ticker is silent', () => {
  const clock = new VirtualClock();
  const { ticks, stop } = record(clock);
  clock.advance(1000);
  stop();
  clock.advance(5000);
  assert.equal(ticks.length, 1);
});

test('the handler may stop the ticker', () => {
  const clock = new VirtualClock();
  const { ticks, stop } = record(clock, () => stop());
  clock.advance(5000);
  assert.equal(ticks.length, 1);
});
