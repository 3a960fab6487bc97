// The knobs that an experiment may turn: those of the parts that a run starts. Known before anything is
// started, so that a wrong value is a sentence and not a failed run.

import type { KnobDef } from '#core/knob/knob.ts';
import { LOAD_KNOBS } from '#loadgen/load-knobs.ts';
import { SERVER_KNOBS } from '#reference-server/server-knobs.ts';

export const TURNABLE_KNOBS: Record<'server' | 'load', readonly KnobDef[]> = {
  server: SERVER_KNOBS,
  load: LOAD_KNOBS,
};
