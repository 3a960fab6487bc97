// SIGINT and SIGTERM: the first asks for a clean partial report, the second ends the process at once.

import { EXIT } from '#core/cli/exit-code.ts';

/** Runs `body` with a signal that the first SIGINT or SIGTERM aborts (reason: the signal's name). */
export async function withSignals<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(name === 'SIGINT' ? EXIT.interrupted : EXIT.terminated);
    abort.abort(name);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    return await body(abort.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

/** The exit code of a command that ended well: 0, or the signal that ended it. */
export function signalExitCode(signal: AbortSignal): number {
  if (!signal.aborted) return EXIT.ok;
  return signal.reason === 'SIGINT'
    ? EXIT.interrupted
    : signal.reason === 'SIGTERM'
      ? EXIT.terminated
      : EXIT.ok;
}
