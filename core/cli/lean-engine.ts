// Makes V8 small. A command that sleeps nearly all the time gets no optimising compilers and a young generation that
// stays small. Both are for programs that compute. The compilers cost 15 MB of memory (their own code, their work
// space, the code they make), and what they make saves a collector at 1 Hz some 0.3 ms of CPU a second
// (docs/decisions/0013). It has to be said before the command is loaded: code that was optimised stays.
//
// A command whose hot paths allocate nothing keeps the compilers, and has no use for a large young generation either:
// V8 would let it grow to 3 times 16 MiB in every thread, because objects of its start survive a collection or two.

import { setFlagsFromString } from 'node:v8';

/** For a command that command-list.ts calls `asleep`; before its file is loaded. */
export function keepEngineLean(): void {
  for (const flag of ['--no-opt', '--no-maglev']) setFlagsFromString(flag);
  keepYoungSmall();
}

/** For a command that command-list.ts calls `unallocating`, and its threads; before its file is loaded. */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** V8 as it is by itself, for such a command that computes much after all. */
export function letEngineGrow(): void {
  for (const flag of ['--opt', '--maglev', '--semi-space-growth-factor=2']) {
    setFlagsFromString(flag);
  }
}
