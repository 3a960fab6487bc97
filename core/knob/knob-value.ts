// Whether a value fits a knob.

import type { KnobDef, KnobValue } from '#core/knob/knob.ts';

const PRINTABLE = /^[ -~]*$/;

/** Why `value` may not be set, in words; undefined when it may. */
export function refusalOf(def: KnobDef, value: unknown): string | undefined {
  const { type } = def;
  if (type.kind === 'enum') {
    const fits = typeof value === 'string' && type.values.includes(value);
    return fits ? undefined : `${show(value)} is none of ${type.values.join(', ')}`;
  }
  if (type.kind === 'text') {
    if (typeof value !== 'string' || !PRINTABLE.test(value)) {
      return `${show(value)} is no text of printable ASCII`;
    }
    if (value.length <= type.lengthMax) return undefined;
    return `${show(value)} is longer than ${type.lengthMax} characters`;
  }
  const unit = def.unit === '' ? '' : ` ${def.unit}`;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return `${show(value)} is not a number`;
  }
  if (type.kind === 'int' && !Number.isInteger(value)) return `${value} is not a whole number`;
  if (value < type.min || value > type.max) {
    return `${value} is not from ${type.min} to ${type.max}${unit}`;
  }
  return undefined;
}

/** True when `value` is of a kind that any knob could have. */
export function isKnobValue(value: unknown): value is KnobValue {
  return typeof value === 'string' || typeof value === 'number';
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
