// Runs sources against a fake /proc on virtual time and gives their values by name.

import { Sampler } from '#collector/sampler.ts';
import type { Source } from '#collector/source/source.ts';
import { VirtualClock } from '#core/clock/clock.ts';

export interface TreeReader {
  sampler: Sampler;
  clock: VirtualClock;
  /** Lets `seconds` pass and samples once. */
  tick(seconds?: number): void;
  /** The value of a metric after the last tick; NaN when it has none. Throws when there is no such metric. */
  value(name: string): number;
}

export function readTree(...sources: Source[]): TreeReader {
  const clock = new VirtualClock();
  const sampler = new Sampler(clock, sources);
  return {
    sampler,
    clock,
    tick(seconds = 1) {
      clock.stall(seconds * 1000);
      sampler.sample();
    },
    value(name) {
      const slot = sampler.registry.slotOf(name);
      if (slot < 0) throw new Error(`there is no metric ${name}`);
      return sampler.table.value(slot);
    },
  };
}
