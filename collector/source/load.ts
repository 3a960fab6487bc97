// /proc/loadavg (the kernel's own decays, once every 5 s) and /proc/sys/fs/file-nr (descriptors in use),
// two files of one line. proc(5).
//
//   loadavg   0.12 0.08 0.05 1/95 7892       1, 5, 15 minutes; runnable/all threads; newest process id
//   file-nr   593 0 2466170                  allocated; free (0 since 2.6); limit

import type { SampleTable } from '#collector/sample-table.ts';
import { ByteScanner } from '#collector/source/byte-scanner.ts';
import type { MetricScope } from '#collector/source/metric-scope.ts';
import { gauge } from '#collector/source/metric-shape.ts';
import { ProcFile } from '#collector/source/proc-file.ts';
import { type Capability, Freshness, type Source } from '#collector/source/source.ts';

const SLASH = '/'.charCodeAt(0);

export class LoadSource implements Source {
  readonly id = 'load';
  readonly isFast = true;
  readonly budgetUs = 20_000;
  readonly #load: ProcFile;
  readonly #files: ProcFile;
  readonly #scanner = new ByteScanner();
  #loadSlots: number[] = [];
  #threads = -1;
  #filesUsed = -1;
  #filesLimit = -1;

  constructor(root: string) {
    this.#load = new ProcFile(`${root}/loadavg`);
    this.#files = new ProcFile(`${root}/sys/fs/file-nr`);
  }

  probe(): Capability {
    const missing = [this.#load, this.#files].filter((file) => !file.read());
    const reason = missing.map(({ path }) => `${path} cannot be read`).join('; ');
    if (missing.length === 2) return { state: 'absent', reason };
    return missing.length === 0 ? { state: 'ok' } : { state: 'degraded', reason };
  }

  declare(metrics: MetricScope): void {
    this.#loadSlots = ['1m', '5m', '15m'].map((period) =>
      metrics.declare(
        gauge(
          `system.linux.load{period=${period}}`,
          `ld${period.slice(0, -1)}`,
          '1',
          `load average over ${period}: runnable and disk-blocked threads`,
        ),
      ),
    );
    this.#threads = metrics.declare(
      gauge('system.thread.count', 'thr', '{thread}', 'threads on this host'),
    );
    this.#filesUsed = metrics.declare(
      gauge(
        'linux.file_descriptors{state=used}',
        'files',
        '{file}',
        'open files of the whole host; several descriptors may share one',
        { decays: true },
      ),
    );
    this.#filesLimit = metrics.declare(
      gauge('linux.file_descriptors.limit', 'filmax', '{file}', 'open files the kernel allows'),
    );
  }

  sample(table: SampleTable): number {
    const hasLoad = this.#sampleLoad(table);
    const hasFiles = this.#sampleFiles(table);
    return hasLoad || hasFiles ? Freshness.now : Freshness.stale;
  }

  close(): void {
    this.#load.close();
    this.#files.close();
  }

  #sampleLoad(table: SampleTable): boolean {
    if (!this.#enter(this.#load)) return false;
    const scanner = this.#scanner;
    for (let i = 0; i < this.#loadSlots.length; i++) {
      if (!scanner.number()) return true;
      table.gauge(this.#loadSlots[i]!, scanner.value);
    }
    scanner.skipPast(SLASH);
    if (scanner.number()) table.gauge(this.#threads, scanner.value);
    return true;
  }

  #sampleFiles(table: SampleTable): boolean {
    if (!this.#enter(this.#files)) return false;
    const scanner = this.#scanner;
    if (!scanner.number()) return true;
    const used = scanner.value;
    if (scanner.number()) table.gauge(this.#filesUsed, used - scanner.value);
    if (scanner.number()) table.gauge(this.#filesLimit, scanner.value);
    return true;
  }

  #enter(file: ProcFile): boolean {
    if (!file.read()) return false;
    this.#scanner.start(file.bytes, file.length);
    return this.#scanner.nextLine();
  }
}
