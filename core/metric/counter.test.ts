import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CounterBank, type CounterClass, CounterFlag, HIGH_UNIT } from '#core/metric/counter.ts';

const WIDE: CounterClass = { width: 64 };
const NARROW: CounterClass = { width: 32 };
const LOSSY: CounterClass = { width: 64, isLossy: true };

/** Feeds exact readings and returns the differences. */
function deltas(readings: bigint[], kind: CounterClass, deltaMax = Infinity): number[] {
  const bank = new CounterBank(1);
  const unit = BigInt(HIGH_UNIT);
  return readings.map((n) => bank.advance(0, Number(n / unit), Number(n % unit), kind, deltaMax));
}

test('the first reading has no difference; later ones are exact over the whole 64 bit range', () => {
  const start = fc.bigInt({ min: 0n, max: 2n ** 63n });
  const rise = fc.bigInt({ min: 0n, max: 2n ** 52n });
  fc.assert(
    fc.property(start, fc.array(rise, { minLength: 1, maxLength: 20 }), (first, rises) => {
      let at = first;
      const readings = [at, ...rises.map((rise) => (at += rise))];
      assert.deepEqual(deltas(readings, WIDE), [Number.NaN, ...rises.map(Number)]);
    }),
  );
});

test('a 32 bit counter that wraps is repaired as long as it moved by less than half its range', () => {
  const rise = fc.bigInt({ min: 0n, max: 2n ** 31n - 1n });
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), fc.array(rise), (first, rises) => {
      let at = first;
      const readings = [at, ...rises.map((rise) => (at = (at + rise) % 2n ** 32n))];
      assert.deepEqual(deltas(readings, NARROW).slice(1), rises.map(Number));
    }),
  );
});

test('a counter that starts over has no difference once, then goes on', () => {
  assert.deepEqual(deltas([1000n, 1500n, 20n, 50n], WIDE), [Number.NaN, 500, Number.NaN, 30]);
  // A reset of a 32 bit counter below its middle is no wrap.
  assert.deepEqual(deltas([2n ** 30n, 5n, 6n], NARROW), [Number.NaN, Number.NaN, 1]);
});

test('a lossy counter that goes back did nothing', () => {
  assert.deepEqual(deltas([100n, 98n, 103n], LOSSY), [Number.NaN, 0, 5]);
});

test('a difference is never negative, never above what can happen', () => {
  const kinds = fc.constantFrom(WIDE, NARROW, LOSSY);
  const readings = fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 30 });
  fc.assert(
    fc.property(kinds, readings, fc.nat(), (kind, values, deltaMax) => {
      for (const delta of deltas(values, kind, deltaMax)) {
        assert.ok(Number.isNaN(delta) || (delta >= 0 && delta <= deltaMax));
      }
    }),
  );
});

test('every oddity is flagged and counted', () => {
  const bank = new CounterBank(2);
  const flagsOf = (readings: number[], kind: CounterClass, deltaMax = Infinity): number[] =>
    readings.map((n) => {
      bank.advance(1, 0, n, kind, deltaMax);
      return bank.flags[1]!;
    });
  const { none, first, wrapped, reset, clamped, implausible } = CounterFlag;
  assert.deepEqual(flagsOf([5, 6, 2], WIDE), [first, none, reset]);
  bank.forget(1);
  assert.deepEqual(flagsOf([5, 6, 2], LOSSY), [first, none, clamped]);
  bank.forget(1);
  assert.deepEqual(flagsOf([4_294_967_295, 0, 1000], NARROW, 10), [first, wrapped, implausible]);
  assert.deepEqual([...bank.flagCounts], [0, 3, 1, 1, 1, 1]);
});

test('growing keeps the readings', () => {
  const bank = new CounterBank(1);
  bank.advance(0, 0, 10, WIDE, Infinity);
  bank.grow(4);
  assert.equal(bank.advance(0, 0, 15, WIDE, Infinity), 5);
  assert.ok(Number.isNaN(bank.advance(3, 0, 15, WIDE, Infinity)));
});
