// What a queue's length means in time: how long a message waits, and when the backlog will be gone.
// wsar's own formulas, with its rounding: whole seconds, cut off.

/** Seconds a message that joins now waits: length / dequeue rate. NaN when nothing is dequeued and something waits. */
export function queueDelayS(length: number, dequeuedPerS: number): number {
  if (length === 0) return 0;
  return dequeuedPerS > 0 ? Math.trunc(length / dequeuedPerS) : Number.NaN;
}

/** Seconds until the queue is empty at this fill rate (negative: it shrinks). NaN: never, while it does not shrink. */
export function queueDrainS(length: number, filledPerS: number): number {
  if (length === 0) return 0;
  return filledPerS < 0 ? Math.trunc(length / -filledPerS) : Number.NaN;
}
