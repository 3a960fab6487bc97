import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#core/clock/clock.ts';
import { WallReader } from '#core/clock/wall-reader.ts';

test('it goes with the wall, looks at it once a second, and knows a step within one', () => {
  const clock = new VirtualClock();
  let looks = 0;
  const wall = new WallReader({
    monoUs: () => clock.monoUs(),
    wallMs: () => {
      looks++;
      return clock.wallMs();
    },
    after: clock.after,
  });
  const read = new Float64Array(1);
  for (let at = 0; at < 10_000; at++) {
    wall.read(read);
    assert.ok(Math.abs(read[0]! - clock.wallMs()) < 0.001);
    clock.advance(1);
  }
  assert.equal(looks, 10);
  clock.advance(1000);
  wall.read(read);
  clock.stepWall(-3_600_000);
  clock.advance(999);
  wall.read(read);
  assert.ok(Math.abs(read[0]! - clock.wallMs() - 3_600_000) < 0.001);
  clock.advance(1);
  wall.read(read);
  assert.ok(Math.abs(read[0]! - clock.wallMs()) < 0.001);
});
