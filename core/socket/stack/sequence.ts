// Sequence numbers of TCP: 32 bits that wrap around (RFC 9293, 3.4). Numbers are kept as unsigned; only
// their distance has an order, and only when it is less than half of the circle.

/** `a` - `b`, in [-2^31, 2^31): negative when `a` lies before `b`. */
export function sequenceDistance(a: number, b: number): number {
  return (a - b) | 0;
}

/** `a` moved on by `count`. */
export function sequenceAdd(a: number, count: number): number {
  return (a + count) >>> 0;
}
