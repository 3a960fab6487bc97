// The sentences for a target that failed in the middle of a load.

import { getSystemErrorName } from 'node:util';
import { WsarError } from '#core/errors.ts';
import type { LoadOptions } from '#loadgen/load-options.ts';
import { refusalText } from '#loadgen/probe-login.ts';
import type { Counts } from '#loadgen/worker-board.ts';

/** The ramp ended without everybody in: `stalledMs` without one login, or with users given up. */
export function notAllIn(
  options: LoadOptions,
  counts: Counts,
  stalledMs: number | undefined,
): WsarError {
  const got = `${options.target.text} let in ${counts.ready} of ${options.connections} users`;
  const when = stalledMs === undefined ? '' : ` and then nobody for ${stalledMs / 1000} s`;
  const reasons = [
    counts.refused > 0 ? `it refused ${counts.refused}: ${refusalText(counts.lastRefusal)}` : '',
    counts.timeouts > 0 ? `${counts.timeouts} got no answer in time` : '',
    counts.malformed > 0 ? `${counts.malformed} answers were no MQTT` : '',
    counts.lastErrno > 0 ? `last error ${systemErrorName(counts.lastErrno)}` : '',
  ].filter((reason) => reason !== '');
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `${got}${when}${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`,
    "look at the server's limits: connections, descriptors, listen backlog",
  );
}

/** Everybody was cut off in the steady phase and nobody came back. */
export function allLost(options: LoadOptions): WsarError {
  return new WsarError(
    'WSAR_ERR_UNREACHABLE',
    `${options.target.text} cut off all ${options.connections} users and let nobody in again`,
    'has the server ended?',
  );
}

function systemErrorName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`; // A number this platform has no name for.
  }
}
