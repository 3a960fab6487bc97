// Seeded random numbers: every choice of a run derives from the seed of its experiment, so that the
// same file gives the same order of blocks on every machine. Not for secrets.

/** A generator of numbers in [0, 1) with a period of 2^32; equal seeds give equal sequences. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // A Weyl sequence (golden-ratio step) through a 32-bit finaliser (multiply-xorshift, twice).
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Shuffles in place, every order equally likely (Fisher-Yates). */
export function shuffle<T>(items: T[], random: () => number): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    const kept = items[index]!;
    items[index] = items[other]!;
    items[other] = kept;
  }
  return items;
}
