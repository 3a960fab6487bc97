import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DECAY_TAUS_S, DecayBank } from '#core/metric/decay.ts';

const dt = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
const reading = fc.double({ min: -1e12, max: 1e12, noNaN: true });

function near(actual: number, expected: number, scale: number, tolerance = 1e-12): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance * Math.max(1, scale),
    `${actual} is not ${expected} (within ${tolerance} of ${scale})`,
  );
}

function values(bank: DecayBank, slot = 0): number[] {
  return DECAY_TAUS_S.map((_, horizon) => bank.value(slot, horizon));
}

test('a constant rate is the decay from the first interval on, for any interval', () => {
  fc.assert(
    fc.property(reading, fc.array(dt, { minLength: 1, maxLength: 50 }), (x, intervals) => {
      const bank = new DecayBank(1);
      for (const dtS of intervals) {
        bank.observeRate(0, x, dtS);
        for (const value of values(bank)) near(value, x, Math.abs(x));
      }
    }),
  );
});

test('a constant gauge is the decay from the second reading on, for any interval', () => {
  fc.assert(
    fc.property(reading, fc.array(dt, { minLength: 1, maxLength: 50 }), (g, intervals) => {
      const bank = new DecayBank(1);
      bank.observeGauge(0, g, 1);
      assert.ok(values(bank).every(Number.isNaN), 'one reading has no duration yet');
      for (const dtS of intervals) {
        bank.observeGauge(0, g, dtS);
        for (const value of values(bank)) near(value, g, Math.abs(g));
      }
    }),
  );
});

test('cutting the intervals of a rate into pieces changes nothing', () => {
  const interval = fc.record({
    x: fc.double({ min: 0, max: 1e9, noNaN: true }),
    dtS: fc.double({ min: 1e-3, max: 100, noNaN: true }),
    pieces: fc.integer({ min: 1, max: 10 }),
  });
  fc.assert(
    fc.property(fc.array(interval, { minLength: 1, maxLength: 20 }), (intervals) => {
      const whole = new DecayBank(1);
      const cut = new DecayBank(1);
      for (const { x, dtS, pieces } of intervals) {
        whole.observeRate(0, x, dtS);
        for (let i = 0; i < pieces; i++) cut.observeRate(0, x, dtS / pieces);
      }
      const scale = Math.max(...intervals.map(({ x }) => x));
      for (let i = 0; i < 3; i++) {
        near(cut.value(0, i), whole.value(0, i), scale);
        near(cut.weight(0, i), whole.weight(0, i), 1);
      }
    }),
  );
});

test('cutting the straight line between two readings of a gauge changes nothing', () => {
  const step = fc.record({
    g: fc.double({ min: 0, max: 1e9, noNaN: true }),
    dtS: fc.double({ min: 1e-3, max: 100, noNaN: true }),
    pieces: fc.integer({ min: 1, max: 10 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 20 }), (steps) => {
      const whole = new DecayBank(1);
      const cut = new DecayBank(1);
      let before = Number.NaN;
      for (const { g, dtS, pieces } of steps) {
        whole.observeGauge(0, g, dtS);
        if (Number.isNaN(before)) cut.observeGauge(0, g, dtS);
        else {
          for (let i = 1; i <= pieces; i++) {
            cut.observeGauge(0, before + ((g - before) * i) / pieces, dtS / pieces);
          }
        }
        before = g;
      }
      const scale = Math.max(...steps.map(({ g }) => g));
      for (let i = 0; i < 3; i++) near(cut.value(0, i), whole.value(0, i), scale, 1e-11);
    }),
  );
});

test('after a step a decay has moved 1 - 1/e of the way at its time constant', () => {
  for (const [horizon, tauS] of DECAY_TAUS_S.entries()) {
    const bank = new DecayBank(1);
    bank.observeRate(0, 0, 1e4);
    for (let i = 0; i < 20; i++) bank.observeRate(0, 100, tauS / 20);
    near(bank.value(0, horizon), 100 * (1 - 1 / Math.E), 100);
  }
});

test('the shorter horizon is always nearer to the new level after a step', () => {
  fc.assert(
    fc.property(fc.array(dt, { minLength: 1, maxLength: 20 }), (intervals) => {
      const bank = new DecayBank(1);
      bank.observeRate(0, 0, 1e4);
      for (const dtS of intervals) {
        bank.observeRate(0, 1, dtS);
        const [decay1s, decay10s, decay100s] = values(bank) as [number, number, number];
        assert.ok(decay1s >= decay10s && decay10s >= decay100s && decay1s <= 1 && decay100s > 0);
      }
    }),
  );
});

test('a rising gauge is followed as the integral of the line, not of its end points', () => {
  const bank = new DecayBank(1);
  // 0 to 10 in 1 s after a long time at 0; tau = 1: 10 * (1 - a) with a = 1 - 1/e, so 10/e.
  bank.observeGauge(0, 0, 1);
  bank.observeGauge(0, 0, 1e4);
  bank.observeGauge(0, 10, 1);
  near(bank.value(0, 0), 10 / Math.E, 10);
});

test('unknown intervals age what is there: the value stays, its weight falls, then it is unknown', () => {
  const bank = new DecayBank(1);
  bank.observeRate(0, 7, 5);
  const before = bank.weight(0, 0);
  bank.observeRate(0, Number.NaN, 2);
  near(bank.value(0, 0), 7, 7);
  near(bank.weight(0, 0), before * Math.exp(-2), 1);
  bank.observeRate(0, Number.NaN, 1.5);
  assert.ok(Number.isNaN(bank.value(0, 0)), 'nothing for 3.5 time constants of 1 s');
  near(bank.value(0, 1), 7, 7);
  bank.observeRate(0, 3, 1);
  assert.ok(bank.value(0, 0) > 3 && bank.value(0, 0) < 3.1);
});

test('a gauge is not drawn through a hole', () => {
  const bank = new DecayBank(1);
  bank.observeGauge(0, 5, 1);
  bank.observeGauge(0, 5, 1);
  bank.observeGauge(0, Number.NaN, 1);
  bank.observeGauge(0, 1000, 1);
  near(bank.value(0, 1), 5, 5);
});

test('an interval without length says nothing', () => {
  const bank = new DecayBank(1);
  for (const dtS of [0, -1, Number.NaN]) bank.observeRate(0, 1, dtS);
  assert.ok(values(bank).every(Number.isNaN));
});

test('slots are apart, growing keeps them, and a forgotten one starts anew', () => {
  const bank = new DecayBank(1);
  bank.observeRate(0, 1, 1);
  bank.grow(3);
  bank.observeRate(2, 9, 1);
  assert.deepEqual(values(bank, 0), [1, 1, 1]);
  assert.deepEqual(values(bank, 1), [Number.NaN, Number.NaN, Number.NaN]);
  near(bank.value(2, 2), 9, 9);
  bank.forget(0);
  assert.ok(values(bank, 0).every(Number.isNaN));
});
