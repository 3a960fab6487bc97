// Kolmogorov and Smirnov's test, for what a plan draws.

/** Distance of a sample from a distribution function. */
export function distance(sample: readonly number[], below: (x: number) => number): number {
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted.reduce((worst, x, i) => {
    const model = below(x);
    return Math.max(worst, model - i / sorted.length, (i + 1) / sorted.length - model);
  }, 0);
}

/** Distance that a true sample of n exceeds once in 10,000 (asymptotic, Smirnov 1948). */
export function distanceMax(n: number): number {
  return Math.sqrt(-Math.log(0.0001 / 2) / (2 * n));
}
