// The knobs that an experiment may turn: those of the parts that a run starts. Known before anything is
// started, so that a wrong value is a sentence and not a failed run.

import type { KnobDef } from '#core/knob/knob.ts';

export const TURNABLE_KNOBS: Record<'server' | 'load', readonly KnobDef[]> = {
  server: [
    {
      name: 'write.flush',
      type: { kind: 'enum', values: ['turn', 'immediate'] },
      unit: '',
      default: 'turn',
      help: '',
    },
    {
      name: 'receive.arming',
      type: { kind: 'enum', values: ['poll', 'recv'] },
      unit: '',
      default: 'poll',
      help: '',
    },
  ],
  load: [
    {
      name: 'load.rate',
      type: { kind: 'float', min: 0, max: 10_000_000 },
      unit: '{message}/s',
      default: 0,
      help: '',
    },
  ],
};
