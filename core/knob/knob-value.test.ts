import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KnobDef } from '#core/knob/knob.ts';
import { refusalOf } from '#core/knob/knob-value.ts';

const knob = (type: KnobDef['type'], unit = ''): KnobDef => ({
  name: 'a.b',
  type,
  unit,
  default: 0,
  help: '',
});

test('only values that fit the type and lie within the bounds are taken', () => {
  const flush = knob({ kind: 'enum', values: ['turn', 'immediate'] });
  const count = knob({ kind: 'int', min: 1, max: 100 });
  const place = knob({ kind: 'text', lengthMax: 5 });
  const rate = knob({ kind: 'float', min: 0, max: 1e6 }, '{message}/s');
  const fine: [KnobDef, unknown][] = [
    [flush, 'turn'],
    [flush, 'immediate'],
    [count, 1],
    [count, 100],
    [rate, 0],
    [rate, 0.5],
    [rate, 1e6],
    [place, ''],
    [place, 'a:1~ '],
  ];
  for (const [def, value] of fine) assert.equal(refusalOf(def, value), undefined, String(value));

  const refused: [KnobDef, unknown, RegExp][] = [
    [flush, 'Turn', /"Turn" is none of turn, immediate/],
    [flush, '', /"" is none of/],
    [flush, 1, /1 is none of/],
    [flush, null, /null is none of/],
    [flush, undefined, /undefined is none of/],
    [flush, 'x'.repeat(100), /^"x{36}\.\.\. is none of/],
    [count, 0, /0 is not from 1 to 100/],
    [count, 101, /101 is not from/],
    [count, 1.5, /1.5 is not a whole number/],
    [count, '5', /"5" is not a number/],
    [count, Number.NaN, /is not a number/],
    [count, [5], /\[5\] is not a number/],
    [rate, -1e-9, /is not from 0 to 1000000 \{message\}\/s/],
    [rate, Number.POSITIVE_INFINITY, /is not a number/],
    [rate, { value: 1 }, /is not a number/],
    [place, 'abcdef', /"abcdef" is longer than 5 characters/],
    [place, 'a\n', /is no text of printable ASCII/],
    [place, '\u00e4', /is no text of printable ASCII/],
    [place, 5, /5 is no text of printable ASCII/],
    [rate, true, /true is not a number/],
  ];
  for (const [def, value, reason] of refused) {
    assert.match(refusalOf(def, value) ?? 'taken', reason);
  }
});
