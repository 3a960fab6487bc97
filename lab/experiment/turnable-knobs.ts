// The knobs that an experiment may turn: those of the parts that a run starts. Known before anything is
// started, so that a wrong value is a sentence and not a failed run.

import type { KnobDef } from '#core/knob/knob.ts';
import { SERVER_KNOBS } from '#reference-server/server-knobs.ts';

/** What the generator offers (loadgen/lab-link.ts); its default is the rate of the experiment. */
const LOAD_RATE: KnobDef = {
  name: 'load.rate',
  type: { kind: 'float', min: 0, max: 1_000_000 },
  unit: '{message}/s',
  default: 0,
  help: 'messages of all users together',
};

export const TURNABLE_KNOBS: Record<'server' | 'load', readonly KnobDef[]> = {
  server: SERVER_KNOBS,
  load: [LOAD_RATE],
};
