// Which connections are copied to the shadow. Every connection has a number; its hash with a seed is a
// point in [0, 2^32), and it is copied when the point lies below `share` of that range. So the choice is
// deterministic (same number, seed and share: same answer), needs no memory, and is nested: whatever is
// copied at 10 % is also copied at 20 %.

/** Points of the hash: 2^32. */
export const SHARE_POINTS = 2 ** 32;

/** A share in [0, 1] as a threshold on the hash: 0 copies nothing, 1 everything. */
export function shareThreshold(share: number): number {
  return Math.round(Math.min(1, Math.max(0, share)) * SHARE_POINTS);
}

/**
 * Point of connection `number` (0, 1, 2, ... up to 2^53) in [0, 2^32): MurmurHash3's finalizer over the
 * two halves of the number, started from the seed.
 */
export function connectionPoint(number: number, seed: number): number {
  const low = mix((number >>> 0) ^ mix(seed >>> 0));
  return mix(low ^ Math.floor(number / SHARE_POINTS)) >>> 0;
}

function mix(value: number): number {
  let h = (value + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
