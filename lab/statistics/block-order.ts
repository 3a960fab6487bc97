// The order of blocks. Variants are interleaved first and tested second: no statistic repairs a design
// in which all of A ran before all of B, because a machine drifts (false alarms of 8 to 25 % at a
// nominal 1 %, growing with the number of samples; the simulator test shows it).
//
// Two pairs make a quad, A B B A or B A A B; half of the quads are of each kind and their order is drawn
// from the seed. A pair is two neighbouring blocks, so a drift slower than two blocks cancels.

import { assert } from '#core/assert.ts';
import { createRandom, shuffle } from '#lab/statistics/random.ts';

export type Variant = 'a' | 'b';

/** The variants of one pair in the order in which they run. */
export type PairOrder = readonly [Variant, Variant];

/** The order of `pairs` pairs. An odd last pair is drawn on its own. */
export function blockOrder(pairs: number, seed: number): PairOrder[] {
  assert(Number.isInteger(pairs) && pairs > 0, 'an experiment has at least one pair');
  const random = createRandom(seed);
  const quads = Math.ceil(pairs / 2);
  const startsWithA = Array.from({ length: quads }, (_, index) => index % 2 === 0);
  // With an odd number of quads the seed decides which kind there is one more of.
  const flip = random() < 0.5;
  shuffle(startsWithA, random);
  const order: PairOrder[] = [];
  for (const isA of startsWithA) {
    if (isA !== flip) order.push(['a', 'b'], ['b', 'a']);
    else order.push(['b', 'a'], ['a', 'b']);
  }
  return order.slice(0, pairs);
}
