// A file of lines `key number` or `key: number kB`, such as /proc/meminfo and /proc/vmstat: declares a
// metric for each key that is wanted and reads them all in one pass.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import type { Capability } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export class KeyedFile {
  readonly #file: ProcFile;
  readonly #keys: KeyTable;
  readonly #specs: MetricSpec[];
  readonly #scanner = new ByteScanner();
  #slots: number[] = [];
  #isCounter: boolean[] = [];

  /** `wanted` maps a key of the file to its metric. */
  constructor(path: string, wanted: Record<string, MetricSpec>) {
    this.#file = new ProcFile(path);
    this.#keys = new KeyTable(Object.keys(wanted));
    this.#specs = Object.values(wanted);
  }

  /** Says which of the keys are missing, or that the file is. */
  probe(): Capability {
    const found = this.#file.probe();
    if (found.state === 'absent') return found;
    const seen = new Set<string>();
    this.#scanner.start(this.#file.bytes, this.#file.length);
    while (this.#scanner.nextLine()) {
      if (this.#scanner.word()) seen.add(this.#scanner.wordText());
    }
    const missing = this.#keys.names().filter((key) => !seen.has(key));
    return missing.length === 0
      ? { state: 'ok' }
      : {
          state: 'degraded',
          reason: `${this.#file.path} of this kernel lacks ${missing.join(', ')}`,
        };
  }

  declare(metrics: MetricScope): void {
    this.#slots = this.#specs.map((spec) => metrics.declare(spec));
    this.#isCounter = this.#specs.map((spec) => spec.counter !== undefined);
  }

  /** Writes the slots of the keys that are there; false when the file cannot be read. */
  sample(table: SampleTable): boolean {
    if (!this.#file.read()) return false;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      const key = this.#keys.find(scanner);
      if (key < 0 || !scanner.number() || scanner.isNegative) continue;
      const slot = this.#slots[key]!;
      if (this.#isCounter[key]) table.counter(slot, scanner.high, scanner.low);
      else table.gauge(slot, scanner.value);
    }
    return true;
  }

  /** The slot of a key's metric, once declared. */
  slot(key: string): number {
    return this.#slots[this.#keys.names().indexOf(key)]!;
  }

  close(): void {
    this.#file.close();
  }
}
