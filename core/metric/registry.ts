// The registry: which metrics one process has, and the slot of each. A slot is a small integer, the
// index of the metric in every typed array of the sampler; names are looked up when a source opens,
// never in a tick.
//
// Metrics of one kind for many instances (CPUs, devices) are one metric each, named
// `<name>{<attribute>=<value>,...}`. A slot whose instance is gone can be given to another.

import { assert } from '#core/assert.ts';
import type { CounterClass } from '#core/metric/counter.ts';
import type { MetricDef } from '#core/metric/row.ts';

/** A metric as its source declares it. */
export interface MetricSpec extends MetricDef {
  /** `rate` is a mean over the interval, `gauge` a reading of now. */
  kind: 'rate' | 'gauge';
  /** Set when the source hands in a cumulative counter; the rate is then its rise per second times `scale`. */
  counter?: CounterClass;
  /** From what the source reads to `unit`: 1024 for KiB to By. Default 1. */
  scale?: number;
  /** The most the rate can physically be, in `unit`; more is not believed. Default: anything. */
  max?: number;
  /** Raw material of another metric; not shown in rows. */
  isHidden?: boolean;
}

/** Slots of one process at the most: 64 CPUs and 64 devices need about 1,700. */
const SLOTS_MAX = 16_384;

/** What `declare` returns when the registry is full; writing to it does nothing. */
export const NO_SLOT = -1;

export class MetricRegistry {
  readonly #specs: MetricSpec[] = [];
  readonly #slotByName = new Map<string, number>();
  readonly #slotsMax: number;
  /** Declarations that found no room. */
  refused = 0;
  /** Changes with every declaration; whoever published the schema publishes it again. */
  version = 0;

  constructor(slotsMax = SLOTS_MAX) {
    this.#slotsMax = slotsMax;
  }

  get slots(): number {
    return this.#specs.length;
  }

  /** Gives a new metric its slot; NO_SLOT, counted in `refused`, when there is no room. */
  declare(spec: MetricSpec): number {
    assert(!this.#slotByName.has(spec.name), `metric ${spec.name} is declared once`);
    if (this.slots >= this.#slotsMax) {
      this.refused++;
      return NO_SLOT;
    }
    this.version++;
    this.#slotByName.set(spec.name, this.slots);
    return this.#specs.push(spec) - 1;
  }

  /** Gives the slot of an instance that is gone to another one. */
  redeclare(slot: number, spec: MetricSpec): void {
    const before = this.spec(slot);
    const taken = this.#slotByName.get(spec.name);
    assert(taken === undefined || taken === slot, `metric ${spec.name} is declared once`);
    this.#slotByName.delete(before.name);
    this.#slotByName.set(spec.name, slot);
    this.#specs[slot] = spec;
    this.version++;
  }

  spec(slot: number): MetricSpec {
    const spec = this.#specs[slot];
    assert(spec !== undefined, 'a slot that was declared is asked for');
    return spec;
  }

  /** The slot of a metric by its full name, NO_SLOT when there is none. */
  slotOf(name: string): number {
    return this.#slotByName.get(name) ?? NO_SLOT;
  }

  /** What rows of this process hold, in the order of declaration. */
  definitions(): MetricDef[] {
    return this.#specs
      .filter((spec) => spec.isHidden !== true)
      .map(({ name, short, unit, kind, decays, help }) => ({
        name,
        short,
        unit,
        kind,
        ...(decays === true ? { decays } : {}),
        help,
      }));
  }
}
