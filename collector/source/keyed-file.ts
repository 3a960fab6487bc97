// A file of lines `key number` or `key: number kB`, such as /proc/meminfo and /proc/vmstat: declares a
// metric for each key that is wanted and reads them all in one pass.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import type { Capability } from '#collector/source/source.ts';
import { type MetricSpec, NO_SLOT } from '#core/metric/registry.ts';

/** Keys of one file at the most; /proc/vmstat has some 200. */
const KEYS_MAX = 1024;

export class KeyedFile {
  readonly #file: ProcFile;
  readonly #keys: KeyTable;
  readonly #specs: MetricSpec[];
  readonly #otherSpec: ((key: string) => MetricSpec) | undefined;
  readonly #scanner = new ByteScanner();
  #metrics!: MetricScope;
  #slots: number[] = [];
  #isCounter: boolean[] = [];

  /**
   * `wanted` maps a key of the file to its metric. `otherSpec` gives one for each of the other keys, up
   * to a bound; without it they are left out.
   */
  constructor(
    path: string,
    wanted: Record<string, MetricSpec>,
    otherSpec?: (key: string) => MetricSpec,
  ) {
    this.#file = new ProcFile(path);
    this.#keys = new KeyTable(Object.keys(wanted));
    this.#specs = Object.values(wanted);
    this.#otherSpec = otherSpec;
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
    const wanted = this.#keys.names().slice(0, this.#specs.length);
    const missing = wanted.filter((key) => !seen.has(key));
    return missing.length === 0
      ? { state: 'ok' }
      : {
          state: 'degraded',
          reason: `${this.#file.path} of this kernel lacks ${missing.join(', ')}`,
        };
  }

  declare(metrics: MetricScope): void {
    this.#metrics = metrics;
    this.#slots = this.#specs.map((spec) => metrics.declare(spec));
    this.#isCounter = this.#specs.map((spec) => spec.counter !== undefined);
  }

  /** Writes the slots of the keys that are there; false when the file cannot be read. */
  sample(table: SampleTable): boolean {
    if (!this.#file.read()) return false;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    while (scanner.nextLine()) {
      const key = this.#keyIndex();
      if (key < 0 || this.#slots[key]! < 0) continue;
      if (!scanner.number() || scanner.isNegative) continue;
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

  /** Index of the key that stands next; -1 when there is none, or no room for it. */
  #keyIndex(): number {
    const known = this.#keys.read(this.#scanner);
    const { wordStart, wordEnd } = this.#scanner;
    if (known >= 0 || wordStart === wordEnd || this.#keys.size >= KEYS_MAX) return known;
    // Keys that nobody wants are kept too, without a slot: to know them again is cheaper than to search.
    const key = this.#scanner.wordText();
    const spec = this.#otherSpec?.(key);
    this.#slots.push(spec === undefined ? NO_SLOT : this.#metrics.declare(spec));
    this.#isCounter.push(spec?.counter !== undefined);
    return this.#keys.add(key);
  }
}
