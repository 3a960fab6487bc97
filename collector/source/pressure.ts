// /proc/pressure/{cpu,memory,io,irq}: how long some, or all, of the threads that wanted to work were
// stalled for want of a resource. Documentation/accounting/psi.rst.
//
//   some avg10=0.72 avg60=0.96 avg300=0.67 total=14137483        total in us
//
// Only the totals are read; their rise per second is the share of the time, exact for any interval.
// A kernel booted with psi=0 has the files and refuses to read them; irq came with 6.1.

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import { KeyTable } from '#collector/source/key-table.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { counter } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const RESOURCES = ['cpu', 'memory', 'io', 'irq'];
const KINDS = ['some', 'full'];
const US = 1e-6;
const EQUALS = '='.charCodeAt(0);
/** `avg10`, `avg60`, `avg300` stand before `total`. */
const EQUALS_BEFORE_TOTAL = 4;

export class PressureSource implements Source {
  readonly id = 'pressure';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #files: readonly ProcFile[];
  readonly #scanner = new ByteScanner();
  readonly #kinds = new KeyTable(KINDS);
  /** Slot by resource and kind. */
  #slots: number[][] = [];

  constructor(root: string) {
    this.#files = RESOURCES.map((resource) => new ProcFile(`${root}/pressure/${resource}`));
  }

  probe(): Capability {
    const missing = this.#files.filter((file) => !file.read()).map(({ path }) => path);
    if (missing.length === 0) return { state: 'ok' };
    return missing.length === this.#files.length
      ? { state: 'absent', reason: 'this kernel keeps no pressure figures (CONFIG_PSI, psi=1)' }
      : { state: 'degraded', reason: `${missing.join(', ')} cannot be read` };
  }

  declare(metrics: MetricScope): void {
    this.#slots = RESOURCES.map((resource) =>
      KINDS.map((kind) =>
        metrics.declare(
          counter(
            `system.linux.pressure{resource=${resource},type=${kind}}`,
            `${resource.slice(0, 3)}${kind === 'some' ? 'P' : 'F'}`,
            '1',
            `share of the time in which ${kind === 'some' ? 'some' : 'all'} threads waited for ${resource}`,
            // Totals are brought up to date in steps, so a tick may show a little more than its own time.
            { scale: US, decays: kind === 'some', max: 2 },
          ),
        ),
      ),
    );
  }

  sample(table: SampleTable): number {
    let isRead = false;
    for (let resource = 0; resource < this.#files.length; resource++) {
      const file = this.#files[resource]!;
      if (!file.read()) continue;
      isRead = true;
      this.#readFile(file, this.#slots[resource]!, table);
    }
    return isRead ? Freshness.now : Freshness.stale;
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #readFile(file: ProcFile, slots: readonly number[], table: SampleTable): void {
    const scanner = this.#scanner;
    scanner.start(file.bytes, file.length);
    while (scanner.nextLine()) {
      if (!scanner.word()) continue;
      const kind = this.#kinds.find(scanner);
      if (kind < 0) continue;
      for (let i = 0; i < EQUALS_BEFORE_TOTAL; i++) scanner.skipPast(EQUALS);
      if (scanner.number()) table.counter(slots[kind]!, scanner.high, scanner.low);
    }
  }
}
