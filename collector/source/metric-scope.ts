// The metrics of one source: it declares them here, and the sampler knows from here which slots to
// settle after it was read. In the fast lane a metric that keeps decays also keeps its highest reading
// within a row, as a metric of its own: `name{max=100ms}`.

import type { SampleTable } from '#collector/sample-table.ts';
import { instanceName } from '#collector/source/metric-shape.ts';
import type { MetricRegistry, MetricSpec } from '#core/metric/registry.ts';
import { NO_SLOT } from '#core/metric/registry.ts';

export class MetricScope {
  readonly registry: MetricRegistry;
  readonly slots: number[] = [];
  /** Whether metrics keep their highest reading within a row. */
  readonly hasPeaks: boolean;
  /** Slots that keep it, the slots it is shown in, and the highest up to now; NaN: none yet. */
  readonly #peakOf: number[] = [];
  readonly #peakSlots: number[] = [];
  readonly #peaks: number[] = [];

  constructor(registry: MetricRegistry, hasPeaks = false) {
    this.registry = registry;
    this.hasPeaks = hasPeaks;
  }

  /** Gives a metric its slot; NO_SLOT when the registry is full. */
  declare(spec: MetricSpec): number {
    const slot = this.registry.declare(spec);
    if (slot === NO_SLOT) return slot;
    this.slots.push(slot);
    if (this.hasPeaks && spec.decays === true) {
      this.#peakOf.push(slot);
      this.#peakSlots.push(this.registry.declare(peakSpec(spec)));
      this.#peaks.push(Number.NaN);
    }
    return slot;
  }

  /** Gives the slot of an instance that is gone to another one. */
  redeclare(slot: number, spec: MetricSpec): void {
    if (slot === NO_SLOT) return;
    this.registry.redeclare(slot, spec);
    const at = this.#peakOf.indexOf(slot);
    if (at < 0) return;
    this.#peaks[at] = Number.NaN;
    const peakSlot = this.#peakSlots[at]!;
    if (peakSlot !== NO_SLOT) this.registry.redeclare(peakSlot, peakSpec(spec));
  }

  /** Remembers what stands in the table when it is the highest of this row. */
  notePeaks(table: SampleTable): void {
    for (let i = 0; i < this.#peakOf.length; i++) {
      const value = table.value(this.#peakOf[i]!);
      if (!(value <= this.#peaks[i]!) && !Number.isNaN(value)) this.#peaks[i] = value;
    }
  }

  /** Those of the row before say nothing about this one. */
  hidePeaks(table: SampleTable): void {
    for (let i = 0; i < this.#peakSlots.length; i++) table.set(this.#peakSlots[i]!, Number.NaN);
  }

  /** Shows the highest of this row and begins the next one. */
  showPeaks(table: SampleTable): void {
    for (let i = 0; i < this.#peakOf.length; i++) {
      table.set(this.#peakSlots[i]!, this.#peaks[i]!);
      this.#peaks[i] = Number.NaN;
    }
  }
}

function peakSpec({ name, short, unit, help }: MetricSpec): MetricSpec {
  return {
    name: instanceName(name, 'max', '100ms'),
    short: `${short}^`,
    unit,
    kind: 'gauge',
    help: `highest tenth of a second within the row: ${help}`,
  };
}
