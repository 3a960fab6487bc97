// Makes V8 small for a command that sleeps nearly all the time: no optimising compilers, and a young generation that
// stays small. Both are for programs that compute. The compilers cost 15 MB of memory (their own code, their work
// space, the code they make), and what they make saves a collector at 1 Hz some 0.3 ms of CPU a second
// (docs/decisions/0013). It has to be said before the command is loaded: code that was optimised stays.

import { setFlagsFromString } from 'node:v8';

/** For a command of which command-list.ts says so; before its file is loaded. */
export function keepEngineLean(): void {
  for (const flag of ['--no-opt', '--no-maglev', '--semi-space-growth-factor=1']) {
    setFlagsFromString(flag);
  }
}

/** V8 as it is by itself, for such a command that computes much after all. */
export function letEngineGrow(): void {
  for (const flag of ['--opt', '--maglev', '--semi-space-growth-factor=2']) {
    setFlagsFromString(flag);
  }
}
