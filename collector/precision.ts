// How many digits a value keeps. Beyond any measurement's truth each digit is a byte in every row, so they are
// cut off where a value is made: what is printed, published, recorded and taken into decays is one number.

const LARGE = 100;
const PER_UNIT_LARGE = 1e3;
const PER_UNIT = 1e6;

/** A thousandth from 100 on, a millionth below; whole numbers and what is no number stay as they are. */
export function precise(value: number): number {
  if (Number.isInteger(value)) return value;
  const perUnit = Math.abs(value) >= LARGE ? PER_UNIT_LARGE : PER_UNIT;
  // Plus 0: a small negative number becomes 0, not -0.
  return Math.round(value * perUnit) / perUnit + 0;
}

/** The rate of a counter that rose by `delta` (in the unit of its source) in `dtS` seconds; NaN: not known. */
export function rateOf(delta: number, scale: number, dtS: number): number {
  return dtS > 0 ? (delta * scale) / dtS : Number.NaN;
}
