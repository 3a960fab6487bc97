// Instances of one kind that come and go (network devices, disks, interrupt lines): each has a place in a
// bounded table, found by its name in the bytes of a file. One that is gone leaves its place to a new
// one when the table is full; sightings beyond that are counted.

import type { SampleTable } from '#collector/sample-table.ts';
import type { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export class InstanceTable {
  /** How often an instance was seen that found no place. */
  refused = 0;
  readonly #keys = new KeyTable();
  readonly #slots: number[][] = [];
  readonly #seenTick: number[] = [];
  readonly #instancesMax: number;
  readonly #specsOf: (name: string) => MetricSpec[];
  #metrics!: MetricScope;
  #tick = 0;

  /** `specsOf` gives the metrics of an instance, always the same number of them. */
  constructor(instancesMax: number, specsOf: (name: string) => MetricSpec[]) {
    this.#instancesMax = instancesMax;
    this.#specsOf = specsOf;
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
  }

  /** A new look at the file begins. */
  startTick(): void {
    this.#tick++;
  }

  /** Index of the instance whose name the scanner has just read; -1 when there is no place for it. */
  find(scanner: ByteScanner, table: SampleTable): number {
    const known = this.#keys.find(scanner);
    if (known >= 0) return known;
    const name = scanner.wordText();
    if (this.#keys.size < this.#instancesMax) {
      this.#slots.push(this.#specsOf(name).map((spec) => this.#metrics.declare(spec)));
      this.#seenTick.push(this.#tick);
      return this.#keys.add(name);
    }
    const gone = this.#seenTick.findIndex((tick) => tick < this.#tick - 1);
    if (gone < 0) {
      this.refused++;
      return -1;
    }
    this.#keys.replace(gone, name);
    for (const [kind, spec] of this.#specsOf(name).entries()) {
      const slot = this.#slots[gone]![kind]!;
      table.forget(slot);
      this.#metrics.redeclare(slot, spec);
    }
    return gone;
  }

  /** The instance has values in this tick. */
  seen(index: number): void {
    this.#seenTick[index] = this.#tick;
  }

  isSeen(index: number): boolean {
    return this.#seenTick[index] === this.#tick;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Slots of an instance's metrics, in the order of their specs. */
  slots(index: number): readonly number[] {
    return this.#slots[index]!;
  }

  names(): string[] {
    return this.#keys.names();
  }
}
