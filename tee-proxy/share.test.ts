import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { connectionPoint, SHARE_POINTS, shareThreshold } from '#tee-proxy/share.ts';

const copied = (number: number, seed: number, share: number): boolean =>
  connectionPoint(number, seed) < shareThreshold(share);

test('share 0 copies nothing, share 1 everything, and out-of-range shares are clamped', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer(), (number, seed) => {
      assert.equal(copied(number, seed, 0), false);
      assert.equal(copied(number, seed, -1), false);
      assert.equal(copied(number, seed, 1), true);
      assert.equal(copied(number, seed, 7), true);
    }),
  );
});

test('a smaller share is a subset of a larger one, and the choice never changes', () => {
  const ratio = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer(), ratio, ratio, (number, seed, a, b) => {
      const point = connectionPoint(number, seed);
      assert.ok(Number.isInteger(point) && point >= 0 && point < SHARE_POINTS);
      assert.equal(point, connectionPoint(number, seed));
      if (copied(number, seed, Math.min(a, b))) assert.ok(copied(number, seed, Math.max(a, b)));
    }),
  );
});

test('of 100,000 consecutive connections the asked share is copied, within 0.5 points', () => {
  for (const seed of [0, 1, 42, 0xffffffff]) {
    for (const share of [0.01, 0.1, 0.25, 0.5, 0.9]) {
      let count = 0;
      for (let number = 0; number < 100_000; number++) if (copied(number, seed, share)) count++;
      assert.ok(Math.abs(count / 100_000 - share) < 0.005, `seed ${seed} share ${share}: ${count}`);
    }
  }
});

test('two seeds choose independently', () => {
  let both = 0;
  for (let number = 0; number < 100_000; number++) {
    if (copied(number, 1, 0.5) && copied(number, 2, 0.5)) both++;
  }
  assert.ok(Math.abs(both / 100_000 - 0.25) < 0.01, `${both}`);
});
