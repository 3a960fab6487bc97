// Copies bytes between arrays of one thread.

/** Up to here a loop copies faster than a call into the engine. */
const LOOP_BYTES_MAX = 64;

/** Copies `count` bytes of `source` from `from` to `target` at `at`. */
export function copyBytes(
  source: Uint8Array,
  from: number,
  count: number,
  target: Uint8Array,
  at: number,
): void {
  if (count <= LOOP_BYTES_MAX) {
    for (let index = 0; index < count; index++) target[at + index] = source[from + index]!;
  } else {
    target.set(source.subarray(from, from + count), at);
  }
}
