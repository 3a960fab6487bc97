// Slots of instances that come and go and are known by a text (processes, groups of threads, worker threads,
// series of an endpoint): each has a place in a bounded table. A place that was released keeps its name until
// another instance takes it over; what finds no place is counted.
//
// (Instances that are named by bytes of a file have collector/source/instance-table.ts.)

import type { SampleTable } from '#collector/sample-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export class InstanceSlots {
  /** How often an instance found no place. */
  refused = 0;
  readonly #placeOf = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #slots: number[][] = [];
  readonly #isTaken: boolean[] = [];
  readonly #instancesMax: number;
  readonly #specsOf: (name: string) => MetricSpec[];
  #metrics!: MetricScope;

  /** `specsOf` gives the metrics of an instance, always the same number of them, with names that hold its own. */
  constructor(instancesMax: number, specsOf: (name: string) => MetricSpec[]) {
    this.#instancesMax = instancesMax;
    this.#specsOf = specsOf;
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
  }

  /** The place of a new instance; -1, and counted, when there is none. It has no readings from before. */
  take(name: string, table: SampleTable): number {
    const place = this.#placeOf.get(name) ?? this.#freePlace(name, table);
    if (place < 0) {
      this.refused++;
      return -1;
    }
    if (!this.#isTaken[place]) {
      this.#isTaken[place] = true;
      for (const slot of this.#slots[place]!) table.forget(slot);
    }
    return place;
  }

  /** Whether a name is that of a released place, or of none: nothing that is there has it. */
  isFree(name: string): boolean {
    const place = this.#placeOf.get(name);
    return place === undefined ? this.#metrics.registry.slotOf(name) < 0 : !this.#isTaken[place];
  }

  /** The instance is gone; its place is for another one. */
  release(place: number): void {
    this.#isTaken[place] = false;
  }

  /** Slots of an instance's metrics, in the order of their specs. */
  slots(place: number): readonly number[] {
    return this.#slots[place]!;
  }

  /** Names of the instances that have a place. */
  names(): string[] {
    return this.#names.filter((_, place) => this.#isTaken[place]);
  }

  #freePlace(name: string, table: SampleTable): number {
    if (this.#slots.length < this.#instancesMax) {
      this.#slots.push(this.#specsOf(name).map((spec) => this.#metrics.declare(spec)));
      this.#isTaken.push(false);
      this.#placeOf.set(name, this.#names.length);
      return this.#names.push(name) - 1;
    }
    const place = this.#isTaken.indexOf(false);
    if (place < 0) return -1;
    this.#placeOf.delete(this.#names[place]!);
    this.#placeOf.set(name, place);
    this.#names[place] = name;
    for (const [kind, spec] of this.#specsOf(name).entries()) {
      const slot = this.#slots[place]![kind]!;
      table.forget(slot);
      this.#metrics.redeclare(slot, spec);
    }
    return place;
  }
}
