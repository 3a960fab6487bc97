// The knobs of a running server. Their definitions are data: an experiment is checked against them
// before any server runs.

import type { KnobDef, KnobValue } from '#core/knob/knob.ts';
import type { OfferedKnob } from '#core/knob/offer-knobs.ts';
import type { Server } from '#reference-server/server.ts';
import type { WorkerSettings } from '#reference-server/worker/worker-control.ts';

export const INJECTED_US_MAX = 1000;

export const SERVER_KNOBS: readonly KnobDef[] = [
  {
    name: 'write.flush',
    type: { kind: 'enum', values: ['turn', 'immediate'] },
    unit: '',
    default: 'turn',
    help: 'output leaves once at the end of a turn, or with every packet at once',
  },
  {
    name: 'receive.arming',
    type: { kind: 'enum', values: ['poll', 'recv'] },
    unit: '',
    default: 'poll',
    help: 'idle connections wait by poll (least kernel memory) or by receive (engine ring only)',
  },
  {
    name: 'inject.cpu_us',
    type: { kind: 'int', min: 0, max: INJECTED_US_MAX },
    unit: 'us',
    default: 0,
    help: 'CPU time burnt for each accepted message: a planted slow-down that a lab must find',
  },
];

/** Where each knob stands in the settings of the workers. */
const SETTING: Record<string, keyof WorkerSettings> = {
  'write.flush': 'flush',
  'receive.arming': 'arming',
  'inject.cpu_us': 'injectedUs',
};

/** The knobs of `server`, applied in all its workers and read back from them. */
export function serverKnobs(server: Server): OfferedKnob[] {
  return SERVER_KNOBS.map((def) => {
    const setting = SETTING[def.name]!;
    return {
      def,
      read: (): KnobValue => server.settings[setting],
      apply: (value: KnobValue) => server.change({ [setting]: value } as Partial<WorkerSettings>),
    };
  });
}
