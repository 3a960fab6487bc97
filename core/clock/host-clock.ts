// A clock whose monotonic time is the same in every thread and process of this host, so that a time
// taken by one can be subtracted from a time taken by another. `performance.now` alone is no such
// clock: in each thread it counts from that thread's own start.

import { type Clock, systemClock } from '#core/clock/clock.ts';

/** Readings that are compared; the tightest pair gives the offset. */
const READINGS = 16;

/**
 * The system clock with `monoUs` counted from the start of CLOCK_MONOTONIC. Threads agree within a
 * microsecond or two.
 */
export function createHostClock(): Clock {
  const offsetUs = measureOffsetUs();
  return {
    monoUs: () => performance.now() * 1000 + offsetUs,
    wallMs: systemClock.wallMs,
    after: systemClock.after,
  };
}

/**
 * What to add to `performance.now` in us, from the reading of the other clock that took the least
 * time.
 */
function measureOffsetUs(): number {
  let tightestUs = Number.POSITIVE_INFINITY;
  let offsetUs = 0;
  for (let i = 0; i < READINGS; i++) {
    const beforeUs = performance.now() * 1000;
    const hostUs = Number(process.hrtime.bigint()) / 1000;
    const afterUs = performance.now() * 1000;
    if (afterUs - beforeUs >= tightestUs) continue;
    tightestUs = afterUs - beforeUs;
    offsetUs = hostUs - (beforeUs + afterUs) / 2;
  }
  return offsetUs;
}
