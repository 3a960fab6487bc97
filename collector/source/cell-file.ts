// Numbers of small files that hold nothing else, such as those of /proc/sys and of cgroups: one or several
// numbers on one line. What is not there has no value; its probe says which file is missing.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import type { Capability } from '#collector/source/source.ts';
import type { MetricSpec } from '#core/metric/registry.ts';

export class CellFile {
  readonly #file: ProcFile;
  readonly #specs: readonly (MetricSpec | undefined)[];
  readonly #scanner = new ByteScanner();
  #slots: number[] = [];

  /** A spec for each number of the line; undefined: not wanted. */
  constructor(path: string, specs: readonly (MetricSpec | undefined)[]) {
    this.#file = new ProcFile(path);
    this.#specs = specs;
  }

  probe(): Capability {
    return this.#file.probe();
  }

  declare(metrics: MetricScope): void {
    this.#slots = this.#specs.map((spec) => (spec === undefined ? -1 : metrics.declare(spec)));
  }

  /** Writes what is there; false when the file cannot be read. */
  sample(table: SampleTable): boolean {
    if (!this.#file.read()) return false;
    const scanner = this.#scanner;
    scanner.start(this.#file.bytes, this.#file.length);
    if (!scanner.nextLine()) return true;
    for (let i = 0; i < this.#slots.length && scanner.number(); i++) {
      const slot = this.#slots[i]!;
      if (slot < 0) continue;
      if (this.#specs[i]!.counter === undefined) table.gauge(slot, scanner.value);
      else table.counter(slot, scanner.high, scanner.low);
    }
    return true;
  }

  slot(index: number): number {
    return this.#slots[index]!;
  }

  close(): void {
    this.#file.close();
  }
}

/** What several parts of one source found: absent when all are, degraded with the reasons when some are. */
export function joined(found: readonly Capability[]): Capability {
  const reasons = found.flatMap((each) => (each.state === 'ok' ? [] : [each.reason]));
  if (reasons.length === 0) return { state: 'ok' };
  const reason = reasons.join('; ');
  return found.every(({ state }) => state === 'absent')
    ? { state: 'absent', reason }
    : { state: 'degraded', reason };
}
