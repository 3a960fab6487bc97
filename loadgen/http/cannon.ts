// autocannon, which is imported here and nowhere else: what of it is used, with types; and how its times become
// latencies.
//
// autocannon divides a rate into whole requests a second for each connection and sends those of a second one after
// the other; a connection that waits for an answer sends nothing. So there is no planned time of each request,
// and latency is corrected as HdrHistogram does it: an answer that took longer than the connection's interval also
// stands for the requests that would have been due meanwhile.

import { isIP } from 'node:net';
// @ts-expect-error the package has no types
import autocannonUntyped from 'autocannon';
import { assert } from '#core/assert.ts';
import { formatIpv4 } from '#core/host/ipv4.ts';
import type { Histogram } from '#core/metric/histogram.ts';
import type { ResolvedTarget } from '#loadgen/target.ts';

export interface Cannon {
  on(
    event: 'response',
    act: (client: unknown, status: number, bytes: number, ms: number) => void,
  ): void;
  on(event: 'reqError', act: (error: NodeJS.ErrnoException) => void): void;
  stop(): void;
}

/** One request of a connection that has a list of them. */
export interface CannonRequest {
  method: 'GET' | 'POST';
  path: string;
  body?: Buffer;
}

/** A connection, before it sends. */
export interface CannonClient {
  /** Each request, from the first on, before it is written. */
  on(event: 'request', act: () => void): void;
  setRequests(requests: CannonRequest[]): void;
}

/** An answer with this status or above is an error. */
export const STATUS_ERROR = 400;
/** An answer that has not come by then is an error. */
const ANSWER_TIMEOUT_S = 10;
/** Corrections for one answer: more is a server that was away, and the histogram says so anyway. */
const CORRECTIONS_MAX = 10_000;

const autocannon = autocannonUntyped as (
  options: Record<string, unknown>,
  done: (error: Error | null) => void,
) => Cannon;

/**
 * Starts connections to an HTTP target at `ratePerS` (whole requests; 0 = each asks again at once); `more` is what
 * autocannon calls its options. Options that it refuses are a programmer's error.
 */
export function startCannon(
  target: ResolvedTarget,
  ratePerS: number,
  more: Record<string, unknown>,
  done: () => void,
): Cannon {
  const { scheme, address, port, path, host } = target;
  return autocannon(
    {
      url: `${scheme}://${formatIpv4(address)}:${port}${path || '/'}`,
      timeout: ANSWER_TIMEOUT_S,
      // Without a rate there is nothing to correct, and autocannon refuses to be told not to.
      ...(ratePerS === 0 ? {} : { overallRate: ratePerS, ignoreCoordinatedOmission: true }),
      // RFC 6066 has no addresses there, and Node says so on stderr.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      headers: { host: `${host}:${port}` },
      ...more,
    },
    (error) => {
      assert(error === null, `autocannon takes its options: ${error?.message}`);
      done();
    },
  );
}

/** Records an answer that took `us` on a connection that asks each `intervalUs`, and those that it held up. */
export function recordCorrected(latency: Histogram, us: number, intervalUs: number): void {
  latency.record(us);
  let missed = us - intervalUs;
  for (let i = 0; missed > 0 && i < CORRECTIONS_MAX; i++) {
    latency.record(missed);
    missed -= intervalUs;
  }
}
