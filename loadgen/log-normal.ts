// Log-normal distributions as tables: the values at evenly spread probabilities, so that a draw is an index
// and costs nothing. Pure; computed once.

/** Coefficients of Acklam's rational approximation of the normal quantile (2003), relative error 1.2e-9. */
const CENTRE = [
  [
    -3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2,
    -3.066479806614716e1, 2.506628277459239,
  ],
  [
    -5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1,
    -1.328068155288572e1, 1,
  ],
] as const;
const TAIL = [
  [
    -7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734,
    4.374664141464968, 2.938163982698783,
  ],
  [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416, 1],
] as const;
const TAIL_BELOW = 0.02425;

/** The value below which a part `p` (0..1) of a normal distribution lies, in standard deviations. */
export function normalQuantile(p: number): number {
  if (p > 1 - TAIL_BELOW) return -normalQuantile(1 - p);
  if (p < TAIL_BELOW) {
    const r = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL[0], r) / polynomial(TAIL[1], r);
  }
  const s = p - 0.5;
  return (s * polynomial(CENTRE[0], s * s)) / polynomial(CENTRE[1], s * s);
}

/** `count` values of a log-normal distribution at the middle of as many equal parts, rising. */
export function logNormalTable(median: number, sigma: number, count: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => median * Math.exp(sigma * normalQuantile((i + 0.5) / count)),
  );
}

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}
