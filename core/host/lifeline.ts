// A child of the lab dies with the lab, even when the lab was killed with SIGKILL: the lab holds the
// write end of the child's stdin, and its end is the news.

import { readLabEnvironment } from '#core/host/lab-environment.ts';

/** Calls `onLost` once when the parent that started us with a lifeline is gone. Without one, does nothing. */
export function watchLifeline(onLost: () => void): void {
  if (!readLabEnvironment().hasLifeline) return;
  let lost = false;
  const once = (): void => {
    if (lost) return;
    lost = true;
    onLost();
  };
  process.stdin.on('end', once).on('close', once).on('error', once).resume();
  // The lifeline alone must not keep a finished command alive.
  (process.stdin as unknown as { unref?: () => void }).unref?.();
}
