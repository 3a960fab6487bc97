// When a crowd that logged in and out is away, as the server tells it. Its generator has ended by then, which is
// how a crowd ends, and what the server said while it still lived counts those of them who had logged in so far.

import type { Clock } from '#core/clock/clock.ts';
import type { LabRecorder } from '#lab/run/lab-recorder.ts';
import type { Supervisor } from '#lab/run/supervisor.ts';
import { untilTrue } from '#lab/run/until-cut.ts';

const LOOK_MS = 100;
/** Users who said goodbye and are still here then will not go: the count of the logins tells so. */
const AWAY_TIMEOUT_MS = 15_000;

export interface AwayContext {
  recorder: Pick<LabRecorder, 'latest'>;
  supervisor: Pick<Supervisor, 'part'>;
  clock: Clock;
  signal: AbortSignal;
}

/**
 * Waits for a row of the server from after `leftMs`, the wall time at which the generator ended, with nobody in it.
 * False when it did not come: the server ended, `isOver` said so, or the time was up.
 */
export async function untilAllAway(
  { recorder, supervisor, clock, signal }: AwayContext,
  leftMs: number,
  isOver: () => boolean,
): Promise<boolean> {
  const isAway = (): boolean => {
    const row = recorder.latest('server');
    return row !== undefined && row.wallMs > leftMs && row.values['wsar.server.sessions'] === 0;
  };
  const isDone = (): boolean =>
    isAway() || supervisor.part('server')?.exit !== undefined || isOver();
  await untilTrue(isDone, { clock, everyMs: LOOK_MS, timeoutMs: AWAY_TIMEOUT_MS, signal });
  return isAway();
}

/** How many of a crowd came in, from the last line that its generator printed; 0 when it was killed before that. */
export function registeredOf(line: string): number {
  try {
    const { loggedIn, lost, reconnects } = JSON.parse(line).connections ?? { loggedIn: 0 };
    // Who was in and is cut off is registered all the same.
    return loggedIn + Math.max(0, (lost ?? 0) - (reconnects ?? 0));
  } catch {
    return 0; // Killed in the middle of a line.
  }
}
