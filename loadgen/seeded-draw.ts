// Random numbers without state: a draw is a function of seed, index and lane. So every worker
// thread can plan the same messages by itself, a plan does not depend on how many threads carry it
// out, and the same seed gives the same load on any machine.
//
// The mixing is the finalizer of MurmurHash3 (public domain), applied twice. Cost: about 5 ns.

/** What a draw is for; draws of different lanes are independent. */
export const LANE = {
  gap: 1,
  sender: 2,
  receiver: 3,
  phase: 4,
  mask: 5,
  burst: 6,
  storm: 7,
  back: 8,
  network: 9,
  slow: 10,
  media: 11,
  think: 12,
  session: 13,
  angle: 14,
  away: 15,
  group: 16,
  groupOf: 17,
  writer: 18,
  groupPlace: 19,
  groupFactor: 20,
  size: 21,
  contact: 22,
  country: 23,
  answer: 24,
  answerGap: 25,
} as const;
export type Lane = (typeof LANE)[keyof typeof LANE];

const TWO_32 = 2 ** 32;

/** A whole number in [0, 2^32). `index` may go up to 2^53. */
export function draw(seed: number, index: number, lane: Lane): number {
  const high = Math.floor(index / TWO_32);
  const key = mix(seed ^ Math.imul(lane, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b));
  return mix(mix(key ^ index) + Math.imul(index, 0x9e3779b1)) >>> 0;
}

/** A whole number in [0, count). */
export function drawBelow(seed: number, index: number, lane: Lane, count: number): number {
  return Math.floor((draw(seed, index, lane) / TWO_32) * count);
}

/** Exponential with mean 1: the gap between two events of a Poisson process of rate 1. */
export function drawExponential(seed: number, index: number, lane: Lane): number {
  return -Math.log((draw(seed, index, lane) + 0.5) / TWO_32);
}

/**
 * A bijection of the 32-bit numbers in which every input bit moves about half of the output bits.
 */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
