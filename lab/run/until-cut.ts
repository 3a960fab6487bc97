// Waiting that ends early when the run is cut: every wait of a run goes through here, so that a lost part
// or a Ctrl-C is felt at once and not at the end of a phase.

import type { Clock } from '#core/clock/clock.ts';

/** Thrown by a wait when the run was cut; the reason of the signal says why. */
export class RunCut extends Error {
  constructor() {
    super('the run was cut');
    this.name = 'RunCut';
  }
}

/** The value of `promise`, or RunCut as soon as `signal` is aborted. */
export async function untilCut<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  promise.catch(() => {}); // After a cut nobody waits for it any more.
  if (signal.aborted) throw new RunCut();
  let onAbort: (() => void) | undefined;
  const cut = new Promise<never>((_, reject) => {
    onAbort = () => reject(new RunCut());
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, cut]);
  } finally {
    signal.removeEventListener('abort', onAbort!);
  }
}

/** Sleeps until the wall clock shows `wallMs`. */
export async function untilWall(clock: Clock, wallMs: number, signal: AbortSignal): Promise<void> {
  // In pieces, because a wall clock that is set moves the goal.
  for (;;) {
    const leftMs = wallMs - clock.wallMs();
    if (leftMs <= 0) return;
    await untilCut(sleep(clock, Math.min(leftMs, 500)), signal);
  }
}

export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** Asks `condition` every `everyMs` until it holds (true) or `timeoutMs` has passed (false). */
export async function untilTrue(
  condition: () => boolean,
  options: { clock: Clock; everyMs: number; timeoutMs: number; signal: AbortSignal },
): Promise<boolean> {
  const { clock, everyMs, timeoutMs, signal } = options;
  const endUs = clock.monoUs() + timeoutMs * 1000;
  while (!condition()) {
    if (clock.monoUs() >= endUs) return false;
    await untilCut(sleep(clock, everyMs), signal);
  }
  return true;
}
