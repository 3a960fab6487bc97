// How far the clock of another host is from ours: of many exchanges the one with the shortest round trip
// tells it best, and half of that round trip is the most it can be wrong (Cristian 1989). Pure.

export interface ClockOffset {
  /** Our time minus theirs, us. 0 when it is within its error: one machine has one clock. */
  offsetUs: number;
  /** The most it can be wrong, us. */
  errorUs: number;
}

export interface ClockExchange {
  sentUs: number;
  theirsUs: number;
  receivedUs: number;
}

export function clockOffset(exchanges: readonly ClockExchange[]): ClockOffset {
  let best: ClockOffset = { offsetUs: 0, errorUs: Number.POSITIVE_INFINITY };
  for (const { sentUs, theirsUs, receivedUs } of exchanges) {
    const errorUs = (receivedUs - sentUs) / 2;
    if (errorUs < best.errorUs) best = { offsetUs: (sentUs + receivedUs) / 2 - theirsUs, errorUs };
  }
  return Math.abs(best.offsetUs) <= best.errorUs ? { ...best, offsetUs: 0 } : best;
}
