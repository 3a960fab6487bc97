// Makes V8 small for a collector that ticks once a second and does nothing else: no optimising compilers and a young
// generation that stays small. Both are for programs that compute; this one sleeps 99.7 % of the time. The
// compilers alone cost 14 MB of memory (their own code, their work space, the code they make), and what they make
// saves some 0.4 ms of CPU a second (docs/decisions/0013). A fast lane, short intervals and a lab compute
// enough to be worth it, so they keep V8 as it is.
//
// V8 reads these flags whenever it decides, so they may be set while it runs; code that was optimised
// before stays.

import { setFlagsFromString } from 'node:v8';

const PERIOD_MS_MIN = 1000;
const FLAGS = ['--no-opt', '--no-maglev', '--semi-space-growth-factor=1'];

/** Call it before the first tick. */
export function makeEngineLean(plan: {
  periodMs: number;
  hasFastLane?: boolean;
  lab: { busUrl: string | undefined };
}): void {
  if (plan.periodMs < PERIOD_MS_MIN || plan.hasFastLane === true || plan.lab.busUrl !== undefined) {
    return;
  }
  for (const flag of FLAGS) setFlagsFromString(flag);
}
