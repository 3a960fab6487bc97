// A column: one number for each slot, in a typed array that grows seldom and by a lot.

/** A longer copy of a column; the new slots hold `filler`. */
export function grownColumn(
  column: Float64Array,
  length: number,
  filler = 0,
): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length).fill(filler, column.length);
  grown.set(column);
  return grown;
}

/** The same for a column of small numbers and flags; the new slots hold 0. */
export function grownFlags(column: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(length);
  grown.set(column);
  return grown;
}
