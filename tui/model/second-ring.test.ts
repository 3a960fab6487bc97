import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SecondRing } from '#tui/model/second-ring.ts';

test('a ring gives back what a map of the last seconds would', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(40), fc.constantFrom('a', 'b'), fc.integer())),
      (steps) => {
        const capacity = 8;
        const ring = new SecondRing(capacity, 2);
        const model = new Map<number, Map<string, number>>();
        for (const [second, name, value] of steps) {
          if (!ring.has(second)) {
            ring.open(second);
            for (const known of model.keys()) {
              if (known % capacity === second % capacity) model.delete(known);
            }
            model.set(second, new Map());
          }
          ring.set(name, second, value);
          model.get(second)!.set(name, value);
        }
        for (let second = 0; second <= 40; second++) {
          for (const name of ['a', 'b']) {
            const wanted = model.get(second)?.get(name) ?? Number.NaN;
            assert.equal(ring.get(name, second), wanted);
          }
        }
      },
    ),
  );
});

test('a ring refuses metrics beyond its number of columns and counts them', () => {
  const ring = new SecondRing(4, 1);
  ring.open(1);
  ring.set('a', 1, 10);
  ring.set('b', 1, 20);
  assert.equal(ring.refused, 1);
  assert.ok(Number.isNaN(ring.get('b', 1)));
});

test('seconds before 1970 and far apart have slots of their own', () => {
  const ring = new SecondRing(4, 1);
  ring.open(-3);
  ring.set('a', -3, 7);
  assert.equal(ring.get('a', -3), 7);
  assert.ok(Number.isNaN(ring.get('a', 1)));
});
