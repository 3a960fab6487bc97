// Programmer errors crash at once, with a sentence. Always on; cost is one branch.

/** Throws when `condition` is false. `what` is the violated sentence, e.g. 'slot is below capacity'. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(what);
}

/** A broken invariant of wsar itself: never caught, exits 1. */
export class AssertionError extends Error {
  constructor(what: string) {
    super(`assertion failed: ${what}`);
    this.name = 'AssertionError';
  }
}
