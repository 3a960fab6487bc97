// One step of a knob up or down: the next word of an enum, a twentieth of a ratio, and for everything
// else the next of 10, 15, 20, 30, 50, 70, 100 times a power of ten: never more than 1.7 times at once.

import type { KnobDef, KnobValue } from '#core/knob/knob.ts';

const STEPS = [10, 15, 20, 30, 50, 70, 100];

/** The value one step from `value` (direction +1 or -1); the same value at the end of the range. */
export function stepKnob(type: KnobDef['type'], value: KnobValue, direction: 1 | -1): KnobValue {
  if (type.kind === 'enum') {
    const index = type.values.indexOf(String(value)) + direction;
    return type.values[Math.min(type.values.length - 1, Math.max(0, index))]!;
  }
  if (type.kind === 'text') return value;
  const from = Number(value);
  const next =
    type.kind === 'float' && type.max - type.min <= 1
      ? Math.round((from + direction * 0.05) * 1000) / 1000
      : scaleStep(from, direction, type.kind === 'int');
  return Math.min(type.max, Math.max(type.min, next));
}

/** Reads what a person typed for a knob: a word of the enum, a text, or a number; undefined when it is none. */
export function readKnobValue(type: KnobDef['type'], text: string): KnobValue | undefined {
  const trimmed = text.trim();
  if (type.kind === 'enum') return type.values.find((value) => value === trimmed);
  if (type.kind === 'text') return trimmed;
  const value = Number(trimmed.replace(/[_ ,]/g, ''));
  return trimmed !== '' && Number.isFinite(value) ? value : undefined;
}

/** True when a step is so large that a slip would hurt: more than twice or less than half. */
export function isLargeStep(from: KnobValue, to: KnobValue): boolean {
  if (typeof from !== 'number' || typeof to !== 'number') return false;
  if (from === 0 || to === 0) return from !== to;
  const ratio = to / from;
  return ratio > 2 || ratio < 0.5;
}

function scaleStep(from: number, direction: 1 | -1, isWhole: boolean): number {
  if (from < 0) return -scaleStep(-from, direction === 1 ? -1 : 1, isWhole);
  if (from === 0 || (isWhole && from < 10)) return from + direction;
  const power = 10 ** (Math.floor(Math.log10(from) + 1e-9) - 1);
  const scaled = from / power;
  // A hair of tolerance: 0.3 / 0.01 is not exactly 30.
  const next =
    direction === 1
      ? STEPS.find((step) => step > scaled * (1 + 1e-9))!
      : (STEPS.findLast((step) => step < scaled * (1 - 1e-9)) ?? 7);
  const value = next * power;
  return isWhole ? Math.round(value) : Number(value.toPrecision(6));
}
