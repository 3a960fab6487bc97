import assert from 'node:assert/strict';
import test from 'node:test';
import { LittleWatch } from '#loadgen/little.ts';
import { draw, drawExponential, LANE } from '#loadgen/seeded-draw.ts';

/** Messages with Poisson gaps that take `serviceUs` each; looked at 50 times a second for 20 s. */
function watched(ratePerS: number, serviceUs: number, lostEvery = 0): LittleWatch {
  const watch = new LittleWatch();
  const endUs = 20e6;
  const ends: number[] = [];
  let at = 0;
  let index = 0;
  let lost = 0;
  for (let lookUs = 0; lookUs < endUs; lookUs += 20_000) {
    for (;;) {
      const nextUs = at + (drawExponential(9, index, LANE.gap) * 1e6) / ratePerS;
      if (nextUs > lookUs) break;
      at = nextUs;
      index++;
      if (lostEvery > 0 && index % lostEvery === 0) lost++;
      else ends.push(at + serviceUs * (0.5 + draw(9, index, LANE.phase) / 2 ** 32));
    }
    watch.look(lost + ends.filter((end) => end > lookUs).length);
    ends.splice(0, ends.length, ...ends.filter((end) => end > lookUs));
  }
  return watch;
}

test('a system that keeps its messages obeys the law, with few and with many on the way', () => {
  for (const [ratePerS, serviceUs] of [
    [100, 1000],
    [1000, 30_000],
    [2000, 200_000],
  ] as const) {
    const check = watched(ratePerS, serviceUs).check(ratePerS, serviceUs);
    assert.ok(check?.agrees, JSON.stringify({ ratePerS, ...check }));
  }
});

test('messages that vanish, or times that are wrong, break it', () => {
  assert.equal(watched(1000, 30_000, 100).check(1000, 30_000)?.agrees, false);
  assert.equal(watched(1000, 30_000).check(1000, 15_000)?.agrees, false);
});

test('nothing is said without looks or messages, and memory is bounded', () => {
  assert.equal(new LittleWatch().check(1000, 1000), undefined);
  const watch = new LittleWatch();
  for (let i = 0; i < 1_000_000; i++) watch.look(3);
  assert.deepEqual(watch.check(3000, 1000), { onTheWay: 3, expected: 3, agrees: true });
  assert.equal(watch.check(0, 1000), undefined);
});
