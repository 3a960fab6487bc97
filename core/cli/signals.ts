// SIGINT, SIGTERM and SIGHUP: the first asks for a clean partial report, another one ends the process at once. Not
// another SIGHUP: a shell whose terminal was closed sends one, and the kernel sends one more when the shell ends.

import { EXIT, type ExitCode } from '#core/cli/exit-code.ts';
import { type Clock, systemClock } from '#core/clock/clock.ts';

/** A Ctrl-C comes twice where another Node started ours: from the terminal, and passed on by bin/wsar. */
const SAME_US = 100_000;

const EXIT_CODES: Record<string, ExitCode> = {
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
  SIGHUP: EXIT.hungUp,
};

/** Runs `body` with a signal that the first of them aborts (reason: the signal's name). */
export async function withSignals<T>(
  body: (signal: AbortSignal) => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  const abort = new AbortController();
  let firstUs = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    if (abort.signal.aborted && clock.monoUs() - firstUs > SAME_US) {
      process.exit(EXIT_CODES[name]);
    }
    if (abort.signal.aborted) return;
    firstUs = clock.monoUs();
    abort.abort(name);
  };
  const onHangup = (name: NodeJS.Signals): void => {
    // A command that listens itself has another use for it (the files of wsar serve).
    if (process.listenerCount('SIGHUP') === 1) abort.abort(name);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onHangup);
  try {
    return await body(abort.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
    process.off('SIGHUP', onHangup);
  }
}

/** The exit code of a command that ended well: 0, or the signal that ended it. */
export function signalExitCode(signal: AbortSignal): ExitCode {
  return signal.aborted ? (EXIT_CODES[signal.reason] ?? EXIT.ok) : EXIT.ok;
}
