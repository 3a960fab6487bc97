import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { refusalOf } from '#core/knob/knob-value.ts';
import { isLargeStep, readKnobValue, stepKnob } from '#tui/model/knob-step.ts';

test('an enum goes to its next word and stops at its ends', () => {
  const type = { kind: 'enum' as const, values: ['turn', 'immediate'] };
  assert.equal(stepKnob(type, 'turn', 1), 'immediate');
  assert.equal(stepKnob(type, 'immediate', 1), 'immediate');
  assert.equal(stepKnob(type, 'turn', -1), 'turn');
});

test('a rate goes by steps that a person would choose, up and down the same', () => {
  const type = { kind: 'float' as const, min: 0, max: 1e6 };
  const up = [1000, 1500, 2000, 3000, 5000, 7000, 10_000];
  for (const [index, value] of up.slice(0, -1).entries()) {
    assert.equal(stepKnob(type, value, 1), up[index + 1]);
    assert.equal(stepKnob(type, up[index + 1]!, -1), value);
  }
  assert.equal(stepKnob(type, 2345, 1), 3000);
  assert.equal(stepKnob(type, 2345, -1), 2000);
});

test('a share goes by twentieths', () => {
  const type = { kind: 'float' as const, min: 0, max: 1 };
  assert.equal(stepKnob(type, 0.1, 1), 0.15);
  assert.equal(stepKnob(type, 0.02, -1), 0);
});

test('from any value a step is allowed by the owner, and moves or stands at an end', () => {
  const kinds = fc.constantFrom('int' as const, 'float' as const);
  const range = fc.tuple(fc.integer({ min: -1000, max: 1e6 }), fc.integer({ min: 0, max: 1e6 }));
  fc.assert(
    fc.property(
      kinds,
      range,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (kind, [min, size], at) => {
        const type = { kind, min, max: min + size };
        const exact = min + size * at;
        const value = kind === 'int' ? Math.round(exact) : exact;
        for (const direction of [1, -1] as const) {
          const next = stepKnob(type, value, direction) as number;
          const def = { name: 'k', type, unit: '', default: min, help: '' };
          assert.equal(refusalOf(def, next), undefined, `${value} -> ${next}`);
          assert.ok(direction === 1 ? next >= value : next <= value, `${value} -> ${next}`);
        }
      },
    ),
  );
});

test('what is typed is a word of the enum or a number', () => {
  const type = { kind: 'int' as const, min: 0, max: 1e6 };
  assert.equal(readKnobValue(type, ' 20_000 '), 20_000);
  assert.equal(readKnobValue(type, '2e3'), 2000);
  assert.equal(readKnobValue(type, 'many'), undefined);
  assert.equal(readKnobValue(type, ''), undefined);
  assert.equal(readKnobValue({ kind: 'enum', values: ['a'] }, 'a '), 'a');
  assert.equal(readKnobValue({ kind: 'enum', values: ['a'] }, 'b'), undefined);
});

test('more than twice or less than half is a large step', () => {
  assert.ok(isLargeStep(1000, 2001) && isLargeStep(1000, 499) && isLargeStep(0, 1));
  assert.ok(!isLargeStep(1000, 2000) && !isLargeStep(1000, 500) && !isLargeStep('a', 'b'));
});
