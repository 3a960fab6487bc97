// The median, as everywhere in the lab: of an even number of values the mean of the middle two.

/** Median of values in any order; null when there are none. */
export function median(values: readonly number[] | Float64Array): number | null {
  if (values.length === 0) return null;
  // A typed array sorts by number without a comparison function.
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
