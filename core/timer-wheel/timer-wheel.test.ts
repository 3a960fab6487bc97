import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TIMER_STEP_MS, TimerWheel } from '#core/timer-wheel/timer-wheel.ts';

const fired = (wheel: TimerWheel, nowMs: number): number[] => {
  const indices: number[] = [];
  wheel.advance(nowMs, (index) => indices.push(index));
  return indices;
};

test('a deadline fires once, never early and at most one step late', () => {
  const wheel = new TimerWheel(10, 1000);
  wheel.set(3, 1000, 250);
  assert.deepEqual(fired(wheel, 1249), []);
  assert.equal(wheel.armed, 1);
  assert.deepEqual(fired(wheel, 1300), [3]);
  assert.deepEqual(fired(wheel, 5000), []);
  assert.equal(wheel.armed, 0);
  assert.equal(wheel.isArmed(3), false);
});

test('moving a deadline replaces it, clearing removes it', () => {
  const wheel = new TimerWheel(10, 0);
  wheel.set(1, 0, 100);
  wheel.set(1, 0, 900);
  wheel.set(2, 0, 100);
  wheel.clear(2);
  wheel.clear(2);
  assert.equal(wheel.armed, 1);
  assert.deepEqual(fired(wheel, 800), []);
  assert.deepEqual(fired(wheel, 900), [1]);
});

test('deadlines longer than the wheel wait for their turn', () => {
  const wheel = new TimerWheel(2, 0);
  const turnMs = 4096 * TIMER_STEP_MS;
  wheel.set(0, 0, 2 * turnMs + 500);
  wheel.set(1, 0, 500);
  assert.deepEqual(fired(wheel, 500), [1]);
  assert.deepEqual(fired(wheel, turnMs + 500), []);
  assert.deepEqual(fired(wheel, 2 * turnMs + 400), []);
  assert.deepEqual(fired(wheel, 2 * turnMs + 500), [0]);
});

test('a stall longer than the wheel fires everything that is due, once', () => {
  const wheel = new TimerWheel(100, 0);
  for (let index = 0; index < 100; index++) wheel.set(index, 0, 1 + index * 20_000);
  assert.equal(fired(wheel, 50 * 20_000).length, 50);
  assert.equal(wheel.armed, 50);
});

test('a handler may clear and set what is due in the same call', () => {
  const wheel = new TimerWheel(4, 0);
  for (let index = 0; index < 4; index++) wheel.set(index, 0, 100);
  const order: number[] = [];
  wheel.advance(100, (index) => {
    order.push(index);
    wheel.clear(1);
    wheel.set(2, 100, 100);
    if (index === 0) wheel.set(0, 100, 100);
  });
  assert.deepEqual(order, [0, 3]);
  assert.deepEqual(fired(wheel, 200).sort(), [0, 2]);
});

test('msUntilNext is where advance has work, bounded by its look-ahead', () => {
  const wheel = new TimerWheel(4, 0);
  assert.equal(wheel.msUntilNext(0), Infinity);
  wheel.set(0, 0, 1234);
  assert.equal(wheel.msUntilNext(0), 1300);
  assert.equal(wheel.msUntilNext(1290), 10);
  assert.equal(wheel.msUntilNext(9999), 0);
  wheel.set(0, 0, 3_600_000);
  assert.equal(wheel.msUntilNext(0), 6400);
});

test('random sets, clears and advances agree with a plain list', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('set' as const),
      index: fc.nat(20),
      ms: fc.integer({ min: 1, max: 900_000 }),
    }),
    fc.record({ kind: fc.constant('clear' as const), index: fc.nat(20) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(700_000) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const wheel = new TimerWheel(21, 0);
      const dueMs = new Map<number, number>();
      let nowMs = 0;
      for (const one of steps) {
        if (one.kind === 'set') {
          wheel.set(one.index, nowMs, one.ms);
          dueMs.set(one.index, nowMs + one.ms);
        } else if (one.kind === 'clear') {
          wheel.clear(one.index);
          dueMs.delete(one.index);
        } else {
          nowMs += one.ms;
          const due = new Set(fired(wheel, nowMs));
          for (const [index, at] of dueMs) {
            const mustFire = at <= nowMs - TIMER_STEP_MS;
            if (due.has(index)) assert.ok(at <= nowMs, 'never early');
            else assert.ok(!mustFire, 'never more than a step late');
          }
          for (const index of due) assert.ok(dueMs.delete(index), 'fires only what is set');
        }
        assert.equal(wheel.armed, dueMs.size);
      }
    }),
  );
});
