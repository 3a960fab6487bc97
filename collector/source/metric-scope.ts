// The metrics of one source: it declares them here, and the sampler knows from here which slots to
// settle after it was read.

import type { MetricRegistry, MetricSpec } from '#core/metric/registry.ts';
import { NO_SLOT } from '#core/metric/registry.ts';

export class MetricScope {
  readonly registry: MetricRegistry;
  readonly slots: number[] = [];

  constructor(registry: MetricRegistry) {
    this.registry = registry;
  }

  /** Gives a metric its slot; NO_SLOT when the registry is full. */
  declare(spec: MetricSpec): number {
    const slot = this.registry.declare(spec);
    if (slot !== NO_SLOT) this.slots.push(slot);
    return slot;
  }

  /** Gives the slot of an instance that is gone to another one. */
  redeclare(slot: number, spec: MetricSpec): void {
    if (slot !== NO_SLOT) this.registry.redeclare(slot, spec);
  }
}
